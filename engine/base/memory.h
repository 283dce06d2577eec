// How much memory this process may still take.
#pragma once

#include <cstdint>
#include <optional>

namespace moe {

// Bytes that can be taken without swapping: what the system calls available, and no more than what is left
// below the limit of the process's control group (v2). Nothing where the system does not say.
std::optional<std::uint64_t> available_memory();

}  // namespace moe

// Resident memory of this process.
#pragma once

#include <cstdint>

namespace moe::tools {

// Now, and the most it ever was; 0 where the system does not say.
std::uint64_t resident_bytes();
std::uint64_t peak_resident_bytes();

}  // namespace moe::tools

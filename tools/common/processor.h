// What this machine is called.
#pragma once

#include <string>

namespace moe::tools {

// The processor's name as the system gives it, without quotes; "unknown" where it does not say.
const std::string& processor_name();

}  // namespace moe::tools

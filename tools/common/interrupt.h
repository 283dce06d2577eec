// Ctrl-C and termination signals as a flag that long work looks at.
#pragma once

#include <atomic>
#include <string_view>

namespace moe::tools {

// From here on SIGINT, SIGTERM and SIGHUP set a flag; a second SIGINT ends the program at once, as a user who
// presses Ctrl-C twice expects. SIGPIPE is ignored, so that a closed pipe is a write error and not a sudden
// death.
void catch_interrupts();

// True once such a signal has come. Safe in any thread, and cheap enough for inner loops.
bool interrupted() noexcept;
// Leaves work that has nothing to show yet: throws an Error, which run_program() turns into exit code 130.
void stop_if_interrupted(std::string_view work);

// The flag itself, for libraries that take a pointer to one and know nothing of signals.
const std::atomic<bool>& interrupt_flag() noexcept;

}  // namespace moe::tools

// Signal handlers that only set a flag.
#include "tools/common/interrupt.h"

#include <csignal>
#include <string>

#include "engine/base/error.h"

namespace moe::tools {
namespace {

std::atomic<bool> g_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

extern "C" void on_signal(int signal) {
  if (g_interrupted.exchange(true) && signal == SIGINT) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  // No SA_RESTART: a program that waits for input should wake up.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

bool interrupted() noexcept { return g_interrupted.load(std::memory_order_relaxed); }

void stop_if_interrupted(std::string_view work) {
  if (interrupted()) throw Error(ErrorKind::io, "interrupted while " + std::string(work));
}

const std::atomic<bool>& interrupt_flag() noexcept { return g_interrupted; }

}  // namespace moe::tools

// The team: a generation counter starts a job, a countdown ends it; both are spun on for a while, then slept
// on.
//
// Sleeping is a futex: std::atomic::wait of libstdc++ yields the processor many times before it sleeps, which
// on a busy machine costs a turn of everybody else each time.
#include "kernels/thread_team.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace moe::kernels {
namespace {

// Spinning lasts about this many clock ticks (a quarter of a millisecond), less where it was in vain before: then the
// team is idle or the machine busy. Waking a sleeper costs tens of microseconds where processors are virtual, and
// the products of one layer of a small model take no more than that.
constexpr std::uint64_t kMostTicks = 600'000, kLeastTicks = 1'000;

std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) * 2;
#endif
}

inline void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// A word that one side changes and the other waits for.
class Signal {
 public:
  std::uint32_t load() const noexcept { return word_.load(std::memory_order_acquire); }
  void store(std::uint32_t value) noexcept { word_.store(value, std::memory_order_relaxed); }

  // Both wake all sleepers: at every step, or when the word comes to zero.
  void count_up() noexcept {
    word_.fetch_add(1);
    wake();
  }
  void count_down() noexcept {
    if (word_.fetch_sub(1) == 1) wake();
  }

  // Returns when the word differs from `old`, or later, when somebody wakes the sleepers.
  void wait_change(std::uint32_t old, std::uint64_t& spin_ticks) noexcept {
    if (spin_ticks > 0) {
      for (const std::uint64_t start = ticks(); ticks() - start < spin_ticks;) {
        if (load() != old) {
          spin_ticks = kMostTicks;
          return;
        }
        relax();
      }
      spin_ticks = std::max(spin_ticks / 2, kLeastTicks);
    }
    sleepers_.fetch_add(1);
    while (word_.load() == old) syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
    sleepers_.fetch_sub(1);
  }

 private:
  // Sequentially consistent on both sides: either this one sees the sleeper, or the sleeper the new value.
  void wake() noexcept {
    if (sleepers_.load() > 0) syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
  }

  static_assert(sizeof(std::atomic<std::uint32_t>) == 4, "a futex is four bytes");
  alignas(64) std::atomic<std::uint32_t> word_ = 0;
  std::atomic<int> sleepers_ = 0;
};

}  // namespace

struct ThreadTeam::State {
  explicit State(int n) : size(n), errors(static_cast<std::size_t>(n)) {
    // Spinning pays only while every worker can have a processor.
    if (n <= static_cast<int>(std::thread::hardware_concurrency())) spin_ticks = kMostTicks;
    caller_spin_ticks = spin_ticks;
  }

  void call(int worker) noexcept {
    try {
      (*job)(worker, size);
    } catch (...) {
      errors[static_cast<std::size_t>(worker)] = std::current_exception();
    }
  }

  void work(int worker) noexcept {
    std::uint64_t spins = spin_ticks;
    for (std::uint32_t seen = 0;;) {
      generation.wait_change(seen, spins);
      ++seen;
      if (stop.load(std::memory_order_relaxed)) return;
      call(worker);
      pending.count_down();
    }
  }

  void start(const FunctionRef<void(int, int)>* next) noexcept {
    job = next;
    pending.store(static_cast<std::uint32_t>(size - 1));
    generation.count_up();
  }

  void finish() noexcept {
    for (std::uint32_t left = pending.load(); left != 0; left = pending.load()) {
      pending.wait_change(left, caller_spin_ticks);
    }
  }

  void shut_down() noexcept {
    stop.store(true, std::memory_order_relaxed);
    start(nullptr);
    for (std::thread& thread : threads) thread.join();
  }

  const int size;
  std::uint64_t spin_ticks = 0;
  std::uint64_t caller_spin_ticks = 0;
  const FunctionRef<void(int, int)>* job = nullptr;
  std::vector<std::exception_ptr> errors;
  Signal generation, pending;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
};

ThreadTeam::ThreadTeam(int n) : state_(std::make_unique<State>(n > 0 ? n : default_thread_count())) {
  try {
    for (int worker = 1; worker < state_->size; ++worker) {
      state_->threads.emplace_back([state = state_.get(), worker] { state->work(worker); });
    }
  } catch (...) {
    state_->shut_down();
    throw;
  }
}

ThreadTeam::~ThreadTeam() { state_->shut_down(); }

int ThreadTeam::size() const noexcept { return state_->size; }

void ThreadTeam::run(FunctionRef<void(int, int)> f) {
  State& state = *state_;
  if (state.size == 1) return f(0, 1);
  state.start(&f);
  state.call(0);
  state.finish();
  for (std::exception_ptr& error : state.errors) {
    if (error == nullptr) continue;
    const std::exception_ptr first = error;
    std::fill(state.errors.begin(), state.errors.end(), nullptr);
    std::rethrow_exception(first);
  }
}

void ThreadTeam::parallel_for(std::int64_t total, std::int64_t granularity,
                              FunctionRef<void(std::int64_t, std::int64_t, int)> f) {
  if (total <= 0) return;
  const std::int64_t granule = std::max<std::int64_t>(1, granularity);
  const std::int64_t granules = (total - 1) / granule + 1;
  const auto slice = [&](int worker, int n) {
    // Granules before worker w: w of the whole shares, and one more for each of the first `granules % n`
    // workers.
    const auto start = [&](std::int64_t w) {
      return granules / n * w + std::min<std::int64_t>(w, granules % n);
    };
    const std::int64_t begin = std::min(total, start(worker) * granule);
    const std::int64_t end = worker + 1 == n ? total : std::min(total, start(worker + 1) * granule);
    if (begin < end) f(begin, end, worker);
  };
  if (granules == 1 || state_->size == 1) {
    f(0, total, 0);
  } else {
    run(slice);
  }
}

}  // namespace moe::kernels

// The team: a generation counter starts a job, a countdown ends it; both are spun on briefly, then slept on.
#include "kernels/thread_team.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

namespace moe::kernels {
namespace {

inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

struct ThreadTeam::State {
  explicit State(int n) : size(n), errors(static_cast<std::size_t>(n)) {
    // Spinning pays only while every worker can have a processor.
    spins = n <= static_cast<int>(std::thread::hardware_concurrency()) ? 400 : 0;
  }

  // Returns when `value` differs from `old`.
  template <typename T>
  void wait_change(std::atomic<T>& value, T old) const noexcept {
    for (int i = 0; i < spins; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      relax();
    }
    value.wait(old, std::memory_order_acquire);
  }

  void call(int worker) noexcept {
    try {
      (*job)(worker, size);
    } catch (...) {
      errors[static_cast<std::size_t>(worker)] = std::current_exception();
    }
  }

  void work(int worker) noexcept {
    for (std::uint32_t seen = 0;;) {
      wait_change(generation, seen);
      ++seen;
      if (stop.load(std::memory_order_relaxed)) return;
      call(worker);
      if (pending.fetch_sub(1, std::memory_order_acq_rel) == 1) pending.notify_one();
    }
  }

  void start(const FunctionRef<void(int, int)>* next) noexcept {
    job = next;
    pending.store(size - 1, std::memory_order_relaxed);
    generation.fetch_add(1, std::memory_order_release);
    generation.notify_all();
  }

  void shut_down() noexcept {
    stop.store(true, std::memory_order_relaxed);
    start(nullptr);
    for (std::thread& thread : threads) thread.join();
  }

  const int size;
  int spins = 0;
  const FunctionRef<void(int, int)>* job = nullptr;
  std::vector<std::exception_ptr> errors;
  alignas(64) std::atomic<std::uint32_t> generation = 0;
  std::atomic<bool> stop = false;
  alignas(64) std::atomic<int> pending = 0;
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
  for (int left = state.pending.load(std::memory_order_acquire); left != 0;
       left = state.pending.load(std::memory_order_acquire)) {
    state.wait_change(state.pending, left);
  }
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

// A persistent team of threads that run one function together; the calling thread is worker 0.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace moe::kernels {

// A borrowed reference to a callable: no allocation, no ownership. The callable must outlive the call.
template <typename Signature>
class FunctionRef;
template <typename R, typename... Args>
class FunctionRef<R(Args...)> {
 public:
  template <typename F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>) FunctionRef(F&& f)
  noexcept  // NOLINT(google-explicit-constructor): a parameter type that lambdas convert to
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

// Threads this process should use: OMP_NUM_THREADS if it is a positive number, else the physical cores in its
// affinity mask, no more than its cgroup's CPU quota (rounded up); at least 1.
int default_thread_count();

// run() is for one caller at a time (calls from several threads must be serialised) and must not be nested.
// Workers spin for a fraction of a millisecond after a job, then sleep.
class ThreadTeam {
 public:
  // n <= 0: default_thread_count(). Throws std::system_error where threads cannot be started.
  explicit ThreadTeam(int n = 0);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const noexcept;
  // Calls f(worker, size()) once in every worker and returns when all are done. The first exception (lowest
  // worker) is rethrown here after that.
  void run(FunctionRef<void(int, int)> f);
  // Splits [0, total) into size() runs of whole granules, as equal as can be, and calls f(begin, end, worker)
  // for the non-empty ones. The split depends on total, granularity and size() alone.
  void parallel_for(std::int64_t total, std::int64_t granularity,
                    FunctionRef<void(std::int64_t, std::int64_t, int)> f);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moe::kernels

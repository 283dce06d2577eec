// The replies of a run that are still to be written, for one scheduler or several at once: which come next, the memory they
// may take, and where their results go.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <span>

#include "eval/run/backend.h"
#include "eval/run/batch_options.h"
#include "eval/run/shared_prefix.h"

namespace moe::eval {

// Jobs [begin, end).
struct JobRun {
  std::size_t begin = 0, end = 0;
  bool empty() const { return begin == end; }
};

// Thread-safe, but for prefix(): it must have been forked once before several threads do.
class ReplyQueue {
 public:
  ReplyQueue(Executor& executor, std::span<const Job> jobs, const BatchOptions& options,
             const std::function<void(std::size_t, JobResult)>& done);

  const GenerateJob& job(std::size_t index) const { return std::get<GenerateJob>(jobs_[index]); }
  // The next jobs that ask the same prompt; none when all are taken.
  JobRun take();

  SharedPrefix& prefix() { return prefix_; }
  // Bytes that a reply of this job may come to hold, and why it can never run (empty: it can).
  std::size_t need(const GenerateJob& job) const;
  std::string fault_of(const GenerateJob& job, std::size_t need) const;
  bool reserve(std::size_t need);
  void release(std::size_t need);
  // True for the first caller: its reply pays for the prefix.
  bool take_charge();
  void report(std::size_t index, JobResult result);

  // Tokens that one sequence may hold.
  std::size_t context() const { return context_; }

 private:
  const ModelSpec& spec_;
  std::span<const Job> jobs_;
  const std::function<void(std::size_t, JobResult)>& done_;
  bool share_;
  std::size_t context_;
  SharedPrefix prefix_;
  std::mutex mutex_;  // of what follows, and of the prefix's charge
  KvBudget budget_;
  std::size_t next_ = 0;
  std::mutex report_mutex_;
};

}  // namespace moe::eval

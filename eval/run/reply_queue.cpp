#include "eval/run/reply_queue.h"

#include <fmt/format.h>

#include <algorithm>

namespace moe::eval {

ReplyQueue::ReplyQueue(Executor& executor, std::span<const Job> jobs, const BatchOptions& options,
                       const std::function<void(std::size_t, JobResult)>& done)
    : spec_(executor.model().spec()),
      jobs_(jobs),
      done_(done),
      share_(options.share_prefix && options.sequences > 1),
      context_(options.context_of(spec_)),
      prefix_(executor, jobs, share_, context_),
      budget_(executor, options) {}

JobRun ReplyQueue::take() {
  const std::scoped_lock lock(mutex_);
  const JobRun run{next_, std::min(next_ + 1, jobs_.size())};
  next_ = run.end;
  if (run.empty()) return run;
  while (share_ && next_ < jobs_.size() && job(next_).prompt == job(run.begin).prompt) ++next_;
  return {run.begin, next_};
}

std::size_t ReplyQueue::need(const GenerateJob& job) const {
  const std::size_t length = std::min(context_, job.prompt.size() + static_cast<std::size_t>(job.max_tokens));
  return budget_.need(prefix_.length(), length - std::min(length, prefix_.length()));
}

std::string ReplyQueue::fault_of(const GenerateJob& job, std::size_t need) const {
  if (job.prompt.empty() || job.prompt.size() > context_) {
    return fmt::format("prompt: expected 1 to {} tokens, found {}", context_, job.prompt.size());
  }
  if (std::ranges::any_of(job.prompt, [&](std::int32_t id) { return id < 0 || id >= spec_.vocab; })) {
    return fmt::format("prompt: expected token ids below {}, found one beyond", spec_.vocab);
  }
  return budget_.fault(need);
}

bool ReplyQueue::reserve(std::size_t need) {
  const std::scoped_lock lock(mutex_);
  if (!budget_.fits(need)) return false;
  budget_.reserve(need);
  return true;
}

void ReplyQueue::release(std::size_t need) {
  const std::scoped_lock lock(mutex_);
  budget_.release(need);
}

bool ReplyQueue::take_charge() {
  const std::scoped_lock lock(mutex_);
  return prefix_.take_charge();
}

void ReplyQueue::report(std::size_t index, JobResult result) {
  const std::scoped_lock lock(report_mutex_);
  done_(index, std::move(result));
}

}  // namespace moe::eval

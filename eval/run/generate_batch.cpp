// Which threads write which replies.
#include "eval/run/generate_batch.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "eval/run/reply_queue.h"
#include "eval/run/reply_scheduler.h"

namespace moe::eval {
namespace {

// One thread with sequences of its own.
struct Lane {
  Lane(Executor& like, ReplyQueue& queue, const ReplyRules& rules, const BatchOptions& options, std::size_t sequences)
      : executor(like, alone), scheduler(executor, alone, queue, rules, options, sequences) {}

  kernels::ThreadTeam alone{1};
  Executor executor;
  ReplyScheduler scheduler;
};

// Whether threads do better with sequences of their own than with parts of each product. Then they never wait for each
// other, and what one reads from memory and another computes goes on at the same time. Experts find more rows together, and
// weights that are packed in the course of each product are packed once for all.
bool threads_go_alone(const Model& model, std::size_t threads, std::size_t sequences, std::size_t least) {
  const bool experts = std::ranges::any_of(model.spec().layers, [](const LayerSpec& l) { return l.experts.has_value(); });
  return threads > 1 && sequences >= threads * least && !experts && model.place() != WeightPlace::checkpoint;
}

}  // namespace

void generate_batch(Executor& executor, kernels::ThreadTeam& team, std::span<const Job> jobs, const ReplyRules& rules,
                    const BatchOptions& options, const std::function<void(std::size_t, JobResult)>& done) {
  ReplyQueue queue(executor, jobs, options, done);
  ReplyScheduler together(executor, team, queue, rules, options, options.sequences);
  const auto threads = static_cast<std::size_t>(team.size());
  const std::size_t sequences = std::min(options.sequences, jobs.size());
  if (threads_go_alone(executor.model(), threads, sequences, options.least_own)) {
    queue.prefix().fork();
    std::vector<std::unique_ptr<Lane>> lanes;
    const std::size_t each = (sequences + threads - 1) / threads;
    while (lanes.size() < threads) lanes.push_back(std::make_unique<Lane>(executor, queue, rules, options, each));
    std::atomic<bool> stop = false;
    team.run([&](int thread, int) {
      try {
        lanes[static_cast<std::size_t>(thread)]->scheduler.run_while_full((options.least_own + 1) / 2, stop);
      } catch (...) {
        stop = true;
        throw;
      }
    });
    for (const auto& lane : lanes) together.adopt(std::move(lane->scheduler));
  }
  together.run();
}

}  // namespace moe::eval

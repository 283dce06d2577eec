// Writes the replies of a queue with one executor: sequences join and leave at every step.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/runtime/sampler.h"
#include "eval/run/generate_batch.h"
#include "eval/run/reply.h"
#include "eval/run/reply_queue.h"

namespace moe::eval {

// How the engine is told to draw.
SamplingOptions sampling_options(const Sampling& sampling);

// Not thread-safe; several may share a queue.
class ReplyScheduler {
 public:
  // At most `sequences` at once.
  ReplyScheduler(Executor& executor, kernels::ThreadTeam& team, ReplyQueue& queue, const ReplyRules& rules,
                 const BatchOptions& options, std::size_t sequences);
  ~ReplyScheduler();

  // Until all replies are written, or the run is interrupted.
  void run();
  // The same, but only as long as there are `least` sequences to work on and `stop` is not set, which a scheduler that runs
  // short sets for all.
  void run_while_full(std::size_t least, std::atomic<bool>& stop);
  // Goes on with what another one has under way.
  void adopt(ReplyScheduler&& other);

 private:
  struct Active;
  using Place = std::list<Active>::iterator;

  // Jobs from the queue that are not started yet, and their prompt as it stands behind its last token once the first of
  // them has computed it.
  struct Taken {
    JobRun jobs;
    const TokenIds* prompt = nullptr;  // being fed, or there
    std::optional<Sequence> sequence;
    std::vector<float> logits;
    Costs cost;  // as if alone
  };

  void admit();
  bool next_job();
  void start(Taken& from, const GenerateJob& job, std::size_t need);
  void step();
  void draw(Active& one, std::span<const float> logits) const;
  void keep_for_repeats(Active& one, std::span<const float> logits);
  void finish(Place one);

  Executor& executor_;
  kernels::ThreadTeam& team_;
  const ModelSpec& spec_;
  ReplyQueue& queue_;
  const ReplyRules& rules_;
  const BatchOptions& options_;
  const std::size_t sequences_;
  const CostMeter blank_;  // copied: making one walks over all weights
  std::list<Active> active_;
  std::vector<Taken> taken_;  // the last one is next
};

}  // namespace moe::eval

// The tokens that all prompts of a run begin with, computed once.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/runtime/executor.h"
#include "eval/run/backend.h"

namespace moe::eval {

// Rows of one forward pass: enough that weights are read for many rows, few enough that the first result is near.
inline constexpr std::size_t kPassRows = 512;

class SharedPrefix {
 public:
  // The longest common beginning of the jobs' prompts, shorter than each of them. Nothing is shared between fewer
  // than two jobs, where a model's rotation depends on a sequence's length, and where none of the prompts fits into
  // `context` tokens.
  SharedPrefix(Executor& executor, std::span<const Job> jobs, bool enabled, std::size_t context);

  // A sequence that holds the prefix; the first call computes it.
  Sequence fork();
  std::size_t length() const { return tokens_.size(); }
  // What computing it costs, once.
  const Costs& cost() const { return cost_; }
  double seconds() const { return seconds_; }
  // True for the first caller: the job that is charged with the work.
  bool take_charge() { return length() > 0 && !std::exchange(charged_, true); }

 private:
  Executor& executor_;
  TokenIds tokens_;
  std::optional<Sequence> sequence_;
  Costs cost_;
  double seconds_ = 0;
  bool charged_ = false;
};

// The tokens a job's sequence starts with.
const TokenIds& prompt_of(const Job& job);

// The longest common beginning of the jobs' prompts, shorter than each of them; empty for fewer than two jobs, and
// where it is too short to be worth anything.
TokenIds common_prompt(std::span<const Job> jobs);

}  // namespace moe::eval

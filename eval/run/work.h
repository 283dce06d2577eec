// What a condition's items will cost, before they run.
#pragma once

#include <cstddef>
#include <cstdint>

#include "eval/run/runner.h"

namespace moe::eval {

// Class A FLOPs of one item, whose prompt's first `shared` tokens someone else computes. A reply is taken to
// fill its cap, so `decode` is an upper bound.
struct ItemWork {
  double prefill = 0, decode = 0;
};
ItemWork item_work(const Job& job, const CostProxies& proxies, std::int64_t shared);

struct ConditionWork {
  std::size_t items = 0;
  std::int64_t shared_tokens = 0;               // what all prompts begin with, computed once
  std::int64_t shortest = 0, longest = 0;       // tokens of a prompt (scored: of the context)
  std::int64_t prompt_tokens = 0;               // to be computed, the shared beginning once
  std::int64_t reply_tokens = 0;                // at most
  std::int64_t longest_sequence = 0;            // tokens of a sequence, its reply included
  std::size_t too_long = 0, cut_by_window = 0;  // prompts beyond the window; replies it may cut
  double prefill = 0, decode = 0;               // class A FLOPs
};
// `shares`: the run computes what all prompts begin with once.
ConditionWork condition_work(const Condition& condition, bool shares);

}  // namespace moe::eval

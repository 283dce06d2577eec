// What a condition's items will cost.
#include "eval/run/work.h"

#include <algorithm>

#include "eval/run/shared_prefix.h"

namespace moe::eval {

ItemWork item_work(const Job& job, const CostProxies& proxies, std::int64_t shared) {
  const auto context = static_cast<std::int64_t>(prompt_of(job).size());
  const auto between = [&](std::int64_t from, std::int64_t to, std::int64_t logit_rows) {
    return static_cast<double>(proxies.by_component(to, logit_rows)) -
           static_cast<double>(proxies.by_component(from, 0));
  };
  ItemWork work;
  work.prefill = between(std::min(shared, context), context, 1);
  if (const auto* score = std::get_if<ScoreJob>(&job)) {
    for (const TokenIds& one : score->continuations) {
      const auto rest = std::max<std::int64_t>(static_cast<std::int64_t>(one.size()) - 1, 0);
      work.prefill += between(context, context + rest, rest);
    }
  } else {
    const std::int64_t fed_back = std::max(std::get<GenerateJob>(job).max_tokens - 1, 0);
    work.decode = between(context, context + fed_back, fed_back);
  }
  return work;
}

ConditionWork condition_work(const Condition& condition, bool shares) {
  const BackendInfo& backend = condition.facts.backend;
  std::vector<Job> jobs;
  for (const Item& item : condition.items) {
    if (item.error.empty()) jobs.push_back(item.job);
  }
  ConditionWork work;
  work.items = condition.items.size();
  if (shares) work.shared_tokens = static_cast<std::int64_t>(common_prompt(jobs).size());
  work.prompt_tokens = work.shared_tokens;
  work.prefill = static_cast<double>(backend.proxies.by_component(work.shared_tokens, 0));
  for (const Job& job : jobs) {
    const auto context = static_cast<std::int64_t>(prompt_of(job).size());
    std::int64_t longest = context;
    work.prompt_tokens += context - work.shared_tokens;
    if (const auto* score = std::get_if<ScoreJob>(&job)) {
      for (const TokenIds& one : score->continuations) {
        work.prompt_tokens += static_cast<std::int64_t>(one.size());
        longest = std::max(longest, context + static_cast<std::int64_t>(one.size()) - 1);
      }
      work.too_long += longest > backend.context ? 1 : 0;
    } else {
      const int cap = std::get<GenerateJob>(job).max_tokens;
      longest += cap;
      work.reply_tokens += cap;
      work.too_long += context > backend.context ? 1 : 0;
      work.cut_by_window += context <= backend.context && longest > backend.context ? 1 : 0;
    }
    work.shortest = work.shortest == 0 ? context : std::min(work.shortest, context);
    work.longest = std::max(work.longest, context);
    work.longest_sequence = std::max(work.longest_sequence, std::min<std::int64_t>(longest, backend.context));
    const ItemWork one = item_work(job, backend.proxies, work.shared_tokens);
    work.prefill += one.prefill;
    work.decode += one.decode;
  }
  return work;
}

}  // namespace moe::eval

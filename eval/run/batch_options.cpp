// What batches of scored items and of replies have in common.
#include "eval/run/batch_options.h"

#include <fmt/format.h>

namespace moe::eval {

std::string KvBudget::fault(std::size_t need) const {
  if (most_ == 0 || need <= most_) return "";
  return fmt::format("memory for keys and values: expected at most {} MB, found a need of {} MB",
                     most_ / 1'000'000, need / 1'000'000);
}

}  // namespace moe::eval

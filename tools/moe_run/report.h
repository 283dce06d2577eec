// What moe-run says about a run: the JSON object, and the summary for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/runtime/generate.h"

namespace moe::tools {

struct RunFacts {
  std::vector<std::int32_t> prompt_ids;
  std::optional<std::string> text;
  std::optional<std::string> thought;  // of a chat reply, whose text is the answer
  std::string finish_reason;
  bool with_logprobs = false;
  double load_s = 0;
  std::uint64_t after_load_rss = 0;
  std::string kernels, compute, cache, weights, weights_in, model_hash;
  int threads = 0;
  std::uint64_t seed = 0;
  Generation generation;
};

nlohmann::json run_json(const RunFacts& facts);
// Several lines on stderr; with `verbose` the costs by component.
void print_summary(const RunFacts& facts, bool verbose);

}  // namespace moe::tools

// What the flags of a run come to for each model.
#include "tools/moe_eval/sweep.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/error.h"
#include "tools/common/program.h"

namespace moe::tools {

using namespace moe::eval;

RunOptions Asked::options(const RunFlags& flags) const {
  RunOptions options = flags.run;
  options.max_tokens = cap;
  return options;
}

std::vector<Asked> asked_conditions(const Chosen& chosen, const RunFlags& flags) {
  std::vector<Asked> out;
  for (const auto& [task, strategy] : chosen) {
    for (std::optional<int> cap : flags.caps) {
      if (strategy->kind != Kind::generate || cap == strategy->max_tokens) cap.reset();
      const auto same = [task = task, strategy = strategy, cap](const Asked& one) {
        return one.task == task && one.strategy == strategy && one.cap == cap;
      };
      if (std::none_of(out.begin(), out.end(), same)) out.push_back({task, strategy, cap});
    }
  }
  return out;
}

EngineOptions engine_options(const RunFlags& flags, const LoadFlags& form, const RouterSetting& router) {
  EngineOptions engine = flags.engine;
  engine.engine_version = std::string(version());
  engine.load = load_options(form);
  engine.load.note = [](const std::string& text) { print_warning("moe-eval", text); };
  engine.compute = compute_of(form);
  engine.kv_type = kv_type_of(form);
  if (const std::filesystem::path cache = cache_folder(); !cache.empty())
    engine.hash_folder = cache / "hashes";
  engine.router = router;
  return engine;
}

std::vector<RouterSetting> routers_of(const std::string& model, const RunFlags& flags) {
  std::vector<RouterSetting> out;
  bool warned = false;
  for (const RouterSetting& asked : flags.routers) {
    RouterSetting one;
    try {
      one = effective_router(model, asked);
    } catch (const Error& error) {
      if (flags.models.size() < 2) throw;
      if (!std::exchange(warned, true))
        print_warning("moe-eval", fmt::format("{}: left out of this axis: {}", model, error.what()));
      continue;
    }
    if (std::find(out.begin(), out.end(), one) == out.end()) out.push_back(one);
  }
  if (out.empty()) out.emplace_back();
  return out;
}

}  // namespace moe::tools

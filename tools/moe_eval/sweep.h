// What the flags of a run come to for each model: which routers, which conditions.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/moe_eval/run_flags.h"

namespace moe::tools {

using Chosen = std::vector<std::pair<const eval::Task*, const eval::Strategy*>>;

// One condition of a session.
struct Asked {
  const eval::Task* task = nullptr;
  const eval::Strategy* strategy = nullptr;
  std::optional<int> cap;  // on new tokens, where it is not the strategy's own

  eval::RunOptions options(const RunFlags& flags) const;
};

// Tasks and strategies under every token budget, each once: nothing is written where choices are scored, and
// a strategy's own cap may also be listed by its number.
std::vector<Asked> asked_conditions(const Chosen& chosen, const RunFlags& flags);

// How the engine is to run one session: these weights, this router.
eval::EngineOptions engine_options(const RunFlags& flags, const LoadFlags& form,
                                   const eval::RouterSetting& router);

// What of the asked router settings changes this model, each once. In a sweep over several models a dense one
// runs as it is, with a warning; alone it is refused: Error (usage).
std::vector<eval::RouterSetting> routers_of(const std::string& model, const RunFlags& flags);

}  // namespace moe::tools

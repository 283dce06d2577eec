// A loaded model with everything that a run or a chat needs beside it.
#pragma once

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/runtime/generate.h"
#include "engine/text/tokenizer.h"
#include "tools/moe_run/npy_writer.h"
#include "tools/moe_run/options.h"
#include "tools/moe_run/report.h"

namespace moe::tools {

// Token ids from a JSON file; the user's prompt from -p, -f or standard input.
std::vector<std::int32_t> read_ids(const std::string& path);
std::string read_prompt(const RunOptions& options);
// Null where the directory has none.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& directory);
// The same in a thread of its own: large vocabularies take longer to read than packed weights.
using PendingTokenizer = std::shared_future<std::shared_ptr<const Tokenizer>>;
PendingTokenizer start_tokenizer(const std::filesystem::path& directory);
PendingTokenizer ready(std::shared_ptr<const Tokenizer> tokenizer);

class Session {
 public:
  // Loads with progress. Settles what the options leave open (seed, stop ids, ids that may be drawn).
  // The tokenizer is waited for before the first token is drawn.
  Session(const RunOptions& options, const std::filesystem::path& directory, PendingTokenizer tokenizer);

  Sequence new_sequence() const { return executor_->new_sequence(); }
  const Model& model() const { return *model_; }
  // Generates from ids that follow what `sequence` has read. `on_token` as GenerateHooks'; progress of a long prompt is shown.
  Generation generate_from(Sequence& sequence, std::span<const std::int32_t> ids, std::function<bool(std::int32_t)> on_token);
  // Writes --dump-logits and --routing-stats.
  void finish_files();
  // Load time, memory and environment; the caller adds prompt, text and generation.
  RunFacts facts(bool with_model_hash) const;

 private:
  const RunOptions& options_;
  PendingTokenizer tokenizer_;
  std::shared_ptr<const Model> model_;
  const kernels::KernelTable& kernels_;
  kernels::ThreadTeam team_;
  std::unique_ptr<RoutingStats> routing_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<NpyWriter> dump_;
  GenerateOptions generate_;
  double load_s_ = 0;
  std::uint64_t after_load_rss_ = 0;
};

// Writes a piece of the completion to stdout at once.
void show(std::string_view piece);
// The JSON object on stdout, the summary on stderr, and the exit code that the finish reason means.
int report(const RunOptions& options, const RunFacts& facts);

}  // namespace moe::tools

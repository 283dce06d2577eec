// What the user asked moe-run to do.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/runtime/sampler.h"
#include "tools/common/load_flags.h"
#include "tools/common/router_flags.h"

namespace moe::tools {

struct RunOptions {
  std::string model;
  std::optional<std::string> prompt;
  std::string prompt_file, prompt_ids_file;
  // Chat: any of these makes the prompt a conversation, rendered by the model's own template.
  std::string messages_file;
  bool conversation = false, apply_template = false, show_template = false;
  std::optional<std::string> system;  // an empty one takes the place of a template's own
  std::string chat_template, template_kwargs, reasoning = "auto";
  std::int32_t new_tokens = 256;  // -1: until the context is full
  std::int32_t context = 0;       // 0: what the model was made for
  std::int32_t threads = 0;       // 0: the physical cores this process may use
  std::int32_t chunk = 512;
  bool fast_prefill = false;     // Executor::Options
  std::int32_t rope_length = 0;  // sequences are treated as at least this long
  std::optional<std::uint64_t> seed;
  SamplingOptions sampling;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  std::int32_t logprobs = -1;
  bool json = false, verbose = false;
  std::string dump_logits;
  models::RouterOverride router;
  RoutingStatsFlags routing_stats;
  LoadFlags load;
};

// Adds the flags to `app`; parsing fills `options`, which must outlive it.
void describe_flags(CLI::App& app, RunOptions& options);

// True where the prompt is a conversation.
bool is_chat(const RunOptions& options);

// Generate and report; return an exit code.
int run(const RunOptions& options);
int run_chat(const RunOptions& options);
// Prints the rendered conversation; loads no weights.
int show_template(const RunOptions& options);

}  // namespace moe::tools

// The engine behind a run: a model directory, loaded once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "eval/run/backend.h"

namespace moe::eval {

struct EngineOptions {
  int threads = 0;              // 0: as many as this process may use
  std::int64_t context = 0;     // tokens a sequence may hold; 0: what the model was made for
  std::string engine_version;   // goes into records and keys
  std::size_t sequences = 64;   // replies written at once; 1: one item after the other, as latency is measured
  bool share_prefix = true;     // compute what all prompts begin with once
  std::size_t kv_bytes = 0;     // memory for keys and values; 0: half of what the machine has free
  std::string chat_template;    // name or file of a template; empty: the model's own
  std::string chat_kwargs;      // JSON object of template variables; empty: none
  std::string reasoning = "auto";  // auto, on, off
  // Bytes of weights loaded so far, and of all.
  std::function<void(std::uint64_t done, std::uint64_t total)> loading;
};

// `model` is a directory, or org/name in the Hugging Face cache. Throws Error naming file, thing, expected, found.
std::unique_ptr<Backend> open_model(const std::string& model, const EngineOptions& options);

}  // namespace moe::eval

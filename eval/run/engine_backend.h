// The engine behind a run: a model directory, loaded once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "engine/model/spec.h"
#include "engine/runtime/inspect.h"
#include "engine/runtime/model.h"
#include "eval/run/backend.h"
#include "eval/run/model_text.h"
#include "kernels/compute.h"
#include "kernels/kv_block.h"

namespace moe::eval {

struct EngineOptions {
  int threads = 0;             // 0: as many as this process may use
  std::int64_t context = 0;    // tokens a sequence may hold; 0: what the model was made for
  std::string engine_version;  // goes into records and keys
  std::size_t sequences = 64;  // items worked on at once; 1: one after the other, as latency is measured
  bool share_prefix = true;    // compute what prompts begin with once
  std::size_t kv_bytes = 0;    // memory for keys and values; 0: half of what the machine has free
  TextOptions text;
  LoadOptions load;  // form and place of the weights; team and progress are the backend's own
  kernels::Compute compute = kernels::Compute::f32;
  kernels::KvType kv_type = kernels::KvType::f32;
  std::filesystem::path hash_folder;  // where the hash of the model's files is kept; empty: it is computed
  RouterSetting router;
  std::int32_t rope_length = 0;  // rotations that depend on a sequence's length take it as at least this
  std::int32_t routing_window = 0;  // tokens of a working set in the routing statistics; 0: no statistics
  // Bytes of weights loaded so far, and of all.
  std::function<void(std::uint64_t done, std::uint64_t total)> loading;
};

// `model` is a directory, or org/name in the Hugging Face cache. Throws Error naming file, thing, expected,
// found.
std::unique_ptr<Backend> open_model(const std::string& model, const EngineOptions& options);

// A model without its weights: it builds and tokenises prompts and tells what they will cost, and its run()
// throws.
struct ModelOutline {
  ModelSpec spec;
  StoredTypes stored;
  std::unique_ptr<Backend> backend;
};
ModelOutline open_outline(const std::string& model, const EngineOptions& options);

// Whether the model routes tokens to experts.
bool has_experts(const std::string& model);

// What of a setting changes something of this model. Throws Error (usage) where the model has no experts or
// cannot choose that many.
RouterSetting effective_router(const std::string& model, const RouterSetting& setting);

}  // namespace moe::eval

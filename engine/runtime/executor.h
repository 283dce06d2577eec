// The forward pass over rows of many sequences: prefill chunks and decode steps are the same thing here.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "engine/runtime/cost_meter.h"
#include "engine/runtime/model.h"
#include "engine/runtime/profile.h"
#include "engine/runtime/routing_stats.h"
#include "engine/runtime/sequence.h"
#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"

namespace moe {

enum class LogitsWanted : std::uint8_t { none, last, all };

// Tokens to append to one sequence, and which of their logits are asked for. Work that only unwanted logits would
// need is left out (layers that read another layer's cache), so what is wanted changes costs but no value.
struct Feed {
  Sequence* sequence = nullptr;
  std::span<const std::int32_t> tokens;  // at least one
  LogitsWanted logits = LogitsWanted::last;
  CostMeter* meter = nullptr;  // counts this feed as if it ran alone
};

// Runs one model. A row's numbers depend on its own context alone, to the bit: not on the other rows, the chunking
// or the number of threads. One thread at a time may call into an Executor; several may share a Model.
class Executor {
 public:
  struct Options {
    const kernels::KernelTable* kernels = nullptr;  // null: the best this processor has
    kernels::Compute compute = kernels::Compute::f32;  // of products, as far as their weights' types go along
    std::size_t kv_budget_bytes = SIZE_MAX;
    kernels::KvType kv_type = kernels::KvType::f32;  // what keys and values are kept as
    // Leave out what only logits that nobody asked for would need: in the last layer with a cache of its own, all but keys and
    // values (MLA: nothing is left out). The wanted logits keep their bits; costs count what was done, less than the closed forms of whole prompts.
    bool fast_prefill = false;
    std::int32_t rope_length = 0;  // what every sequence is expected to grow to (Sequence::expect_length)
    RoutingStats* routing = nullptr;               // told of every choice of experts; must outlive the executor
    Profile* profile = nullptr;                    // told where the time goes; must outlive the executor
  };
  // `team` must outlive the executor.
  Executor(std::shared_ptr<const Model> model, kernels::ThreadTeam& team, const Options& options);
  Executor(std::shared_ptr<const Model> model, kernels::ThreadTeam& team) : Executor(std::move(model), team, Options()) {}
  // Another one of the same model, kernels, computation and pool, for another thread: sequences may go from one to the other.
  // Tells nobody of routing and times.
  Executor(const Executor& like, kernels::ThreadTeam& team);
  ~Executor();

  Sequence new_sequence() const;

  // Appends the feeds' tokens (no sequence twice) and returns the wanted rows of logits [rows, V] in order of feeds
  // and tokens, valid until the next call. Logits are final: after soft cap and scaling. `executed` counts the work
  // as it was done, weights read once for all feeds. Throws Error(usage) for an id outside the vocabulary and
  // Error(limit) when the cache's budget is used up; the sequences are unchanged then.
  std::span<const float> forward(std::span<const Feed> feeds, CostMeter* executed = nullptr);

  const Model& model() const { return *model_; }
  const kernels::KernelTable& kernels() const { return table_; }
  int threads() const { return team_.size(); }
  const KvPool& pool() const { return *pool_; }

 private:
  class Pass;
  void recompute_if_regime_changes(const Feed& feed, CostMeter* executed);

  Executor(std::shared_ptr<const Model> model, kernels::ThreadTeam& team, const Options& options, std::shared_ptr<KvPool> pool);

  std::shared_ptr<const Model> model_;
  kernels::ThreadTeam& team_;
  const Options options_;
  const kernels::KernelTable& table_;
  std::shared_ptr<KvPool> pool_;
  std::unique_ptr<Pass> pass_;  // keeps its buffers from call to call
};

}  // namespace moe

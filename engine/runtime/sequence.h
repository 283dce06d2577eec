// One sequence of tokens that a model has read: its history, its cache blocks, the length its rotation is made for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/runtime/kv_cache.h"

namespace moe {

// A small value: a copy is a fork that shares all blocks until it writes. Not thread-safe.
class Sequence {
 public:
  explicit Sequence(std::shared_ptr<KvPool> pool) : cache_(std::move(pool)) {}

  // Says how long the prompt will be before its first chunk is fed: rotations that depend on a sequence's length
  // (LongRoPE, dynamic NTK) are then the same however the prompt is cut. Also the way to treat a sequence as long
  // from its start on. Lengths only grow.
  void expect_length(std::int32_t tokens) { expected_length_ = std::max(expected_length_, tokens); }
  std::int32_t expected_length() const { return expected_length_; }

  const std::vector<std::int32_t>& tokens() const { return tokens_; }
  std::int32_t length() const { return static_cast<std::int32_t>(tokens_.size()); }
  const KvCache& cache() const { return cache_; }

 private:
  friend class Executor;
  std::vector<std::int32_t> tokens_;
  KvCache cache_;
  std::int32_t expected_length_ = 0;
  std::int32_t cached_regime_ = 0;  // LongRoPE: the regime the cached keys were made in
};

}  // namespace moe

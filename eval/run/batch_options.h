// What batches of scored items and of replies have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "engine/runtime/executor.h"

namespace moe::eval {

struct BatchOptions {
  bool share_prefix = true;    // across jobs
  std::size_t sequences = 64;  // items at once; 1: one job after the other
  // Replies of a thread from which on it writes them alone, with all the weights: with fewer, threads share the reading of them.
  std::size_t least_own = 32;
  std::int64_t context = 0;    // tokens a sequence may hold; 0: what the model was made for
  std::size_t kv_bytes = 0;    // memory for keys and values: work beyond it waits; 0: no bound
  std::size_t kv_most = 0;     // an item that needs more than this alone is refused; 0: none is
  std::function<bool()> interrupted;

  std::size_t context_of(const ModelSpec& spec) const {
    return static_cast<std::size_t>(context > 0 ? context : spec.max_positions);
  }
};

// Counts the memory for keys and values that work under way may come to need.
class KvBudget {
 public:
  KvBudget(const Executor& executor, const BatchOptions& options)
      : bytes_(options.kv_bytes), most_(options.kv_most) {
    for (const KvLayout::Group& group : executor.pool().layout().groups())
      block_bytes_ += group.block_bytes;
  }

  // Bytes of `tokens` more positions behind `shared` ones of another sequence, whose last block is copied
  // unless it is full. Window layers free what they leave behind, so this is an upper bound.
  std::size_t need(std::size_t shared, std::size_t tokens) const {
    constexpr std::size_t block = kKvBlockTokens;
    return tokens == 0 ? 0 : block_bytes_ * ((shared % block + tokens + block - 1) / block);
  }
  // Why work of this size can never run; empty: it can.
  std::string fault(std::size_t need) const;
  // The first always fits, so that a small budget slows a run and does not stop it.
  bool fits(std::size_t need) const { return bytes_ == 0 || reserved_ == 0 || reserved_ + need <= bytes_; }
  void reserve(std::size_t need) { reserved_ += need; }
  void release(std::size_t need) { reserved_ -= need; }

 private:
  std::size_t bytes_, most_;
  std::size_t block_bytes_ = 0, reserved_ = 0;  // block: of every layer
};

}  // namespace moe::eval

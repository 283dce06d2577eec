// The stand-ins for FLOPs that papers report, to be shown beside the exact count. Each is given for one
// sequence of `tokens` fed tokens, computed from nothing, with logits for `logit_rows` of them.
#pragma once

#include <cstdint>
#include <map>

#include "engine/model/spec.h"

namespace moe {

class CostProxies {
 public:
  CostProxies() = default;
  explicit CostProxies(const ModelSpec& spec);

  // 2 N_active a token; N_active holds the head, and no look-ups (arXiv 2604.07035 takes it from a table).
  std::uint64_t twice_active(std::int64_t tokens) const;
  // 2 N_a + 4 D S L a token: N_a without vocabulary and router, attention over all S tokens for every one of
  // them (arXiv 2506.12119).
  std::uint64_t with_attention(std::int64_t tokens) const;
  // Component by component: projections, feed-forward parts, router, visible keys, the head for its rows
  // (after arXiv 2512.24776, whose formula is not published). It leaves out class B, and that layers may be
  // skipped for rows nobody asks for; latent attention counts as if keys and values were expanded.
  std::uint64_t by_component(std::int64_t tokens, std::int64_t logit_rows) const;

  // N_active, head included.
  std::int64_t active_parameters() const { return matmul_ + head_; }
  // N_a: neither vocabulary nor router.
  std::int64_t active_without_router() const { return matmul_ - router_; }

 private:
  std::int64_t matmul_ = 0, head_ = 0, router_ = 0;
  std::int64_t hidden_layers_ = 0;  // D L
  std::map<std::int64_t, std::int64_t>
      slopes_;  // window (0: all) -> 2 n_q (d_k + d_v) summed over its layers
};

}  // namespace moe

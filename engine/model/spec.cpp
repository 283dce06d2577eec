#include "engine/model/spec.h"

#include <fmt/format.h>

#include "engine/base/error.h"

namespace moe {
namespace {

class Checker {
 public:
  explicit Checker(const std::string& file) : file_(file) {}

  void in_layer(std::int32_t layer) { layer_ = layer; }

  void require(bool ok, std::string_view what, std::string_view expected, const std::string& found) const {
    if (ok) return;
    const std::string thing = layer_ < 0 ? std::string(what) : fmt::format("layer {}: {}", layer_, what);
    throw Error(ErrorKind::config, Fault{file_, thing, std::string(expected), found});
  }
  void positive(std::int32_t value, std::string_view what) const {
    require(value > 0, what, "a positive number", std::to_string(value));
  }

 private:
  const std::string& file_;
  std::int32_t layer_ = -1;
};

void check_attention(const Checker& check, const ModelSpec& spec, std::int32_t layer) {
  const AttentionSpec& a = spec.layers[layer].attention;
  check.positive(a.heads, "attention heads");
  check.positive(a.key_dim, "head size");
  check.positive(a.value_dim, "value head size");
  check.require(a.window >= 0, "sliding window", "0 or more", std::to_string(a.window));
  check.require(a.rope < static_cast<std::int32_t>(spec.ropes.size()), "rope", "a table of the model", std::to_string(a.rope));
  if (a.kind == AttentionSpec::Kind::latent) {
    check.positive(a.kv_rank, "kv_lora_rank");
    check.positive(a.rope_dim, "qk_rope_head_dim");
    check.positive(a.nope_dim, "qk_nope_head_dim");
  } else {
    check.positive(a.kv_heads, "key/value heads");
    check.require(a.kv_heads > 0 && a.heads % a.kv_heads == 0, "attention heads",
                  fmt::format("a multiple of the {} key/value heads", a.kv_heads), std::to_string(a.heads));
  }
  if (a.rope >= 0) {
    const RopeSpec& r = spec.ropes[a.rope];
    const std::int32_t limit = a.kind == AttentionSpec::Kind::latent ? a.rope_dim : a.key_dim;
    check.require(r.dims > 0 && 2 * r.pairs() <= limit, "rotated components", fmt::format("1 to the head's {}", limit),
                  std::to_string(r.dims));
    check.require(r.type != RopeType::dynamic_ntk || (r.dims > 2 && r.max_length > 0), "dynamic rope",
                  "more than 2 rotated components and max_position_embeddings", std::to_string(r.dims));
    if (r.type == RopeType::longrope) {
      for (const auto* list : {&r.short_factors, &r.long_factors}) {
        check.require(list->size() == std::size_t(r.pairs()), "longrope factors", fmt::format("{} numbers", r.pairs()),
                      std::to_string(list->size()));
      }
    }
  }
  if (a.kv_from >= 0) {
    check.require(a.kv_from < layer, "shared cache", "an earlier layer", std::to_string(a.kv_from));
    const AttentionSpec& donor = spec.layers[a.kv_from].attention;
    check.require(donor.owns_cache() && donor.window == a.window && donor.key_dim == a.key_dim &&
                      donor.value_dim == a.value_dim && donor.kv_heads == a.kv_heads,
                  "shared cache", "a donor of the same shape that owns its cache", fmt::format("layer {}", a.kv_from));
  }
}

void check_experts(const Checker& check, const ExpertsSpec& e) {
  const RouterSpec& r = e.router;
  check.positive(e.width, "expert width");
  check.positive(r.experts, "experts");
  check.require(r.top_k >= 1 && r.top_k <= r.experts, "experts per token", fmt::format("1 to {}", r.experts),
                std::to_string(r.top_k));
  if (r.group_score == RouterSpec::GroupScore::none) return;
  check.require(r.groups >= 1 && r.experts % r.groups == 0, "expert groups", fmt::format("a divisor of {}", r.experts),
                std::to_string(r.groups));
  check.require(r.groups_kept >= 1 && r.groups_kept <= r.groups, "kept expert groups", fmt::format("1 to {}", r.groups),
                std::to_string(r.groups_kept));
  const std::int32_t reachable = r.experts / r.groups * r.groups_kept;
  check.require(r.top_k <= reachable, "experts per token", fmt::format("at most the {} of the kept groups", reachable),
                std::to_string(r.top_k));
}

}  // namespace

std::int32_t ModelSpec::first_layer_without_cache() const {
  std::int32_t first = layer_count();
  while (first > 0 && !layers[first - 1].attention.owns_cache()) --first;
  return first;
}

void validate(const ModelSpec& spec, const std::string& file) {
  Checker check(file);
  check.positive(spec.vocab, "vocab_size");
  check.positive(spec.hidden, "hidden_size");
  check.positive(spec.layer_count(), "num_hidden_layers");
  check.positive(spec.max_positions, "max_position_embeddings");
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    check.in_layer(i);
    const LayerSpec& layer = spec.layers[i];
    check_attention(check, spec, i);
    check.require(layer.dense || layer.experts, "feed-forward", "a dense MLP or experts", "none");
    if (layer.dense) check.positive(layer.dense->width, "MLP width");
    if (layer.experts) check_experts(check, *layer.experts);
    if (layer.shared) check.positive(layer.shared->width, "shared expert width");
  }
}

}  // namespace moe

// Small made-up models that between them take every way through a layer, for tests that compare bits.
#pragma once

#include <map>
#include <memory>
#include <string_view>

#include "engine/runtime/model.h"
#include "engine/runtime/synthetic_weights.h"

namespace moe::test {

enum class Architecture { dense, experts, latent };

constexpr std::string_view name(Architecture architecture) {
  return architecture == Architecture::dense ? "dense" : architecture == Architecture::experts ? "experts" : "latent";
}

// Sizes leave remainders in tiles of outputs (16), groups of quants (32) and blocks of inputs (256).
inline ModelSpec small_spec(Architecture architecture) {
  ModelSpec spec;
  spec.family = "test";
  spec.vocab = 300;
  spec.hidden = 72;
  spec.max_positions = 1024;
  RopeSpec rope;
  rope.dims = architecture == Architecture::latent ? 8 : 20;
  spec.ropes = {rope};
  for (int i = 0; i < 2; ++i) {
    LayerSpec layer;
    AttentionSpec& a = layer.attention;
    a.rope = 0;
    a.heads = 4;
    a.scale = 0.2F;
    if (architecture == Architecture::latent) {
      a.kind = AttentionSpec::Kind::latent;
      a.kv_heads = a.heads;
      a.q_rank = i == 0 ? 40 : 0;
      a.kv_rank = 36;
      a.nope_dim = 16;
      a.rope_dim = 8;
      a.key_dim = a.nope_dim + a.rope_dim;
      a.value_dim = 20;
    } else {
      a.kv_heads = 2;
      a.key_dim = a.value_dim = 20;
      if (architecture == Architecture::dense && i == 1) a.window = 24;  // less than a block of the cache
      a.sinks = architecture == Architecture::experts && i == 1;
    }
    if (architecture == Architecture::dense || i == 0) {
      layer.dense = MlpSpec{i == 0 ? 270 : 90, {}, false};
    } else {
      ExpertsSpec& experts = layer.experts.emplace();
      experts.router.experts = 12;
      experts.router.top_k = 3;
      experts.router.renormalise = true;
      experts.width = 40;
      layer.shared.emplace().width = 56;
      layer.shared->gated = architecture == Architecture::experts;
    }
    spec.layers.push_back(layer);
  }
  validate(spec, "test");
  return spec;
}

// `form`: "native" (bf16), or a name of kQuantisations. Models of one description share their numbers, which take longer to make
// than to load.
inline std::shared_ptr<const Model> small_model(Architecture architecture, std::string_view form) {
  static std::map<Architecture, SyntheticWeights> made;
  const ModelSpec spec = small_spec(architecture);
  const auto [at, fresh] = made.try_emplace(architecture);
  if (fresh) at->second = synthetic_weights(spec, {DType::bf16});
  LoadOptions options;
  options.quantise = quantisation(form);
  return Model::load(spec, at->second.locate, at->second.checkpoint, options);
}

}  // namespace moe::test

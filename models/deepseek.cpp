// DeepSeek-V2 and -V3: latent attention, group-limited routing, shared experts. Reference: transformers,
// models/deepseek_v2 and models/deepseek_v3.
#include <fmt/format.h>

#include <cmath>

#include "engine/base/error.h"
#include "models/common.h"
#include "models/families.h"
#include "models/naming.h"

namespace moe::models {
namespace {

// The norms inside the latent projections keep their class's own epsilon, whatever the config says.
constexpr float kLatentEps = 1e-6F;

AttentionSpec read_latent(const Config& config, const ModelSpec& spec, std::int64_t heads) {
  AttentionSpec a;
  a.kind = AttentionSpec::Kind::latent;
  a.heads = a.kv_heads = std::int32_t(config.dimension_or("num_attention_heads", heads, 1 << 16));
  a.kv_rank = std::int32_t(config.dimension_or("kv_lora_rank", 512, 1 << 20));
  // null means no compression of queries; a missing key means the class's 1536.
  a.q_rank = config.is_null("q_lora_rank") ? 0 : std::int32_t(config.dimension_or("q_lora_rank", 1536, 1 << 20));
  a.nope_dim = std::int32_t(config.dimension_or("qk_nope_head_dim", 128, 1 << 16));
  a.rope_dim = std::int32_t(config.dimension_or("qk_rope_head_dim", 64, 1 << 16));
  a.key_dim = a.nope_dim + a.rope_dim;
  a.value_dim = std::int32_t(config.dimension_or("v_head_dim", 128, 1 << 16));
  a.latent_norm.eps = kLatentEps;
  a.q_a_bias = a.kv_a_bias = a.o_bias = config.boolean_or("attention_bias", false);
  a.q_a_bias = a.q_a_bias && a.q_rank > 0;
  a.rope = 0;
  // YaRN with mscale_all_dim also sharpens the scores: (0.1 m ln(factor) + 1)^2.
  double sharpen = 1;
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto p = config.find_section(key);
    if (!p) continue;
    const double all = p->number_or("mscale_all_dim", 0);
    const double factor = spec.ropes[0].factor;
    if (spec.ropes[0].type != RopeType::plain && all != 0 && factor > 1) sharpen = 0.1 * all * std::log(factor) + 1;
    break;
  }
  a.scale = static_cast<float>(sharpen * sharpen / std::sqrt(static_cast<double>(a.key_dim)));
  return a;
}

struct Experts {
  ExpertsSpec routed;
  std::optional<SharedExpertSpec> shared;
  MlpSpec dense;
  std::int64_t dense_layers = 0;
};

Experts read_experts(const Config& config, bool v3) {
  Experts e;
  e.dense.width = std::int32_t(config.dimension_or("intermediate_size", v3 ? 18432 : 11008));
  e.dense_layers = config.integer_or("first_k_dense_replace", v3 ? 3 : 0, 0);
  e.routed.width = std::int32_t(config.dimension_or("moe_intermediate_size", v3 ? 2048 : 1407));
  RouterSpec& r = e.routed.router;
  const std::string_view key = config.first_of({"n_routed_experts", "num_experts", "num_local_experts"});
  r.experts = std::int32_t(config.dimension_or(key, v3 ? 256 : 64, 1 << 16));
  r.top_k = std::int32_t(v3 ? config.dimension_or("num_experts_per_tok", 8, 1 << 16) : config.dimension("num_experts_per_tok", 1 << 16));
  r.weight_scale = static_cast<float>(config.positive_or("routed_scaling_factor", v3 ? 2.5 : 1.0));
  r.counts_scale = true;
  if (v3) {
    r.score = RouterSpec::Score::sigmoid;
    r.choice_bias = true;
    r.group_score = RouterSpec::GroupScore::top2_sum;
    r.groups = std::int32_t(config.dimension_or("n_group", 8, 1 << 16));
    r.groups_kept = std::int32_t(config.dimension_or("topk_group", 4, 1 << 16));
    r.renormalise = config.boolean_or("norm_topk_prob", true);
    r.renormalise_eps = 1e-20F;
  } else {
    require_one_of(config, "topk_method", {"greedy", "group_limited_greedy"});
    if (config.string_or("topk_method", "greedy") == "group_limited_greedy") {
      r.group_score = RouterSpec::GroupScore::max;
      r.dropped_group_is_zero = true;
      r.groups = std::int32_t(config.dimension("n_group", 1 << 16));
      r.groups_kept = std::int32_t(config.dimension("topk_group", 1 << 16));
    }
  }
  const std::int64_t shared = config.integer_or("n_shared_experts", v3 ? 1 : 2, 0, 1 << 16);
  if (shared > 0) e.shared = SharedExpertSpec{std::int32_t(shared * e.routed.width), {}, false};
  return e;
}

ModelSpec describe_version(const Config& config, bool v3) {
  BaseDefaults defaults;
  if (v3) {
    defaults.hidden = 7168;
    defaults.layers = 61;
    defaults.vocab = 129280;
    defaults.max_positions = 4096;
  } else {
    defaults.vocab = 102400;
  }
  require_one_of(config, "hidden_act", {"silu", "swish"});
  require_flag(config, "mlp_bias", false);
  if (const auto q = config.find_section("quantization_config")) {
    if (q->has("weight_block_size") && q->integers("weight_block_size") != std::vector<std::int64_t>{kFp8Block, kFp8Block}) {
      throw Error(ErrorKind::unsupported, Fault{config.file(), q->path_of("weight_block_size"), fmt::format("[{0}, {0}]", kFp8Block), "another size"});
    }
  }
  ModelSpec spec = read_base(config, defaults);
  spec.family = v3 ? "deepseek_v3" : "deepseek_v2";
  const auto rope_dim = std::int32_t(config.dimension_or("qk_rope_head_dim", 64, 1 << 16));
  spec.ropes = {read_rope(config, spec.max_positions, rope_dim, {})};
  spec.ropes[0].interleaved = !v3 || config.boolean_or("rope_interleave", true);
  const AttentionSpec attention = read_latent(config, spec, v3 ? 128 : 32);
  const Experts experts = read_experts(config, v3);
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    LayerSpec& layer = spec.layers[i];
    layer.attention = attention;
    if (i < experts.dense_layers) {
      layer.dense = experts.dense;
    } else {
      layer.experts = experts.routed;
      layer.shared = experts.shared;
    }
  }
  return spec;
}

ModelSpec describe_v2(const Config& config) { return describe_version(config, false); }
ModelSpec describe_v3(const Config& config) { return describe_version(config, true); }

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  NamePatterns names = llama_names();
  const std::string attention = "model.layers.{i}.self_attn.", mlp = "model.layers.{i}.mlp.";
  names[Slot::q_a] = attention + "q_a_proj.weight";
  names[Slot::q_a_bias] = attention + "q_a_proj.bias";
  names[Slot::q_a_norm] = attention + "q_a_layernorm.weight";
  names[Slot::q_b] = attention + "q_b_proj.weight";
  names[Slot::kv_a] = attention + "kv_a_proj_with_mqa.weight";
  names[Slot::kv_a_bias] = attention + "kv_a_proj_with_mqa.bias";
  names[Slot::kv_a_norm] = attention + "kv_a_layernorm.weight";
  names[Slot::kv_b] = attention + "kv_b_proj.weight";
  names[Slot::router_choice_bias] = mlp + "gate.e_score_correction_bias";
  names[Slot::shared_gate] = mlp + "shared_experts.gate_proj.weight";
  names[Slot::shared_up] = mlp + "shared_experts.up_proj.weight";
  names[Slot::shared_down] = mlp + "shared_experts.down_proj.weight";
  const WeightLocator plain = locate_by_name(spec, checkpoint, names, {{mlp + "experts.gate_up_proj", mlp + "experts.down_proj"}});
  return [plain, &checkpoint](const WeightUse& use) {
    TensorSlice slice = plain(use);
    const Tensor* stored = checkpoint.find(slice.tensor);
    if (stored == nullptr || stored->dtype != DType::f8_e4m3) return slice;
    // Native files: 8-bit floats with one factor a block.
    slice.encoding = Encoding::fp8_block;
    slice.scales = slice.tensor + "_scale_inv";
    slice.scales_shape = {fp8_blocks(use.rows), fp8_blocks(use.cols)};
    return slice;
  };
}

}  // namespace

const Family kDeepseekV2{"deepseek_v2", {"deepseek_v2"}, describe_v2, locate};
const Family kDeepseekV3{"deepseek_v3", {"deepseek_v3"}, describe_v3, locate, "fp8"};

}  // namespace moe::models

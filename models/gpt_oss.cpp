// gpt-oss: attention sinks, biases, clamped SwiGLU, experts in MXFP4. Reference: transformers, models/gpt_oss.
#include "engine/base/error.h"
#include "models/common.h"
#include "models/families.h"
#include "models/naming.h"

namespace moe::models {
namespace {

// The class's own rotation, for files that give none.
constexpr const char* kDefaultRope =
    R"({"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": false,
        "original_max_position_embeddings": 4096})";

ModelSpec describe(const Config& config) {
  BaseDefaults defaults;
  defaults.hidden = 2880;
  defaults.layers = 36;
  defaults.heads = 64;
  defaults.vocab = 201088;
  defaults.max_positions = 131072;
  defaults.eps = 1e-5;
  require_one_of(config, "hidden_act", {"silu", "swish"});
  ModelSpec spec = read_base(config, defaults);
  spec.family = "gpt_oss";
  AttentionSpec attention = read_attention(config, defaults, 8);
  if (!config.has("head_dim")) {
    attention.key_dim = attention.value_dim = 64;
    attention.scale = 0.125F;
  }
  attention.q_bias = attention.k_bias = attention.v_bias = attention.o_bias = config.boolean_or("attention_bias", true);
  attention.sinks = true;
  RopeDefaults rope;
  rope.theta = 150000;
  const bool given = config.has("rope_scaling") || config.has("rope_parameters");
  spec.ropes = {given ? read_rope(config, spec.max_positions, attention.key_dim, rope)
                      : read_rope_from(Config::parse(kDefaultRope, config.file()), config, spec.max_positions, attention.key_dim, rope)};

  ExpertsSpec experts;
  experts.width = std::int32_t(config.dimension_or("intermediate_size", 2880, 1 << 24));
  experts.bias = true;
  experts.activation = {ActivationSpec::Kind::clamped_swiglu, static_cast<float>(config.positive_or("swiglu_alpha", 1.702)),
                        static_cast<float>(config.positive_or("swiglu_limit", 7.0))};
  experts.router.experts = read_expert_count(config, 128);
  experts.router.top_k = std::int32_t(config.dimension_or(config.first_of({"num_experts_per_tok", "experts_per_token"}), 4, 1 << 16));
  experts.router.score = RouterSpec::Score::softmax_of_chosen;
  experts.router.bias = true;
  const auto window = std::int32_t(config.integer_or("sliding_window", 128, 0, kMaxDimension));
  const std::vector<bool> sliding = sliding_layers(config, spec.layer_count());
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    LayerSpec& layer = spec.layers[i];
    layer.attention = attention;
    if (sliding.empty() ? i % 2 == 0 : sliding[i]) layer.attention.window = window;
    layer.experts = experts;
  }
  return spec;
}

// Experts' tensors hold all experts: gate and up interleaved (even and odd), transposed in float files, and in MXFP4
// files as rows of outputs in groups of 32.
TensorSlice expert_slice(const ModelSpec& spec, const WeightUse& use, const Checkpoint& checkpoint) {
  const std::int64_t experts = spec.layers[use.layer].experts->router.experts, hidden = spec.hidden;
  const std::int64_t width = spec.layers[use.layer].experts->width;
  const std::string base = expand("model.layers.{i}.mlp.experts.", use.layer);
  const bool down = use.slot == Slot::expert_down || use.slot == Slot::expert_down_bias;
  const std::int64_t odd = use.slot == Slot::expert_up || use.slot == Slot::expert_up_bias ? 1 : 0;
  const std::string name = base + (down ? "down_proj" : "gate_up_proj");
  TensorSlice slice;
  if (use.is_vector()) {
    const std::int64_t n = down ? hidden : 2 * width;
    slice.tensor = name + "_bias";
    slice.shape = {experts, n};
    slice.offset = use.expert * n + odd;
    slice.row_stride = down ? 1 : 2;
    return slice;
  }
  const std::int64_t rows = down ? hidden : 2 * width, cols = down ? width : hidden;
  if (checkpoint.find(name + "_blocks") != nullptr) {
    if (cols % 32 != 0) throw Error(ErrorKind::config, Fault{checkpoint.directory().string(), name, "a multiple of 32 inputs", std::to_string(cols)});
    slice.tensor = name + "_blocks";
    slice.shape = {experts, rows, cols / 32, 16};
    slice.scales = name + "_scales";
    slice.scales_shape = {experts, rows, cols / 32};
    slice.encoding = Encoding::mxfp4;
    slice.offset = use.expert * rows * cols + odd * cols;
    slice.row_stride = down ? cols : 2 * cols;
    return slice;
  }
  slice.tensor = name;
  slice.shape = {experts, cols, rows};
  slice.offset = use.expert * rows * cols + odd;
  slice.row_stride = down ? 1 : 2;
  slice.col_stride = rows;
  return slice;
}

WeightLocator locate(const ModelSpec& spec, const Checkpoint& checkpoint) {
  NamePatterns names = llama_names();
  names[Slot::router] = "model.layers.{i}.mlp.router.weight";
  names[Slot::router_bias] = "model.layers.{i}.mlp.router.bias";
  return [&spec, &checkpoint, names](const WeightUse& use) {
    return use.expert >= 0 ? expert_slice(spec, use, checkpoint) : whole_tensor(name_of(names, use), use);
  };
}

}  // namespace

const Family kGptOss{"gpt_oss", {"gpt_oss"}, describe, locate, "mxfp4"};

}  // namespace moe::models

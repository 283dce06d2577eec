#include "engine/runtime/inspect.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/error.h"
#include "engine/runtime/kv_cache.h"
#include "engine/runtime/matrix_sizes.h"
#include "engine/runtime/model.h"
#include "engine/runtime/ops.h"
#include "engine/runtime/usual_types.h"

namespace moe {
namespace {

constexpr std::int64_t kMaxExperts = 1 << 20;  // all layers together; the largest published models have 15,000
constexpr std::int64_t kMaxContext = std::int64_t{1} << 30;
// Numbers above this are not computed, so that sums and products of them still fit 63 bits.
constexpr double kTooLarge = 1e18;

bool is_table(Slot slot) { return slot == Slot::embedding || slot == Slot::per_layer_table; }

// One matrix of a form; a row's last group may be short, and has its scale all the same.
std::int64_t matrix_bytes(const WeightForm& form, std::int64_t rows, std::int64_t cols) {
  const std::int64_t scales = form.quantised() ? (cols + form.group - 1) / form.group * form.scale_bits : 0;
  return rows * ((cols * form.bits + scales + 7) / 8);
}

// Whether the checkpoint stores this weight in blocks.
bool in_blocks(const StoredTypes& stored, Slot slot) {
  switch (stored.blocks) {
    case StoredTypes::Blocks::none: return false;
    case StoredTypes::Blocks::fp8: return !is_table(slot) && slot != Slot::head && !kept_when_quantised(slot);
    case StoredTypes::Blocks::mxfp4: return is_expert_matrix(slot);
  }
  return false;
}

// The form that a matrix has in a model of `form`; `in_memory` tells blocks that were opened from those in a file.
WeightForm form_of(const StoredTypes& stored, const WeightForm& form, Slot slot, bool in_memory) {
  const WeightForm plain{"", stored.bits()};
  if (form.quantised()) {
    if (kept_when_quantised(slot)) return plain;
    return form.head_bits > 0 && makes_head(slot) ? WeightForm{"", form.head_bits, form.group, form.scale_bits} : form;
  }
  if (!form.native()) return form;
  if (!in_blocks(stored, slot)) return plain;
  if (stored.blocks == StoredTypes::Blocks::fp8) return in_memory ? WeightForm{"", 32} : WeightForm{"", 8};
  return in_memory ? WeightForm{"", 16} : WeightForm{"", 4, 32, 8};
}

// What the loader packs a matrix of this form in.
kernels::WeightType packed_type(const WeightForm& form) {
  using kernels::WeightType;
  if (form.quantised()) return form.bits == 8 ? WeightType::q8 : WeightType::q4;
  return form.bits == 16 ? WeightType::bf16 : WeightType::f32;
}

// Bits that a number takes while it is packed: in the file, and as a float where the kernels cannot read it there.
std::int64_t source_bits(const StoredTypes& stored, const WeightForm& form, Slot slot) {
  if (!form.quantised() && !form.native()) return form.bits;
  if (!in_blocks(stored, slot)) return stored.bits();
  return stored.blocks == StoredTypes::Blocks::fp8 ? 8 + 32 : 4 + 16;
}

std::int64_t fp8_scale_bytes(const WeightUse& use) {
  return fp8_blocks(use.rows) * fp8_blocks(use.cols) * std::int64_t{sizeof(float)};
}

template <class Visit>
void for_each_weight(const ModelSpec& spec, const Visit& visit) {
  std::ranges::for_each(model_weights(spec), visit);
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) std::ranges::for_each(layer_weights(spec, i), visit);
}

[[noreturn]] void too_large(const char* thing, double found) {
  throw Error(ErrorKind::limit, Fault{"", thing, fmt::format("at most {:.0e}", kTooLarge), fmt::format("{:.2e}", found)});
}

// Refuses what would overflow or take forever, before anything is listed. In floating point, from above.
void check_sizes(const ModelSpec& spec) {
  std::int64_t experts = 0;
  const double h = spec.hidden;
  double parameters = 2.0 * spec.vocab * h;
  if (const auto& p = spec.per_layer_embedding) {
    parameters += static_cast<double>(p->width) * spec.layer_count() * (p->vocab + 3 * h);
  }
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = layer.attention;
    const double q_in = std::max(h, static_cast<double>(a.q_rank));
    parameters += q_in * (2.0 * a.heads * a.key_dim + a.q_rank) + h * (2.0 * a.kv_heads * a.key_dim + 2.0 * a.heads * a.value_dim) +
                  (h + 2.0 * a.heads * (a.nope_dim + a.value_dim)) * (a.kv_rank + a.rope_dim) + 20 * h;
    if (layer.dense) parameters += 3.0 * layer.dense->width * (h + 1);
    if (layer.shared) parameters += 3.0 * layer.shared->width * (h + 1);
    if (const auto& e = layer.experts) {
      parameters += e->router.experts * (3.0 * e->width + 4) * (h + 1);
      experts += e->router.experts;
    }
  }
  // Bytes, and class B beside class A, are a few times as many.
  if (parameters > kTooLarge / 64) too_large("parameters", parameters);
  if (experts > kMaxExperts) {
    throw Error(ErrorKind::limit, Fault{"", "experts of all layers", fmt::format("at most {}", kMaxExperts), std::to_string(experts)});
  }
}

void check_context(const Inspection& model, const ModelSpec& spec, std::int64_t context) {
  if (context < 1 || context > kMaxContext) {
    throw Error(ErrorKind::usage, Fault{"", "context", fmt::format("1 to {}", kMaxContext), std::to_string(context)});
  }
  double heads = 0;
  for (const LayerSpec& layer : spec.layers) heads += layer.attention.heads;
  const double n = static_cast<double>(context), per_key = static_cast<double>(model.slopes.full + model.slopes.sliding) + 7 * heads;
  const double flops = n * (16.0 * static_cast<double>(model.total) + n * per_key);
  if (flops > kTooLarge * 4) too_large("FLOPs of the context", flops);
}

// Without the head, the final norm and the soft cap of all rows but the last.
Flops full_prefill(const ModelSpec& spec, std::int64_t tokens) {
  const Costs every_row = closed_form(spec, 0, tokens, tokens);
  Flops flops = every_row.total();
  const auto rows = std::uint64_t(tokens);
  const Flops head = every_row[Component::lm_head];
  flops.class_a -= head.class_a / rows * (rows - 1);
  flops.class_b -= (head.class_b / rows + std::uint64_t(spec.final_norm.weighted ? 4 : 3) * std::uint64_t(spec.hidden)) * (rows - 1);
  return flops;
}

// Numbers of a pass's buffers, each as large as the layer that needs most of it (forward_pass.h). Products and dense
// MLPs take their rows by blocks.
class PassBuffers {
 public:
  PassBuffers(const ModelSpec& spec, std::int64_t rows) : hidden_(spec.hidden), all_rows_(rows), rows_(rows) {
    for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
      // Layers behind the last cache run for the row whose logits are wanted.
      if (i == spec.first_layer_without_cache()) rows_ = 1;
      widen(spec.layers[i].attention);
      widen(spec.layers[i]);
    }
    if (const auto& p = spec.per_layer_embedding) {
      widen(gate_up_, rows * p->width);
      fixed_ += rows * p->width * (2 * std::int64_t{spec.layer_count()} + spec.first_layer_without_cache());
    }
    for (const RopeSpec& rope : spec.ropes) fixed_ += rows * 2 * std::int64_t{rope.pairs()};
    fixed_ += spec.vocab;
  }

  std::int64_t numbers() const { return all_rows_ * branches_ * hidden_ + in_ + mixed_ + latent_ + inner_ + gate_up_ + routed_ + fixed_; }
  // Inputs of one product, and of one in f32, which reads most where they lie.
  std::int64_t prepared() const { return prepared_; }
  std::int64_t prepared_f32() const { return prepared_f32_; }

 private:
  static void widen(std::int64_t& buffer, std::int64_t numbers) { buffer = std::max(buffer, numbers); }
  std::int64_t block_rows() const { return Ops::block_rows(kernels::select_kernels(), rows_); }
  void prepare(std::int64_t cols, std::int64_t stride) {
    const std::int64_t numbers = block_rows() * cols;
    widen(prepared_, numbers);
    if (!kernels::suits_products(stride)) widen(prepared_f32_, numbers);
  }
  void prepare(std::int64_t cols) { prepare(cols, kernels::spread_stride(cols)); }

  void widen(const AttentionSpec& a) {
    const std::int64_t heads = a.heads, queries = heads * a.key_dim, mixed = heads * a.value_dim;
    widen(mixed_, rows_ * mixed);
    for (const std::int64_t cols : {hidden_, mixed, std::int64_t{a.q_rank}}) prepare(cols);
    if (a.kind != AttentionSpec::Kind::latent) {
      const std::int64_t kv = a.owns_cache() ? a.key_dim + (a.value_is_key ? 0 : a.value_dim) : 0;
      widen(in_, rows_ * (queries + a.kv_heads * kv));
      return;
    }
    const std::int64_t compressed = std::int64_t{a.kv_rank} + a.rope_dim;
    widen(in_, rows_ * ((a.q_rank > 0 ? a.q_rank : queries) + compressed));
    if (a.q_rank > 0) widen(gate_up_, rows_ * queries);
    widen(latent_, rows_ * heads * compressed);
    widen(inner_, rows_ * heads * a.kv_rank);
  }

  void widen(const LayerSpec& layer) {
    const auto gated = [this](std::int64_t width) {
      widen(inner_, block_rows() * width);
      prepare(width);
    };
    if (layer.dense) gated(layer.dense->width);
    if (layer.shared) gated(layer.shared->width);
    // A dense layer without norms behind its branches adds them to the stream as they are made.
    if (layer.layer_input) prepare(hidden_, hidden_);  // of the stream itself
    if (layer.post_attention_norm || layer.post_ff_norm || layer.layer_input || layer.experts) widen(branches_, 3);
    if (layer.shared || (layer.dense && layer.experts)) widen(branches_, 4);
    if (!layer.experts) return;
    const RouterSpec& r = layer.experts->router;
    const std::int64_t k = r.top_k, width = layer.experts->width;
    widen(inner_, rows_ * k * width);
    widen(prepared_, rows_ * k * std::max(hidden_, width));
    widen(prepared_f32_, rows_ * k * hidden_);  // gathered
    // What the experts give, logits and scores, choices and their order, and Gemma 4's input of the router.
    widen(routed_, rows_ * (k * hidden_ + 2 * std::int64_t{r.experts} + 4 * k + (r.own_input ? hidden_ : 0)));
  }

  std::int64_t hidden_, all_rows_;
  std::int64_t rows_;          // of the layer that is looked at
  std::int64_t branches_ = 2;  // the stream, its norm, a branch, and a second one where two are summed
  std::int64_t in_ = 0, mixed_ = 0, latent_ = 0, inner_ = 0, gate_up_ = 0, routed_ = 0, fixed_ = 0;
  std::int64_t prepared_ = 0, prepared_f32_ = 0;
};

// visit(block_bytes, blocks) for the layers of each window: the most blocks they hold at once.
template <class Visit>
void for_each_group(const ModelSpec& spec, std::int64_t context, std::int64_t chunk, kernels::KvType type, const Visit& visit) {
  if (context < 1 || chunk < 1) {
    throw Error(ErrorKind::usage, Fault{"", "context and chunk", "1 or more", std::to_string(std::min(context, chunk))});
  }
  const auto blocks_to = [](std::int64_t tokens) { return (tokens + kKvBlockTokens - 1) / kKvBlockTokens; };
  const KvLayout layout(spec, type);
  for (const KvLayout::Group& group : layout.groups()) {
    std::int64_t most = blocks_to(context);
    if (group.window > 0) {
      // From where the window is full on, a chunk's need depends on its start within a block only: a few turns of
      // all such starts see the worst of them.
      const std::int64_t end = std::min(context, group.window + (2 * kKvBlockTokens + 2) * chunk);
      most = 0;
      for (std::int64_t held = 0; held < end; held += chunk) {
        const std::int64_t freed = std::max<std::int64_t>(held - group.window + 1, 0) / kKvBlockTokens;
        most = std::max(most, blocks_to(std::min(context, held + chunk)) - freed);
      }
    }
    visit(std::int64_t(group.block_bytes), most);
  }
}

// What kernels and their first two threads keep for themselves: attention's state, and for each row of a block sums of 256 outputs
// and as many of heads under way. Each further thread takes .5 to 1.3 MB.
constexpr std::int64_t kScratchBytes = 1'600'000, kScratchRowBytes = 2 * 2 * 256 * sizeof(float);

}  // namespace

std::int64_t stored_weight_bytes(const ModelSpec& spec, const StoredTypes& stored, const WeightForm& form) {
  const std::int64_t plain = (form.quantised() || form.native() ? stored.bits() : form.bits) / 8;
  std::int64_t bytes = 0;
  for_each_weight(spec, [&](const WeightUse& use) {
    if (use.is_vector() || is_table(use.slot)) {
      bytes += use.parameters() * plain;
      return;
    }
    bytes += matrix_bytes(form_of(stored, form, use.slot, false), use.rows, use.cols);
    if (form.native() && stored.blocks == StoredTypes::Blocks::fp8 && in_blocks(stored, use.slot)) bytes += fp8_scale_bytes(use);
  });
  return bytes;
}

WeightBytes weight_bytes_in_memory(const ModelSpec& spec, const StoredTypes& stored, const WeightForm& form) {
  const auto type = [&](std::span<const WeightPart> parts) { return packed_type(form_of(stored, form, parts.front().use.slot, true)); };
  const auto source_bytes = [&](std::span<const WeightPart> parts) {
    std::int64_t bits = 0;
    for (const WeightPart& part : parts) bits += part.rows * part.use.cols * source_bits(stored, form, part.use.slot);
    return bits / 8;
  };
  MatrixSizes sizes(type, source_bytes);
  read_weights(spec, sizes);
  return {sizes.matrix_bytes() + sizes.vector_bytes(), sizes.loading_bytes()};
}

KvTokenBytes kv_token_bytes(const ModelSpec& spec, std::int32_t element_bytes) {
  KvTokenBytes bytes;
  const KvLayout layout(spec);
  for (const KvLayout::Group& group : layout.groups()) {
    const bool slides = group.window > 0 && group.window < spec.max_positions;
    (slides ? bytes.sliding : bytes.full) += std::int64_t(group.token_numbers) * element_bytes;
  }
  return bytes;
}

std::int64_t kv_cache_bytes(const ModelSpec& spec, std::int64_t context, std::int64_t chunk, kernels::KvType type) {
  std::int64_t bytes = 0;
  for_each_group(spec, context, chunk, type, [&](std::int64_t block_bytes, std::int64_t blocks) { bytes += block_bytes * blocks; });
  return bytes;
}

std::int64_t kv_memory_bytes(const ModelSpec& spec, std::int64_t context, std::int64_t chunk, kernels::KvType type) {
  std::int64_t bytes = 0;
  for_each_group(spec, context, chunk, type,
                 [&](std::int64_t block_bytes, std::int64_t blocks) { bytes += kv_region_bytes(block_bytes, blocks); });
  return bytes;
}

std::int64_t work_bytes(const ModelSpec& spec, std::int64_t rows, kernels::Compute compute) {
  const PassBuffers buffers(spec, rows);
  const std::int64_t n = buffers.prepared();
  // Inputs as products read them: numbers, or a byte each and what a group has besides.
  constexpr std::int64_t kFloat = sizeof(float), kGroup = sizeof(kernels::InputGroups) / kernels::InputGroups::kGroups;
  const std::int64_t prepared = compute == kernels::Compute::int8   ? n + n / kernels::kQuantGroup * kGroup
                                : compute == kernels::Compute::bf16 ? n * 2
                                                                    : buffers.prepared_f32() * kFloat;
  return buffers.numbers() * kFloat + prepared + kScratchBytes + Ops::block_rows(kernels::select_kernels(), rows) * kScratchRowBytes;
}

Inspection inspect(const ModelSpec& spec, const std::vector<std::int64_t>& contexts, std::int64_t chunk) {
  check_sizes(spec);
  Inspection out;
  out.parameters = count_parameters(spec);
  out.total = out.parameters.total();
  out.matmul = matmul_parameters(spec);
  out.head = std::int64_t{spec.vocab} * spec.hidden;
  out.active = out.matmul + out.head + out.parameters.vectors_active;
  out.lookup = spec.hidden;
  if (const auto& p = spec.per_layer_embedding) out.lookup += std::int64_t{p->width} * spec.layer_count();
  out.slopes = attention_slopes(spec);
  for (const LayerSpec& layer : spec.layers) {
    if (!layer.experts) continue;
    out.experts += layer.experts->router.experts;
    out.chosen += layer.experts->router.top_k;
  }
  for (const std::int64_t context : contexts) {
    check_context(out, spec, context);
    ContextCosts costs;
    costs.context = context;
    costs.decode = closed_form(spec, context - 1, 1, 1).total();
    costs.prefill = full_prefill(spec, context);
    costs.prefill_fast = closed_form(spec, 0, context, 1).total();
    const std::int64_t rows = std::min(context, chunk);
    const auto run = [&](kernels::Compute compute) {
      const kernels::KvType type = usual_kv_type(compute);
      return ContextCosts::Run{kv_cache_bytes(spec, context, chunk, type), kv_memory_bytes(spec, context, chunk, type),
                               work_bytes(spec, rows, compute)};
    };
    costs.plain = run(usual_compute(false));
    costs.quantised = run(usual_compute(true));
    out.contexts.push_back(costs);
  }
  return out;
}

}  // namespace moe

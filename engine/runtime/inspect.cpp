#include "engine/runtime/inspect.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/error.h"
#include "engine/runtime/kv_cache.h"
#include "engine/runtime/matrix_sizes.h"
#include "engine/runtime/model.h"

namespace moe {
namespace {

constexpr std::int64_t kMaxExperts = 1 << 20;  // all layers together; the largest published models have 15,000
constexpr std::int64_t kMaxContext = std::int64_t{1} << 30;
// Numbers above this are not computed, so that sums and products of them still fit 63 bits.
constexpr double kTooLarge = 1e18;

std::int64_t round_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

bool is_table(Slot slot) { return slot == Slot::embedding || slot == Slot::per_layer_table; }

// One matrix of a form; a row's last group may be short, and has its scale all the same.
std::int64_t matrix_bytes(const WeightForm& form, std::int64_t rows, std::int64_t cols) {
  const std::int64_t scales = form.quantised() ? (cols + form.group - 1) / form.group * form.scale_bits : 0;
  return rows * ((cols * form.bits + scales + 7) / 8);
}

bool is_expert(Slot slot) { return slot == Slot::expert_gate || slot == Slot::expert_up || slot == Slot::expert_down; }

// Whether the checkpoint stores this weight in blocks.
bool in_blocks(const StoredTypes& stored, Slot slot) {
  switch (stored.blocks) {
    case StoredTypes::Blocks::none: return false;
    case StoredTypes::Blocks::fp8: return !is_table(slot) && slot != Slot::head && !kept_when_quantised(slot);
    case StoredTypes::Blocks::mxfp4: return is_expert(slot);
  }
  return false;
}

// The form that a matrix has in a model of `form`; `in_memory` tells blocks that were opened from those in a file.
WeightForm form_of(const StoredTypes& stored, const WeightForm& form, Slot slot, bool in_memory) {
  const WeightForm plain{"", stored.bits};
  if (form.quantised()) return kept_when_quantised(slot) ? plain : form;
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

constexpr std::int64_t kFp8Block = 128;
std::int64_t fp8_scale_bytes(const WeightUse& use) {
  return round_up(use.rows, kFp8Block) / kFp8Block * (round_up(use.cols, kFp8Block) / kFp8Block) * std::int64_t{sizeof(float)};
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

}  // namespace

std::int64_t stored_weight_bytes(const ModelSpec& spec, const StoredTypes& stored, const WeightForm& form) {
  const std::int64_t plain = (form.quantised() || form.native() ? stored.bits : form.bits) / 8;
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

std::int64_t resident_weight_bytes(const ModelSpec& spec, const StoredTypes& stored, const WeightForm& form) {
  MatrixSizes sizes([&](std::span<const WeightPart> parts) { return packed_type(form_of(stored, form, parts.front().use.slot, true)); });
  read_weights(spec, sizes);
  return sizes.matrix_bytes() + sizes.vector_bytes();
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

std::int64_t kv_cache_bytes(const ModelSpec& spec, std::int64_t context, std::int64_t chunk) {
  if (context < 1 || chunk < 1) {
    throw Error(ErrorKind::usage, Fault{"", "context and chunk", "1 or more", std::to_string(std::min(context, chunk))});
  }
  const auto blocks_to = [](std::int64_t tokens) { return (tokens + kKvBlockTokens - 1) / kKvBlockTokens; };
  std::int64_t bytes = 0;
  const KvLayout layout(spec);
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
    bytes += most * std::int64_t(group.block_bytes);
  }
  return bytes;
}

std::int64_t work_bytes(const ModelSpec& spec, std::int64_t rows) {
  // The stream, its norm and its branches stay; the widest layer decides about the rest.
  std::int64_t widest_in = 0, widest_mixed = 0, widest_ff = 0, gathered = 0;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = layer.attention;
    const bool latent = a.kind == AttentionSpec::Kind::latent;
    const std::int64_t q = std::int64_t{a.heads} * a.key_dim, mixed = std::int64_t{a.heads} * a.value_dim;
    const std::int64_t kv = latent ? a.kv_rank + a.rope_dim : std::int64_t{a.kv_heads} * (a.key_dim + a.value_dim);
    widest_in = std::max(widest_in, (latent && a.q_rank > 0 ? a.q_rank + q : q) + kv);
    // Latent queries and results are as long as the latent, for every head.
    widest_mixed = std::max(widest_mixed, mixed + (latent ? std::int64_t{a.heads} * (2 * a.kv_rank + a.rope_dim) : 0));
    if (layer.dense) widest_ff = std::max(widest_ff, 3 * std::int64_t{layer.dense->width});
    if (layer.shared) widest_ff = std::max(widest_ff, 3 * std::int64_t{layer.shared->width});
    if (const auto& e = layer.experts) {
      widest_ff = std::max(widest_ff, 3 * std::int64_t{e->width} * e->router.top_k / e->router.experts);
      gathered = std::max(gathered, 2 * std::int64_t{e->router.top_k} * spec.hidden + 2 * std::int64_t{e->router.experts});
    }
  }
  std::int64_t floats = 4 * std::int64_t{spec.hidden} + widest_in + widest_mixed + widest_ff + gathered;
  if (const auto& p = spec.per_layer_embedding) floats += 3 * std::int64_t{p->width} * spec.layer_count();
  return (rows * floats + spec.vocab) * std::int64_t{sizeof(float)};
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
    costs.kv_bytes = kv_cache_bytes(spec, context, chunk);
    costs.work_bytes = work_bytes(spec, std::min(context, chunk));
    out.contexts.push_back(costs);
  }
  return out;
}

}  // namespace moe

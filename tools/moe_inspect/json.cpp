// The JSON form: numbers exact, in units of one (parameters, FLOPs, bytes).
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "tools/moe_inspect/report.h"

namespace moe::tools {
namespace {

using nlohmann::json;

json attention_json(const AttentionSpec& a) {
  json out{{"kind", a.kind == AttentionSpec::Kind::latent ? "latent" : "grouped"},
           {"heads", a.heads},
           {"key_dim", a.key_dim},
           {"value_dim", a.value_dim},
           {"window", a.window},
           {"shares_cache_of", a.owns_cache() ? json(nullptr) : json(a.kv_from)}};
  if (a.kind == AttentionSpec::Kind::latent) {
    out["kv_rank"] = a.kv_rank;
    out["q_rank"] = a.q_rank;
    out["rope_dim"] = a.rope_dim;
  } else {
    out["kv_heads"] = a.kv_heads;
    out["value_is_key"] = a.value_is_key;
  }
  return out;
}

json layers_json(const ModelSpec& spec) {
  json layers = json::array();
  for (const LayerSpec& layer : spec.layers) {
    json out{{"attention", attention_json(layer.attention)}};
    if (layer.dense) out["dense_width"] = layer.dense->width;
    if (const auto& e = layer.experts) {
      out["experts"] = e->router.experts;
      out["experts_per_token"] = e->router.top_k;
      out["expert_width"] = e->width;
    }
    if (layer.shared) out["shared_width"] = layer.shared->width;
    layers.push_back(std::move(out));
  }
  return layers;
}

json flops_json(const ContextCosts& c) {
  return {{"context", c.context},
          {"decode_class_a", c.decode.class_a},
          {"decode_class_b", c.decode.class_b},
          {"prefill_class_a", c.prefill.class_a},
          {"prefill_class_b", c.prefill.class_b},
          {"prefill_fast_class_a", c.prefill_fast.class_a},
          {"prefill_fast_class_b", c.prefill_fast.class_b}};
}

json split_json(const ParameterCount& p) {
  return {{"embedding", p.embedding},
          {"per_layer_table", p.per_layer_table},
          {"head", p.head},
          {"attention", p.attention},
          {"dense_mlp", p.dense_mlp},
          {"router", p.router},
          {"router_vectors", p.router_vectors},
          {"shared_expert", p.shared_expert},
          {"experts", p.experts},
          {"experts_active", p.experts_active},
          {"per_layer_matrices", p.per_layer_matrices},
          {"vectors", p.vectors},
          {"vectors_active", p.vectors_active}};
}

}  // namespace

json inspect_json(const InspectReport& report) {
  const ModelSpec& spec = report.description.spec;
  const Inspection& n = report.numbers;
  json out{{"family", spec.family},
           {"params_total", n.total},
           {"params_embedding", n.parameters.embedding},
           {"params_active", n.active},
           {"params_lookup", n.lookup},
           {"params_split", split_json(n.parameters)},
           {"matmul_params", n.matmul},
           {"head_params", n.head},
           {"alpha_full", n.slopes.full},
           {"alpha_sliding", n.slopes.sliding},
           {"window", n.slopes.window},
           {"activation_rate", n.activation_rate()},
           {"sparsity", n.experts > 0 ? json(1.0 - static_cast<double>(n.chosen) / static_cast<double>(n.experts)) : json(nullptr)}};
  out["dimensions"] = {{"layers", spec.layer_count()}, {"hidden", spec.hidden},
                       {"vocab", spec.vocab},          {"max_positions", spec.max_positions},
                       {"tied_head", spec.tied_head},  {"by_layer", layers_json(spec)}};

  json weights = json::object(), resident = json::object(), loading = json::object(), forms = json::object();
  std::map<std::string_view, WeightBytes> in_memory;
  for (const WeightForm& form : kWeightForms) {
    const std::string name(form.name);
    weights[name] = stored_weight_bytes(spec, report.description.stored, form);
    const WeightBytes& bytes = in_memory[form.name] = weight_bytes_in_memory(spec, report.description.stored, form);
    resident[name] = bytes.resident;
    loading[name] = bytes.loading;
    if (form.native()) continue;
    forms[name] = {{"bits", form.bits}, {"bits_per_weight", form.bits_per_weight()}};
    if (form.quantised()) {
      forms[name]["group"] = form.group;
      forms[name]["scale_bits"] = form.scale_bits;
      if (form.head_bits > 0) forms[name]["head_bits"] = form.head_bits;
    }
  }
  const KvTokenBytes f32 = kv_token_bytes(spec, 4);
  out["kv_bytes_per_token"] = f32.total();
  out["kv_bytes_per_token_full"] = f32.full;
  out["kv_bytes_per_token_sliding"] = f32.sliding;
  out["kv_bytes_per_token_by_type"] = {{"f32", f32.total()}, {"bf16", kv_token_bytes(spec, 2).total()}, {"int8", kv_token_bytes(spec, 1).total()}};

  out["flops"] = json::array();
  out["memory"] = json::array();
  for (const ContextCosts& c : n.contexts) {
    out["flops"].push_back(flops_json(c));
    json needed = json::object();
    for (const WeightForm& form : kWeightForms) needed[std::string(form.name)] = c.run(form).peak(in_memory[form.name]);
    out["memory"].push_back({{"context", c.context},
                             {"kv_bytes", c.plain.kv_bytes},
                             {"kv_memory_bytes", c.plain.kv_memory_bytes},
                             {"work_bytes", c.plain.work_bytes},
                             {"kv_bytes_quantised", c.quantised.kv_bytes},
                             {"kv_memory_bytes_quantised", c.quantised.kv_memory_bytes},
                             {"work_bytes_quantised", c.quantised.work_bytes},
                             {"program_bytes", kProgramBytes},
                             {"bytes", std::move(needed)}});
  }
  out["weight_bytes"] = std::move(weights);
  out["resident_weight_bytes"] = std::move(resident);
  out["loading_weight_bytes"] = std::move(loading);
  out["weight_forms"] = std::move(forms);
  if (report.training_tokens) {
    out["training_tokens"] = *report.training_tokens;
    out["tokens_per_parameter"] = {{"total", *report.training_tokens / static_cast<double>(n.total)},
                                   {"active", *report.training_tokens / static_cast<double>(n.active)}};
  }
  return out;
}

}  // namespace moe::tools

// The forms for people: tables as aligned text or Markdown.
#include <fmt/format.h>

#include <algorithm>

#include "tools/common/progress.h"
#include "tools/moe_inspect/report.h"

namespace moe::tools {
namespace {

using Row = std::vector<std::string>;

// 1234567 as "1 234 567".
template <class Integer>
std::string grouped(Integer n) {
  std::string digits = std::to_string(n);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) digits.insert(std::size_t(at), 1, ' ');
  return digits;
}

// A table with a head; all columns but the first are aligned to the right.
class Table {
 public:
  Table(std::string title, Row head) : title_(std::move(title)), rows_{std::move(head)} {}
  void add(Row row) { rows_.push_back(std::move(row)); }

  std::string render(bool markdown) const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const Row& row : rows_) {
      for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
    }
    std::string out = markdown ? "## " + title_ + "\n\n" : title_ + "\n";
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      out += markdown ? markdown_row(rows_[r]) : text_row(rows_[r], widths);
      if (markdown && r == 0) {
        for (std::size_t c = 0; c < widths.size(); ++c) out += c == 0 ? "|---" : "|---:";
        out += "|\n";
      }
    }
    return out + "\n";
  }

 private:
  static std::string markdown_row(const Row& row) {
    std::string out;
    for (const std::string& cell : row) out += "| " + cell + " ";
    return out + "|\n";
  }
  static std::string text_row(const Row& row, const std::vector<std::size_t>& widths) {
    std::string out = fmt::format("  {:<{}}", row[0], widths[0]);
    for (std::size_t c = 1; c < row.size(); ++c) out += fmt::format("  {:>{}}", row[c], widths[c]);
    return out + "\n";
  }

  std::string title_;
  std::vector<Row> rows_;
};

Table shape_table(const ModelSpec& spec) {
  Table table("Layers", {"attention", "feed-forward", "layers"});
  for (const LayerShape& shape : layer_shapes(spec)) table.add({shape.attention, shape.feed_forward, std::to_string(shape.layers)});
  return table;
}

Table parameter_table(const ModelSpec& spec, const Inspection& n) {
  const ParameterCount& p = n.parameters;
  Table table("Parameters", {"part", "stored", "used by a token"});
  const auto add = [&](std::string part, std::int64_t stored, std::int64_t active) {
    if (stored > 0 || active > 0) table.add({std::move(part), grouped(stored), grouped(active)});
  };
  // The tables are looked up, not multiplied: their rows stand apart from the active parameters.
  add("embedding", p.embedding, 0);
  add("per-layer embedding table", p.per_layer_table, 0);
  add(spec.tied_head ? "head (the embedding again)" : "head", p.head, n.head);
  add("attention", p.attention, p.attention);
  add("dense MLP", p.dense_mlp, p.dense_mlp);
  add("router", p.router, p.router);
  add("experts", p.experts, p.experts_active);
  add("shared expert", p.shared_expert, p.shared_expert);
  add("per-layer embedding matrices", p.per_layer_matrices, p.per_layer_matrices);
  add("vectors (norms, biases, scalars)", p.vectors, p.vectors_active);
  table.add({"total", grouped(n.total), grouped(n.active)});
  table.add({"looked up", "", grouped(n.lookup)});
  return table;
}

Table flops_table(const ModelSpec& spec, const Inspection& n) {
  const bool shared = spec.first_layer_without_cache() < spec.layer_count();
  Row head{"context", "decode A", "decode B", "prefill A", "prefill B"};
  // Layers that share a cache need only the last token of a prompt, and the engine runs them so.
  if (shared) head.insert(head.end(), {"fast prefill A", "fast prefill B"});
  Table table("FLOPs of one token at a context, and of a prompt as long (class A: matrix products, B: the rest)", head);
  for (const ContextCosts& c : n.contexts) {
    Row row{grouped(c.context), grouped(c.decode.class_a), grouped(c.decode.class_b), grouped(c.prefill.class_a), grouped(c.prefill.class_b)};
    if (shared) row.insert(row.end(), {grouped(c.prefill_fast.class_a), grouped(c.prefill_fast.class_b)});
    table.add(std::move(row));
  }
  return table;
}

Table weight_table(const models::Description& model) {
  Table table("Weights", {"type", "bits a weight", "bytes stored", "bytes in memory"});
  for (const WeightForm& form : kWeightForms) {
    const std::string bits = form.native()      ? std::string("as stored")
                             : form.quantised() ? fmt::format("{:g} ({} + {}-bit scale a group of {}{})", form.bits_per_weight(), form.bits,
                                                              form.scale_bits, form.group,
                                                              form.head_bits > 0 ? fmt::format("; head {}", form.head_bits) : "")
                                                : fmt::format("{}", form.bits);
    table.add({std::string(form.name), bits, grouped(stored_weight_bytes(model.spec, model.stored, form)),
               grouped(weight_bytes_in_memory(model.spec, model.stored, form).resident)});
  }
  return table;
}

Table memory_table(const InspectReport& report) {
  Row head{"context", "cache (f32)", "buffers", "cache (bf16)", "buffers (int8)"};
  for (const WeightForm& form : kWeightForms) head.push_back(fmt::format("with {}", form.name));
  const models::Description& model = report.description;
  Table table(
      "Memory needed: weights, cache, buffers and the program itself (with q8 and q4: products in int8, the "
      "cache in bf16); or, where that is more, what loading takes",
      head);
  for (const ContextCosts& c : report.numbers.contexts) {
    Row row{grouped(c.context)};
    for (const ContextCosts::Run* run : {&c.plain, &c.quantised}) {
      row.push_back(format_bytes(std::uint64_t(run->kv_memory_bytes)));
      row.push_back(format_bytes(std::uint64_t(run->work_bytes)));
    }
    for (const WeightForm& form : kWeightForms) {
      row.push_back(format_bytes(
          std::uint64_t(c.run(form).peak(weight_bytes_in_memory(model.spec, model.stored, form)))));
    }
    table.add(std::move(row));
  }
  return table;
}

Table ratio_table(const InspectReport& report) {
  const Inspection& n = report.numbers;
  Table table("Ratios and constants", {"what", "value"});
  table.add({"M: parameters that multiply every token, without the head", grouped(n.matmul)});
  table.add({"V * H: the head", grouped(n.head)});
  table.add({"class A a visible key, layers that see everything", grouped(n.slopes.full)});
  if (n.slopes.sliding > 0) {
    table.add({n.slopes.window > 0 ? fmt::format("class A a visible key, layers with a window of {}", n.slopes.window)
                                   : std::string("class A a visible key, layers with windows"),
               grouped(n.slopes.sliding)});
  }
  table.add({"activation rate: active / total", fmt::format("{:.4f}", n.activation_rate())});
  if (n.experts > 0) table.add({"sparsity: 1 - k/E", fmt::format("{:.4f}", 1.0 - static_cast<double>(n.chosen) / static_cast<double>(n.experts))});
  const KvTokenBytes kv = kv_token_bytes(report.description.spec, 4);
  table.add({"cache bytes a token (f32), layers that see everything", grouped(kv.full)});
  if (kv.sliding > 0) table.add({"cache bytes a token (f32), layers with a window, until it is full", grouped(kv.sliding)});
  if (report.training_tokens) {
    table.add({"training tokens a parameter", fmt::format("{:.4g}", *report.training_tokens / static_cast<double>(n.total))});
    table.add({"training tokens an active parameter", fmt::format("{:.4g}", *report.training_tokens / static_cast<double>(n.active))});
  }
  return table;
}

std::string attention_text(const AttentionSpec& a) {
  if (a.kind == AttentionSpec::Kind::latent) {
    return fmt::format("latent: {} heads, rank {} + {} rotated{}", a.heads, a.kv_rank, a.rope_dim,
                       a.q_rank > 0 ? fmt::format(", queries of rank {}", a.q_rank) : "");
  }
  return fmt::format("{}: {} heads of {}, {} key/value{}{}", a.window > 0 ? fmt::format("window {}", a.window) : "full", a.heads,
                     a.key_dim, a.kv_heads, a.value_is_key ? ", values are the keys" : "",
                     a.owns_cache() ? "" : ", shares an earlier layer's cache");
}

std::string feed_forward_text(const LayerSpec& layer) {
  std::string out;
  const auto add = [&out](const std::string& part) { out += (out.empty() ? "" : " + ") + part; };
  if (layer.dense) add(fmt::format("dense {}", layer.dense->width));
  if (const auto& e = layer.experts) add(fmt::format("{} of {} experts of {}", e->router.top_k, e->router.experts, e->width));
  if (layer.shared) add(fmt::format("shared {}", layer.shared->width));
  return out;
}

}  // namespace

std::vector<LayerShape> layer_shapes(const ModelSpec& spec) {
  std::vector<LayerShape> shapes;
  for (const LayerSpec& layer : spec.layers) {
    const LayerShape shape{attention_text(layer.attention), feed_forward_text(layer), 1};
    const auto found = std::ranges::find_if(shapes, [&](const LayerShape& s) { return s.same_as(shape); });
    if (found == shapes.end()) {
      shapes.push_back(shape);
    } else {
      ++found->layers;
    }
  }
  return shapes;
}

std::string inspect_text(const InspectReport& report, bool markdown) {
  const ModelSpec& spec = report.description.spec;
  const Inspection& n = report.numbers;
  std::string out = fmt::format("{}{}: {}, {} layers, hidden {}, vocabulary {}, context {}{}\n\n", markdown ? "# " : "", report.model,
                                spec.family, spec.layer_count(), spec.hidden, spec.vocab, spec.max_positions,
                                spec.tied_head ? ", head tied" : "");
  for (const Table& table : {shape_table(spec), parameter_table(spec, n), ratio_table(report)}) out += table.render(markdown);
  if (!n.contexts.empty()) out += flops_table(spec, n).render(markdown);
  out += weight_table(report.description).render(markdown);
  if (!n.contexts.empty()) out += memory_table(report).render(markdown);
  out.pop_back();
  return out;
}

}  // namespace moe::tools

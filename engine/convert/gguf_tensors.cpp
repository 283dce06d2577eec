// The tensors of a GGUF file under their Hugging Face names and in their row order.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/base/error.h"
#include "engine/convert/gguf_model.h"

namespace moe {
namespace {

using nlohmann::json;
using Shape = std::vector<std::int64_t>;

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// How rows of the output are found in the file.
struct RowMap {
  std::int64_t first = 0;      // where the output's rows begin among the file's: expert e of a stacked tensor
  std::int64_t head_rows = 0;  // if not 0, rows of each head lie interleaved for a rotation of neighbours
  bool minus_one = false;      // norms stored as w + 1

  std::int64_t source(std::int64_t row) const {
    if (head_rows == 0) return first + row;
    // The file holds a head as pairs (0, d/2), (1, d/2 + 1), ...; the output keeps its halves apart.
    const std::int64_t head = row / head_rows;
    const std::int64_t at = row % head_rows;
    const std::int64_t half = head_rows / 2;
    return first + head * head_rows + at % half * 2 + at / half;
  }
};

class Builder {
 public:
  Builder(const GgufFile& gguf, const json& config) : gguf_(gguf), config_(config) {}

  std::vector<ImageTensor> build();

 private:
  std::int64_t size(const char* key) const { return config_.at(key).get<std::int64_t>(); }
  std::string type() const { return config_.at("model_type").get<std::string>(); }

  const GgufTensor& require(const std::string& name, const Shape& shape) {
    const GgufTensor* tensor = gguf_.tensor(name);
    const std::string expected = fmt::format("shape [{}]", fmt::join(shape, ", "));
    if (tensor == nullptr) fail(ErrorKind::format, name, expected, "no such tensor");
    const bool same =
        std::equal(shape.begin(), shape.end(), tensor->shape.begin(), tensor->shape.end(),
                   [](std::int64_t a, std::uint64_t b) { return static_cast<std::uint64_t>(a) == b; });
    if (!same) fail(ErrorKind::format, name, expected, "shape " + shape_text(tensor->shape));
    used_.insert(name);
    return *tensor;
  }

  void add(const std::string& from, std::string to, const Shape& shape, RowMap map = {}) {
    const GgufTensor& tensor = require(from, shape);
    add_rows(tensor, std::move(to), shape, map);
  }

  // `shape` is that of the output, whose rows are some of the tensor's.
  void add_rows(const GgufTensor& tensor, std::string to, const Shape& shape, RowMap map) {
    ImageTensor out;
    out.name = std::move(to);
    out.shape = shape;
    out.native = tensor.type == GgmlType::bf16  ? DType::bf16
                 : tensor.type == GgmlType::f16 ? DType::f16
                                                : DType::f32;
    // A permuted vector moves single elements, so each is a row; that needs a type without blocks.
    const bool elements = shape.size() == 1 && map.head_rows != 0;
    if (elements && block_elements(tensor.type) != 1) {
      fail(ErrorKind::unsupported, tensor.name, "a bias in a plain float type",
           std::string(name(tensor.type)));
    }
    const auto length = static_cast<std::size_t>(elements ? 1 : shape.back());
    const std::size_t row_bytes = length / block_elements(tensor.type) * block_bytes(tensor.type);
    const GgmlType kind = tensor.type;
    const std::byte* data = tensor.data.data();
    const auto convert = [=](std::int64_t first, std::int64_t count, float* to_floats) {
      for (std::int64_t row = first; row < first + count; ++row) {
        const auto source = static_cast<std::size_t>(map.source(row));
        dequantize(kind, data + source * row_bytes, length, to_floats);
        if (map.minus_one) {
          for (std::size_t i = 0; i < length; ++i) to_floats[i] -= 1.0f;
        }
        to_floats += length;
      }
    };
    if (elements) {
      // To the outside a vector is one row.
      const std::int64_t count_of_elements = shape[0];
      out.read = [=](std::int64_t, std::int64_t, float* to_floats) {
        convert(0, count_of_elements, to_floats);
      };
    } else {
      out.read = convert;
    }
    out_.push_back(std::move(out));
  }

  void attention(std::int64_t layer);
  void dense(const std::string& from, const std::string& to);
  void experts(const std::string& from, const std::string& to);
  void norms(const std::string& from, const std::string& to);
  void bias(const std::string& from, const std::string& to, std::int64_t length, RowMap map, bool wanted);
  void refuse_leftovers() const;

  [[noreturn]] void fail(ErrorKind kind, const std::string& name, std::string expected,
                         std::string found) const {
    throw Error(kind,
                Fault{gguf_.file(), fmt::format("tensor '{}'", name), std::move(expected), std::move(found)});
  }

  const GgufFile& gguf_;
  const json& config_;
  std::vector<ImageTensor> out_;
  std::set<std::string, std::less<>> used_;
};

void Builder::bias(const std::string& from, const std::string& to, std::int64_t length, RowMap map,
                   bool wanted) {
  if (wanted) add(from, to, {length}, map);
}

void Builder::norms(const std::string& from, const std::string& to) {
  const Shape hidden = {size("hidden_size")};
  const Shape head = {size("head_dim")};
  const bool gemma = type() == "gemma3_text";
  const RowMap map{0, 0, gemma};
  add(from + "attn_norm.weight", to + "input_layernorm.weight", hidden, map);
  if (gemma) {
    add(from + "post_attention_norm.weight", to + "post_attention_layernorm.weight", hidden, map);
    add(from + "ffn_norm.weight", to + "pre_feedforward_layernorm.weight", hidden, map);
    add(from + "post_ffw_norm.weight", to + "post_feedforward_layernorm.weight", hidden, map);
  } else {
    add(from + "ffn_norm.weight", to + "post_attention_layernorm.weight", hidden);
  }
  if (gemma || type() == "qwen3" || type() == "qwen3_moe") {
    add(from + "attn_q_norm.weight", to + "self_attn.q_norm.weight", head, map);
    add(from + "attn_k_norm.weight", to + "self_attn.k_norm.weight", head, map);
  }
}

void Builder::attention(std::int64_t layer) {
  const std::string from = fmt::format("blk.{}.", layer);
  const std::string to = fmt::format("model.layers.{}.self_attn.", layer);
  const std::int64_t hidden = size("hidden_size");
  const std::int64_t dim = size("head_dim");
  const std::int64_t queries = size("num_attention_heads") * dim;
  const std::int64_t keys = size("num_key_value_heads") * dim;
  const bool interleaved = type() == "llama" || type() == "mixtral";
  const RowMap heads{0, interleaved ? dim : 0, false};
  const bool biased = config_.at("attention_bias").get<bool>();
  const bool qkv_biased = biased || type() == "qwen2";
  add(from + "attn_q.weight", to + "q_proj.weight", {queries, hidden}, heads);
  bias(from + "attn_q.bias", to + "q_proj.bias", queries, heads, qkv_biased);
  add(from + "attn_k.weight", to + "k_proj.weight", {keys, hidden}, heads);
  bias(from + "attn_k.bias", to + "k_proj.bias", keys, heads, qkv_biased);
  add(from + "attn_v.weight", to + "v_proj.weight", {keys, hidden});
  bias(from + "attn_v.bias", to + "v_proj.bias", keys, {}, qkv_biased);
  add(from + "attn_output.weight", to + "o_proj.weight", {hidden, queries});
  bias(from + "attn_output.bias", to + "o_proj.bias", hidden, {}, biased);
}

void Builder::dense(const std::string& from, const std::string& to) {
  const std::int64_t hidden = size("hidden_size");
  const std::int64_t wide = size("intermediate_size");
  const bool biased = config_.value("mlp_bias", false);
  add(from + "ffn_gate.weight", to + "mlp.gate_proj.weight", {wide, hidden});
  bias(from + "ffn_gate.bias", to + "mlp.gate_proj.bias", wide, {}, biased);
  add(from + "ffn_up.weight", to + "mlp.up_proj.weight", {wide, hidden});
  bias(from + "ffn_up.bias", to + "mlp.up_proj.bias", wide, {}, biased);
  add(from + "ffn_down.weight", to + "mlp.down_proj.weight", {hidden, wide});
  bias(from + "ffn_down.bias", to + "mlp.down_proj.bias", hidden, {}, biased);
}

// Each of the file's three tensors holds one matrix of all experts.
void Builder::experts(const std::string& from, const std::string& to) {
  const bool mixtral = type() == "mixtral";
  const std::string block = to + (mixtral ? "block_sparse_moe." : "mlp.");
  const std::int64_t hidden = size("hidden_size");
  const std::int64_t count = size(mixtral ? "num_local_experts" : "num_experts");
  const std::int64_t wide = size(mixtral ? "intermediate_size" : "moe_intermediate_size");
  add(from + "ffn_gate_inp.weight", block + "gate.weight", {count, hidden});
  const GgufTensor& gate = require(from + "ffn_gate_exps.weight", {count, wide, hidden});
  const GgufTensor& up = require(from + "ffn_up_exps.weight", {count, wide, hidden});
  const GgufTensor& down = require(from + "ffn_down_exps.weight", {count, hidden, wide});
  for (std::int64_t e = 0; e < count; ++e) {
    const std::string expert = fmt::format("{}experts.{}.", block, e);
    add_rows(gate, expert + (mixtral ? "w1" : "gate_proj") + ".weight", {wide, hidden}, {e * wide, 0, false});
    add_rows(up, expert + (mixtral ? "w3" : "up_proj") + ".weight", {wide, hidden}, {e * wide, 0, false});
    add_rows(down, expert + (mixtral ? "w2" : "down_proj") + ".weight", {hidden, wide},
             {e * hidden, 0, false});
  }
}

void Builder::refuse_leftovers() const {
  for (const GgufTensor& tensor : gguf_.tensors()) {
    if (used_.count(tensor.name) != 0 || tensor.name == "rope_freqs.weight") continue;
    fail(ErrorKind::unsupported, tensor.name, "a tensor that " + type() + " has", "one that it has not");
  }
}

std::vector<ImageTensor> Builder::build() {
  const std::int64_t hidden = size("hidden_size");
  const std::int64_t vocabulary = size("vocab_size");
  add("token_embd.weight", "model.embed_tokens.weight", {vocabulary, hidden});
  for (std::int64_t layer = 0; layer < size("num_hidden_layers"); ++layer) {
    const std::string from = fmt::format("blk.{}.", layer);
    const std::string to = fmt::format("model.layers.{}.", layer);
    norms(from, to);
    attention(layer);
    if (type() == "mixtral" || type() == "qwen3_moe") {
      experts(from, to);
    } else {
      dense(from, to);
    }
  }
  add("output_norm.weight", "model.norm.weight", {hidden}, {0, 0, type() == "gemma3_text"});
  if (!config_.at("tie_word_embeddings").get<bool>())
    add("output.weight", "lm_head.weight", {vocabulary, hidden});
  refuse_leftovers();
  return std::move(out_);
}

}  // namespace

std::vector<ImageTensor> gguf_tensors(const GgufFile& gguf, const json& config) {
  return Builder(gguf, config).build();
}

}  // namespace moe

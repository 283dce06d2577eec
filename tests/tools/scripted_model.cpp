#include "tests/tools/scripted_model.h"

#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/tools/broken_inputs.h"

namespace moe::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kWidth = 448;  // of the vocabulary, and of the hidden state: one number a token
constexpr int kHeads = 4, kHead = kWidth / kHeads, kMlp = 16;

json base_vocabulary() {
  json vocab = {{"\n", 0}};
  for (char c = ' '; c <= '~'; ++c) vocab[std::string(1, c)] = int(vocab.size());
  for (int b = 0; b < 256; ++b) vocab[fmt::format("<0x{:02X}>", b)] = int(vocab.size());
  return vocab;
}

// Adds the script's other tokens behind the vocabulary; returns the id of each token of the script.
std::vector<int> write_tokenizer(const fs::path& file, const std::vector<std::string>& script) {
  const json vocab = base_vocabulary();
  json added = json::array();
  std::vector<int> ids;
  for (const std::string& token : script) {
    if (vocab.contains(token)) {
      ids.push_back(vocab[token]);
      continue;
    }
    ids.push_back(int(vocab.size() + added.size()));
    added.push_back({{"id", ids.back()},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", token.starts_with("<|")}});
  }
  if (vocab.size() + added.size() > kWidth) throw std::logic_error("too many tokens");
  const json decoder = {{"type", "Sequence"}, {"decoders", {{{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}};
  write_text(
      file,
      json{{"added_tokens", added},
           {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", json::array()}, {"byte_fallback", true}}},
           {"decoder", decoder}}
          .dump());
  return ids;
}

// Token t is the unit vector e_t all the way up, and the head's row of what follows t is e_t.
void write_weights(const fs::path& file, const std::vector<int>& script) {
  json header;
  std::string data;
  const auto add = [&](const std::string& name, std::vector<int> shape, const auto& value_at) {
    const std::size_t begin = data.size();
    const int columns = shape.back(), rows = shape.size() == 2 ? shape[0] : 1;
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < columns; ++c) {
        const float value = value_at(r, c);
        data.append(reinterpret_cast<const char*>(&value), sizeof value);
      }
    }
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, data.size()}}};
  };
  const auto zero = [](int, int) { return 0.0F; };
  const auto one = [](int, int) { return 1.0F; };
  const std::string layer = "model.layers.0.";
  add("model.embed_tokens.weight", {kWidth, kWidth}, [](int r, int c) { return r == c ? 1.0F : 0.0F; });
  add(layer + "input_layernorm.weight", {kWidth}, one);
  add(layer + "self_attn.q_proj.weight", {kWidth, kWidth}, zero);
  add(layer + "self_attn.k_proj.weight", {kHead, kWidth}, zero);
  add(layer + "self_attn.v_proj.weight", {kHead, kWidth}, zero);
  add(layer + "self_attn.o_proj.weight", {kWidth, kWidth}, zero);
  add(layer + "post_attention_layernorm.weight", {kWidth}, one);
  add(layer + "mlp.gate_proj.weight", {kMlp, kWidth}, zero);
  add(layer + "mlp.up_proj.weight", {kMlp, kWidth}, zero);
  add(layer + "mlp.down_proj.weight", {kWidth, kMlp}, zero);
  add("model.norm.weight", {kWidth}, one);
  add("lm_head.weight", {kWidth, kWidth}, [&](int r, int c) {
    for (std::size_t i = 0; i + 1 < script.size(); ++i) {
      if (script[i] == c && script[i + 1] == r) return 1.0F;
    }
    return 0.0F;
  });
  const std::string text = header.dump();
  const std::uint64_t size = text.size();
  write_text(file, std::string(reinterpret_cast<const char*>(&size), sizeof size) + text + data);
}

}  // namespace

void write_scripted_model(const fs::path& folder, const std::vector<std::string>& script) {
  fs::create_directories(folder);
  const std::vector<int> ids = write_tokenizer(folder / "tokenizer.json", script);
  write_weights(folder / "model.safetensors", ids);
  write_text(folder / "config.json", json{{"model_type", "llama"},
                                          {"vocab_size", kWidth},
                                          {"hidden_size", kWidth},
                                          {"intermediate_size", kMlp},
                                          {"num_hidden_layers", 1},
                                          {"num_attention_heads", kHeads},
                                          {"num_key_value_heads", 1},
                                          {"max_position_embeddings", 4096},
                                          {"rms_norm_eps", 1e-5},
                                          {"rope_theta", 10000.0},
                                          {"hidden_act", "silu"},
                                          {"tie_word_embeddings", false},
                                          {"eos_token_id", ids.back()}}
                                         .dump());
}

}  // namespace moe::test

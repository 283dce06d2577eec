// llama2.c tokenizers, and a checkpoint with its tokenizer as one model.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "engine/base/mapped_file.h"
#include "engine/convert/llama2c.h"

namespace moe {
namespace {

namespace fs = std::filesystem;

constexpr std::int32_t kLongestToken = 1 << 16;

// The exporter shows BOS and EOS with line breaks around, and every space mark as a space.
std::string original_spelling(std::string text, std::size_t id) {
  if (id == 1 && text == "\n<s>\n") return "<s>";
  if (id == 2 && text == "\n</s>\n") return "</s>";
  std::string out;
  for (const char c : text) {
    if (c == ' ') {
      out += "\u2581";
    } else {
      out += c;
    }
  }
  return out;
}

bool is_byte_token(const std::string& text) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return text.size() == 6 && text.rfind("<0x", 0) == 0 && hex(text[3]) && hex(text[4]) && text[5] == '>';
}

// The one file beside the model that is a tokenizer of so many tokens.
fs::path find_tokenizer(const fs::path& model, std::int64_t count) {
  fs::path directory = model.parent_path();
  if (directory.empty()) directory = ".";
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    std::error_code ignored;
    // Tokenizers are small; this keeps other checkpoints in the directory from being read.
    if (entry.path().extension() != ".bin" || entry.path().filename() == model.filename() ||
        !entry.is_regular_file(ignored) || entry.file_size(ignored) > (std::uintmax_t{1} << 26)) {
      continue;
    }
    try {
      const MappedFile file = MappedFile::open(entry.path());
      read_llama2c_tokenizer(file.bytes(), entry.path().string(), count);
      found.push_back(entry.path());
    } catch (const Error&) {
      continue;  // another kind of file, or a tokenizer of another size
    }
  }
  std::sort(found.begin(), found.end());
  if (found.size() != 1) {
    throw Error(ErrorKind::config,
                Fault{model.string(), "tokenizer",
                      fmt::format("one .bin file beside it that holds {} tokens, or --tokenizer FILE", count),
                      found.empty() ? "none" : fmt::format("{} of them", found.size())});
  }
  return found[0];
}

}  // namespace

Vocabulary read_llama2c_tokenizer(std::span<const std::byte> bytes, const std::string& file,
                                  std::int64_t count) {
  std::size_t at = 4;
  const auto fail = [&](std::string thing, std::string expected, std::string found) {
    throw Error(ErrorKind::format, Fault{file, std::move(thing), std::move(expected), std::move(found)});
  };
  // The longest token's length, and at least a score and a length for each token.
  if (count <= 0 || bytes.size() < 4 || static_cast<std::uint64_t>(count) > (bytes.size() - 4) / 8) {
    fail("tokenizer", fmt::format("{} tokens", count), fmt::format("a file of {} bytes", bytes.size()));
  }
  Vocabulary out;
  out.source = file;
  out.family = VocabularyFamily::sentencepiece;
  for (std::int64_t id = 0; id < count; ++id) {
    const std::string thing = fmt::format("token {}", id);
    if (bytes.size() - at < 8) fail(thing, fmt::format("{} tokens", count), "the end of the file");
    float score = 0;
    std::int32_t length = 0;
    std::memcpy(&score, bytes.data() + at, 4);
    std::memcpy(&length, bytes.data() + at + 4, 4);
    at += 8;
    if (length < 0 || length > kLongestToken)
      fail(thing, fmt::format("a length from 0 to {}", kLongestToken), std::to_string(length));
    if (static_cast<std::size_t>(length) > bytes.size() - at)
      fail(thing, fmt::format("{} bytes", length), "the end of the file");
    std::string text(reinterpret_cast<const char*>(bytes.data()) + at, static_cast<std::size_t>(length));
    at += static_cast<std::size_t>(length);
    text = original_spelling(std::move(text), static_cast<std::size_t>(id));
    TokenKind kind = TokenKind::normal;
    if (id == 0) kind = TokenKind::unknown;
    if (id == 1 || id == 2) kind = TokenKind::control;
    if (is_byte_token(text)) kind = TokenKind::byte;
    out.tokens.push_back(std::move(text));
    out.scores.push_back(score);
    out.kinds.push_back(kind);
  }
  if (at != bytes.size())
    fail("tokenizer", fmt::format("an end after {} tokens", count),
         fmt::format("{} more bytes", bytes.size() - at));
  if (count < 3)
    fail("tokenizer", "at least the tokens <unk>, <s> and </s>", fmt::format("{} tokens", count));
  out.unk = 0;
  out.bos = 1;
  out.eos = 2;
  // The training data parts stories by BOS, and so llama2.c stops there.
  out.more_eos = {1};
  out.add_bos = true;
  out.add_space_prefix = true;
  return out;
}

ModelImage read_llama2c_model(const fs::path& path, const std::optional<fs::path>& tokenizer) {
  const auto mapped = std::make_shared<MappedFile>(MappedFile::open(path));
  const Llama2cHeader header = read_llama2c_header(mapped->bytes(), path.string());
  const fs::path tokenizer_path = tokenizer ? *tokenizer : find_tokenizer(path, header.vocabulary);
  const MappedFile tokenizer_file = MappedFile::open(tokenizer_path);
  Vocabulary vocabulary =
      read_llama2c_tokenizer(tokenizer_file.bytes(), tokenizer_path.string(), header.vocabulary);
  vocabulary.context = header.context;
  ModelImage image;
  image.source = path.string();
  image.tensors = llama2c_tensors(mapped->bytes(), header);
  image.files = tokenizer_files(vocabulary);
  image.owner = mapped;
  // llama2.c fixes the epsilon and the rotation's base in its code.
  const nlohmann::json config = {{"architectures", {"LlamaForCausalLM"}},
                                 {"model_type", "llama"},
                                 {"attention_bias", false},
                                 {"attention_dropout", 0.0},
                                 {"bos_token_id", 1},
                                 {"eos_token_id", 2},
                                 {"head_dim", header.hidden / header.heads},
                                 {"hidden_act", "silu"},
                                 {"hidden_size", header.hidden},
                                 {"initializer_range", 0.02},
                                 {"intermediate_size", header.intermediate},
                                 {"max_position_embeddings", header.context},
                                 {"mlp_bias", false},
                                 {"num_attention_heads", header.heads},
                                 {"num_hidden_layers", header.layers},
                                 {"num_key_value_heads", header.kv_heads},
                                 {"rms_norm_eps", 1e-5},
                                 {"rope_scaling", nullptr},
                                 {"rope_theta", 10000.0},
                                 {"tie_word_embeddings", header.tied},
                                 {"torch_dtype", "float32"},
                                 {"use_cache", true},
                                 {"vocab_size", header.vocabulary}};
  image.files["config.json"] = config.dump(2) + "\n";
  return image;
}

}  // namespace moe

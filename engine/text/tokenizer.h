// Text to token ids and back, as a checkpoint's tokenizer.json says.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace moe {

struct TokenizerParts;

// Immutable after load(); any number of threads may use one object.
//
// encode() and decode() give what the `tokenizers` library's Tokenizer gives for the same tokenizer.json, but
// never truncate or pad. The two files beside it name special tokens; Config says what else is heeded in
// them.
class Tokenizer {
 public:
  enum class Config {
    // As transformers 5: tokens that tokenizer_config.json or special_tokens_map.json name and tokenizer.json
    // lacks
    // are added. Its post-processor says what stands around a text: where there is a tokenizer.json,
    // transformers 5
    // does not heed add_bos_token and add_eos_token.
    apply,
    // As apply, but add_bos_token and add_eos_token rebuild the post-processor, as transformers 4 did for the
    // classes of Llama, Gemma and Cohere.
    apply_flags,
    // As the `tokenizers` library, which knows tokenizer.json alone. Special tokens are still named.
    ignore,
  };

  // `model` is a directory, or a tokenizer.json itself. tokenizer_config.json and special_tokens_map.json
  // beside it may be absent. Throws Error naming the file: io, format, unsupported, limit.
  static std::shared_ptr<const Tokenizer> load(const std::filesystem::path& model,
                                               Config config = Config::apply);
  // From the text of a tokenizer.json, and of the other two files (empty: absent). `file` is for messages.
  static std::shared_ptr<const Tokenizer> parse(std::string_view tokenizer_json, std::string_view file,
                                                Config config = Config::apply,
                                                std::string_view tokenizer_config_json = {},
                                                std::string_view special_tokens_map_json = {});
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Added tokens that stand in the text are parsed either way; add_special_tokens says whether the
  // post-processor puts its own around the text. A rendered template is encoded with false, so that no second
  // BOS appears. Invalid UTF-8 becomes U+FFFD as Python's errors="replace" does. Throws Error: config (an
  // unknown character and no unknown token), limit (a pattern that backtracks too much).
  std::vector<std::int32_t> encode(std::string_view text, bool add_special_tokens = true) const;

  // Ids that do not exist are passed over. Without a decoder in the file, tokens are joined with spaces.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = false) const;
  // True when transformers would run clean_up_spaces() (engine/text/decoder.h) on decoded text: the config
  // asks for it and the model is not BPE, for which transformers 5 ignores the wish.
  bool wants_clean_up() const noexcept;

  // The token's string as the file spells it; empty where there is none.
  std::string piece(std::int32_t id) const;
  std::optional<std::int32_t> id(std::string_view token) const;
  // One past the largest id. A model's logits may be wider; neither those ids nor holes are defined.
  std::size_t vocab_size() const noexcept;
  // Distinct tokens, as the library counts them.
  std::size_t token_count() const noexcept;
  // False for ids that no token has: they must never be sampled.
  bool is_defined(std::int32_t id) const noexcept;
  // True for added tokens marked special: skip_special_tokens leaves them out.
  bool is_special(std::int32_t id) const noexcept;

  // From tokenizer_config.json, then special_tokens_map.json. Empty and nullopt where none is named; an id is
  // nullopt too when the vocabulary has no such token.
  const std::string& bos_token() const noexcept;
  const std::string& eos_token() const noexcept;
  const std::string& pad_token() const noexcept;
  const std::string& unk_token() const noexcept;
  std::optional<std::int32_t> bos_id() const noexcept;
  std::optional<std::int32_t> eos_id() const noexcept;
  std::optional<std::int32_t> pad_id() const noexcept;
  std::optional<std::int32_t> unk_id() const noexcept;
  // The wishes of tokenizer_config.json, nullopt where it says nothing; see Config for when they are heeded.
  std::optional<bool> add_bos_token() const noexcept;
  std::optional<bool> add_eos_token() const noexcept;

 private:
  friend class StreamDecoder;
  explicit Tokenizer(std::unique_ptr<const TokenizerParts> parts);
  std::unique_ptr<const TokenizerParts> parts_;
};

// Decodes ids as they come. What push() returns is whole characters, and the pieces together with finish()
// are exactly decode() of all ids. Text that later tokens could still change is held back. One thread at a
// time.
class StreamDecoder {
 public:
  explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special_tokens = false);
  ~StreamDecoder();
  StreamDecoder(StreamDecoder&&) noexcept;
  StreamDecoder& operator=(StreamDecoder&&) noexcept;

  std::string push(std::int32_t id);
  // The rest; the decoder then starts afresh.
  std::string finish();

 private:
  struct State;
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skip_special_;
  std::unique_ptr<State> state_;
};

}  // namespace moe

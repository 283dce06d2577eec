// Text to token ids and back, as a checkpoint's tokenizer.json says.
#include "engine/text/tokenizer.h"

#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/base/utf8.h"
#include "engine/text/decoder.h"
#include "engine/text/tokenizer_parts.h"

namespace moe {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t max_tokenizer_bytes = std::size_t{256} << 20;
constexpr std::size_t max_config_bytes = std::size_t{64} << 20;

// transformers 4 rebuilt the post-processor of these from the flags, and added a BOS where nothing was said.
bool rebuilds(std::string_view tokenizer_class) {
  for (const std::string_view family : {"Llama", "CodeLlama", "Gemma", "Cohere"})
    if (tokenizer_class.substr(0, family.size()) == family) return true;
  return false;
}

void apply_flags(TokenizerParts& parts) {
  if (!rebuilds(parts.tokenizer_class)) return;
  const bool bos = parts.add_bos.value_or(true), eos = parts.add_eos.value_or(false);
  parts.post_processor =
      PostProcessor::around(bos ? parts.bos.id : std::nullopt, eos ? parts.eos.id : std::nullopt);
}

// Encodes words as they come from the pre-tokenizer.
class ModelSink final : public PreTokenizer::Sink {
 public:
  ModelSink(const TokenizerParts& parts, std::vector<std::int32_t>& out)
      : out_(out), bpe_(nullptr), parts_(parts), bytes_(parts.bytes) {
    if (const auto* bpe = std::get_if<std::shared_ptr<const Bpe>>(&parts.model)) bpe_ = bpe->get();
  }
  void word(const Piece& piece) override {
    if (bytes_)
      bpe_->encode_bytes(piece.text, out_);
    else if (bpe_)
      bpe_->encode(piece.text, out_);
    else
      std::visit([&](const auto& model) { model->encode(piece.text, out_); }, parts_.model);
  }

 private:
  std::vector<std::int32_t>& out_;
  const Bpe* bpe_;
  const TokenizerParts& parts_;
  bool bytes_;
};

// Text between added tokens that match as they stand: normalized, then cut at those that match afterwards.
void encode_text(const TokenizerParts& parts, const Piece& piece, ModelSink& sink,
                 std::vector<std::int32_t>& ids) {
  std::string changed;
  Piece normalized = piece;
  if (!parts.normalizer.empty() && !parts.normalizer.surely_inert(piece.text)) {
    changed = piece.text;
    parts.normalizer.apply(changed, normalized.zero);
    normalized.text = changed;
  }
  if (!parts.added.has_any(true)) return parts.pre_tokenizer.run(normalized, sink);
  parts.added.split(normalized.text, true, [&](const AddedTokens::Found& found) {
    if (found.id >= 0)
      ids.push_back(found.id);
    else
      parts.pre_tokenizer.run(normalized.slice(found.begin, found.end), sink);
  });
}

}  // namespace

bool TokenizerParts::token_text(std::int32_t id, std::string_view& text) const {
  if (added.token(id)) {
    text = added.decoded(id);
    return true;
  }
  const Vocab& vocab = vocab_of(model);
  if (!vocab.has(id)) return false;
  text = vocab.token(id);
  return true;
}

Tokenizer::Tokenizer(std::unique_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

std::shared_ptr<const Tokenizer> Tokenizer::load(const fs::path& model, Config config) {
  std::error_code ignored;
  const bool is_directory = fs::is_directory(model, ignored);
  const fs::path file = is_directory ? model / "tokenizer.json" : model;
  const std::string json = read_file(file, max_tokenizer_bytes);
  const auto beside = [&](const char* name) {
    const fs::path path = file.parent_path() / name;
    return is_present(path) ? read_file(path, max_config_bytes) : std::string();
  };
  return parse(json, file.string(), config, beside("tokenizer_config.json"),
               beside("special_tokens_map.json"));
}

std::shared_ptr<const Tokenizer> Tokenizer::parse(std::string_view tokenizer_json, std::string_view file,
                                                  Config config, std::string_view tokenizer_config_json,
                                                  std::string_view special_tokens_map_json) {
  auto parts = std::make_unique<TokenizerParts>();
  read_tokenizer_json(tokenizer_json, file, *parts);
  const auto beside = [&](const char* name) { return (fs::path(file).parent_path() / name).string(); };
  read_tokenizer_config(tokenizer_config_json, beside("tokenizer_config.json"), special_tokens_map_json,
                        beside("special_tokens_map.json"), config != Config::ignore, *parts);
  if (config == Config::apply_flags) apply_flags(*parts);
  parts->added.build(parts->normalizer, file);
  const auto* bpe = std::get_if<std::shared_ptr<const Bpe>>(&parts->model);
  if (bpe && (*bpe)->takes_bytes() && parts->pre_tokenizer.ends_in_bytes()) {
    parts->pre_tokenizer.leave_bytes();
    parts->bytes = true;
  }
  return std::shared_ptr<const Tokenizer>(new Tokenizer(std::move(parts)));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  std::string repaired;
  if (utf8::valid_prefix(text) != text.size()) {
    repaired = utf8::replace_invalid(text);
    text = repaired;
  }
  std::vector<std::int32_t> ids;
  ids.reserve(text.size() / 4 + 8);
  ModelSink sink(*parts_, ids);
  const Piece whole{text, text.empty() ? 0 : utf8::length_from_lead(static_cast<unsigned char>(text[0]))};
  if (!parts_->added.has_any(false)) {
    encode_text(*parts_, whole, sink, ids);
  } else {
    parts_->added.split(text, false, [&](const AddedTokens::Found& found) {
      if (found.id >= 0)
        ids.push_back(found.id);
      else
        encode_text(*parts_, whole.slice(found.begin, found.end), sink, ids);
    });
  }
  return parts_->post_processor.apply(std::move(ids), add_special_tokens);
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  Decoder::State state = parts_->decoder.start();
  std::string out;
  for (const std::int32_t id : ids) {
    std::string_view text;
    if (!parts_->token_text(id, text)) continue;
    if (skip_special_tokens && parts_->added.is_special_text(text)) continue;
    parts_->decoder.push(state, text, out);
  }
  parts_->decoder.finish(state, out);
  return out;
}

bool Tokenizer::wants_clean_up() const noexcept { return parts_->clean_up; }

std::string Tokenizer::piece(std::int32_t id) const {
  if (const AddedToken* token = parts_->added.token(id)) return token->content;
  return std::string(vocab_of(parts_->model).token(id));
}

std::optional<std::int32_t> Tokenizer::id(std::string_view token) const {
  std::int32_t id = parts_->added.find(token);
  if (id < 0) id = vocab_of(parts_->model).find(token);
  return id < 0 ? std::nullopt : std::optional(id);
}

std::size_t Tokenizer::vocab_size() const noexcept {
  return std::max(vocab_of(parts_->model).id_end(), static_cast<std::size_t>(parts_->added.id_end()));
}

std::size_t Tokenizer::token_count() const noexcept {
  return vocab_of(parts_->model).size() + parts_->added.count_beyond(vocab_of(parts_->model));
}

bool Tokenizer::is_defined(std::int32_t id) const noexcept {
  return vocab_of(parts_->model).has(id) || parts_->added.token(id) != nullptr;
}

bool Tokenizer::is_special(std::int32_t id) const noexcept {
  const AddedToken* token = parts_->added.token(id);
  return token && token->special;
}

const std::string& Tokenizer::bos_token() const noexcept { return parts_->bos.text; }
const std::string& Tokenizer::eos_token() const noexcept { return parts_->eos.text; }
const std::string& Tokenizer::pad_token() const noexcept { return parts_->pad.text; }
const std::string& Tokenizer::unk_token() const noexcept { return parts_->unk.text; }
std::optional<std::int32_t> Tokenizer::bos_id() const noexcept { return parts_->bos.id; }
std::optional<std::int32_t> Tokenizer::eos_id() const noexcept { return parts_->eos.id; }
std::optional<std::int32_t> Tokenizer::pad_id() const noexcept { return parts_->pad.id; }
std::optional<std::int32_t> Tokenizer::unk_id() const noexcept { return parts_->unk.id; }
std::optional<bool> Tokenizer::add_bos_token() const noexcept { return parts_->add_bos; }
std::optional<bool> Tokenizer::add_eos_token() const noexcept { return parts_->add_eos; }

struct StreamDecoder::State {
  Decoder::State decoder;
};

StreamDecoder::StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special_tokens)
    : tokenizer_(std::move(tokenizer)),
      skip_special_(skip_special_tokens),
      state_(new State{tokenizer_->parts_->decoder.start()}) {}
StreamDecoder::~StreamDecoder() = default;
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder& StreamDecoder::operator=(StreamDecoder&&) noexcept = default;

std::string StreamDecoder::push(std::int32_t id) {
  const TokenizerParts& parts = *tokenizer_->parts_;
  std::string out;
  std::string_view text;
  if (!parts.token_text(id, text) || (skip_special_ && parts.added.is_special_text(text))) return out;
  parts.decoder.push(state_->decoder, text, out);
  return out;
}

std::string StreamDecoder::finish() {
  const Decoder& decoder = tokenizer_->parts_->decoder;
  std::string out;
  decoder.finish(state_->decoder, out);
  state_->decoder = decoder.start();
  return out;
}

}  // namespace moe

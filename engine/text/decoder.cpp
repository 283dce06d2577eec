// Decoders of tokenizer.json: token strings back to text, one by one or all at once.
#include "engine/text/decoder.h"

#include <utility>

#include "engine/base/utf8.h"
#include "engine/text/byte_level.h"
#include "engine/text/json_fields.h"

namespace moe {
namespace {

namespace jf = json_fields;
constexpr std::size_t max_steps = 100;  // each is a level of calls
constexpr std::string_view bad_character = "\xef\xbf\xbd";

// Every `from` becomes `to`; an empty `from` stands before each character and at the end, as in Rust.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  if (from.empty()) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      utf8::next(text, at);
      out += to;
      out += text.substr(start, at - start);
    }
    return out += to;
  }
  std::size_t done = 0;
  for (std::size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, done)) {
    out += text.substr(done, at - done);
    out += to;
    done = at + from.size();
  }
  return out += text.substr(done);
}

// The clean-up of WordPiece and CTC.
std::string clean_word(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> pairs[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : pairs)
    if (text.find(from) != std::string::npos) text = replace_all(text, from, to);
  return text;
}

// <0xHH>, or -1. One sign is let pass before a digit, as Rust's number reader does.
int fallback_byte(std::string_view token) {
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return -1;
  int value = 0, digits = 0;
  for (int i = 3; i < 5; ++i) {
    const char c = token[static_cast<std::size_t>(i)];
    if (i == 3 && c == '+') continue;
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
    ++digits;
  }
  return digits ? value : -1;
}

}  // namespace

std::string clean_up_spaces(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> pairs[] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
      {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : pairs) text = replace_all(text, from, to);
  return text;
}

Decoder::Decoder(const nlohmann::json& json, std::string_view file) {
  if (json.is_null()) return;
  present_ = true;
  jf::each_step(json, "decoders", file, "decoder", steps_, max_steps,
                [&](const nlohmann::json& step, const std::string& type) { add(step, type, file); });
  plan();
}

void Decoder::add(const nlohmann::json& json, const std::string& type, std::string_view file) {
  const std::string thing = "decoder";
  if (type == "ByteLevel") {
    steps_.push_back({ByteLevel{}});
  } else if (type == "ByteFallback") {
    steps_.push_back({ByteFallback{}});
  } else if (type == "Fuse") {
    steps_.push_back({Fuse{}});
  } else if (type == "Metaspace") {
    const bool never = json.contains("prepend_scheme")
                           ? jf::text(json, "prepend_scheme", file, thing) == "never"
                           : !jf::flag(json, "add_prefix_space", true, file, thing);
    steps_.push_back({Metaspace{jf::text(json, "replacement", file, thing), !never}});
  } else if (type == "Strip") {
    steps_.push_back({Strip{jf::text(json, "content", file, thing), jf::whole(json, "start", file, thing),
                            jf::whole(json, "stop", file, thing)}});
  } else if (type == "Replace") {
    const auto& pattern = jf::need(json, "pattern", file, thing);
    const std::string& content = jf::text(json, "content", file, thing);
    if (pattern.is_object() && pattern.contains("String")) {
      const std::string& text = jf::text(pattern, "String", file, thing + ".pattern");
      steps_.push_back({Replace{Regex::literal(text, file, thing + ".pattern"), text, content}});
    } else {
      const std::string& regex = jf::text(pattern, "Regex", file, thing + ".pattern");
      steps_.push_back({Replace{Regex(regex, file, thing + ".pattern"), "", content}});
    }
  } else if (type == "WordPiece") {
    steps_.push_back(
        {WordPiece{jf::text(json, "prefix", file, thing), jf::flag(json, "cleanup", file, thing)}});
  } else if (type == "BPEDecoder") {
    steps_.push_back({Bpe{jf::text(json, "suffix", file, thing)}});
  } else if (type == "CTC") {
    steps_.push_back(
        {Ctc{jf::text(json, "pad_token", file, thing), jf::text(json, "word_delimiter_token", file, thing),
             jf::flag(json, "cleanup", file, thing)}});
  } else {
    jf::unknown_type(
        file, thing,
        "Sequence, ByteLevel, ByteFallback, Fuse, Metaspace, Strip, Replace, WordPiece, BPEDecoder or CTC",
        type);
  }
}

// After a step that fuses, the rest see one text. It can be passed on in parts as long as they only strip its
// start.
void Decoder::plan() {
  bool fused = false;
  for (Step& step : steps_) {
    step.fused = fused;
    fused |= std::holds_alternative<ByteLevel>(step.kind) || std::holds_alternative<Fuse>(step.kind);
  }
  bool streams = true;
  for (std::size_t i = steps_.size(); i-- > 0;) {
    Step& step = steps_[i];
    step.streams = streams;
    const auto* strip = std::get_if<Strip>(&step.kind);
    const bool parts_do = std::holds_alternative<Fuse>(step.kind) || (strip && strip->stop == 0);
    streams = streams && parts_do;
  }
}

Decoder::State Decoder::start() const {
  State state;
  state.steps.resize(steps_.size());
  return state;
}

void Decoder::push(State& state, std::string_view token, std::string& out) const {
  if (!present_ && state.any) out += ' ';
  state.any = true;
  push_from(0, state, token, out);
}

void Decoder::finish(State& state, std::string& out) const { finish_from(0, state, out); }

void Decoder::push_from(std::size_t i, State& state, std::string_view token, std::string& out) const {
  if (i == steps_.size()) {
    out += token;
    return;
  }
  const Step& step = steps_[i];
  StepState& own = state.steps[i];
  const auto pass = [&](std::string_view text) { push_from(i + 1, state, text, out); };

  if (std::holds_alternative<ByteLevel>(step.kind)) {
    std::string bytes;
    own.held += byte_level::unspell(token, bytes) ? std::string_view(bytes) : token;
    if (!step.streams) return;
    // Everything but the start of a character that later tokens may finish.
    std::string whole;
    std::string_view rest = own.held;
    while (!rest.empty()) {
      const std::size_t good = utf8::valid_prefix(rest);
      whole += rest.substr(0, good);
      rest.remove_prefix(good);
      if (rest.empty()) break;
      const auto bad = utf8::bad_sequence(rest);
      if (bad.may_continue) break;
      whole += bad_character;
      rest.remove_prefix(bad.length);
    }
    own.held.erase(0, own.held.size() - rest.size());
    if (!whole.empty()) pass(whole);
  } else if (std::holds_alternative<ByteFallback>(step.kind)) {
    const int byte = fallback_byte(token);
    if (byte >= 0) {
      own.held += static_cast<char>(byte);
      return;
    }
    flush_bytes(i, state, out);
    pass(token);
  } else if (std::holds_alternative<Fuse>(step.kind)) {
    if (step.streams) return pass(token);
    own.held += token;
  } else if (const auto* metaspace = std::get_if<Metaspace>(&step.kind)) {
    const bool first = own.count++ == 0;
    pass(replace_all(token, metaspace->replacement, first && metaspace->drop_first ? "" : " "));
  } else if (const auto* strip = std::get_if<Strip>(&step.kind)) {
    std::size_t begin = 0, end = token.size(), cut = step.fused && step.streams ? own.count : 0;
    while (!own.done && cut < strip->start && begin < end && !strip->content.empty()) {
      if (token.substr(begin, strip->content.size()) != strip->content) {
        own.done = step.fused && step.streams;
        break;
      }
      begin += strip->content.size();
      ++cut;
    }
    if (step.fused && step.streams) own.count = cut;
    for (std::size_t n = 0;
         n < strip->stop && end >= begin + strip->content.size() && !strip->content.empty(); ++n) {
      if (token.substr(end - strip->content.size(), strip->content.size()) != strip->content) break;
      end -= strip->content.size();
    }
    pass(token.substr(begin, end - begin));
  } else if (const auto* replace = std::get_if<Replace>(&step.kind)) {
    if (!replace->literal.empty()) return pass(replace_all(token, replace->literal, replace->content));
    std::string text;
    std::size_t done = 0;
    if (!token.empty()) {
      Regex::Matches matches(replace->regex, token);
      for (std::size_t begin, end; matches.next(begin, end); done = end) {
        text += token.substr(done, begin - done);
        text += replace->content;
      }
    }
    pass(text += token.substr(done));
  } else if (const auto* piece = std::get_if<WordPiece>(&step.kind)) {
    std::string text;
    if (own.count++ == 0)
      text = token;
    else if (token.substr(0, piece->prefix.size()) == piece->prefix)
      text = token.substr(piece->prefix.size());
    else
      text.append(" ").append(token);
    pass(piece->cleanup ? clean_word(std::move(text)) : text);
  } else if (const auto* bpe = std::get_if<Bpe>(&step.kind)) {
    const std::string before = std::move(own.held);
    const bool any = own.held_any;
    own.held = token;
    own.held_any = true;
    if (any) pass(replace_all(before, bpe->suffix, " "));
  } else if (const auto* ctc = std::get_if<Ctc>(&step.kind)) {
    if (own.held_any && own.held == token) return;
    own.held = token;
    own.held_any = true;
    std::string text = replace_all(token, ctc->pad, "");
    if (ctc->cleanup) text = replace_all(clean_word(std::move(text)), ctc->delimiter, " ");
    if (!text.empty()) pass(text);
  }
}

// A run of byte tokens is one string, or as many bad characters as bytes when it is not UTF-8 as a whole.
void Decoder::flush_bytes(std::size_t i, State& state, std::string& out) const {
  const std::string bytes = std::exchange(state.steps[i].held, {});
  if (bytes.empty()) return;
  if (utf8::valid_prefix(bytes) == bytes.size()) return push_from(i + 1, state, bytes, out);
  for (std::size_t n = 0; n < bytes.size(); ++n) push_from(i + 1, state, bad_character, out);
}

void Decoder::finish_from(std::size_t i, State& state, std::string& out) const {
  if (i == steps_.size()) return;
  const Step& step = steps_[i];
  StepState& own = state.steps[i];
  const auto pass = [&](std::string_view text) { push_from(i + 1, state, text, out); };
  if (std::holds_alternative<ByteLevel>(step.kind)) {
    const std::string rest = utf8::replace_invalid(std::exchange(own.held, {}));
    if (!rest.empty() || !step.streams) pass(rest);
  } else if (std::holds_alternative<ByteFallback>(step.kind)) {
    flush_bytes(i, state, out);
  } else if (std::holds_alternative<Fuse>(step.kind)) {
    if (!step.streams) pass(std::exchange(own.held, {}));
  } else if (const auto* bpe = std::get_if<Bpe>(&step.kind)) {
    if (own.held_any) pass(replace_all(std::exchange(own.held, {}), bpe->suffix, ""));
    own.held_any = false;
  }
  finish_from(i + 1, state, out);
}

}  // namespace moe

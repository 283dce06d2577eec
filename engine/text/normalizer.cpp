// Normalizers of tokenizer.json: reading them, and the plain ones.
#include "engine/text/normalizer.h"

#include <algorithm>

#include "engine/base/utf8.h"
#include "engine/text/byte_level.h"
#include "engine/text/json_fields.h"

namespace moe {
namespace {

namespace jf = json_fields;
constexpr std::size_t max_steps = 100;
// A text may grow this much in normalization before it is refused: patterns that match nothing and insert
// much.
constexpr std::size_t max_growth = 64;

// Where each byte range of the old text went, as far as the start of the input is concerned.
class Rewriter {
 public:
  Rewriter(const std::string& old, std::size_t zero) : old_(old), old_zero_(zero) {
    out_.reserve(old.size() + 16);
  }

  // Text that takes the place of the old bytes at `from`.
  void replace(std::size_t from, char32_t c) {
    const std::size_t before = out_.size();
    utf8::append(out_, c);
    note(before, from < old_zero_);
  }
  // Text that is put in after the old byte `from - 1`.
  void insert(std::size_t from, std::string_view text) {
    const std::size_t before = out_.size();
    out_ += text;
    note(before, from < 1 || from - 1 < old_zero_);
  }
  void keep(std::size_t begin, std::size_t end) {
    const std::size_t before = out_.size();
    out_.append(old_, begin, end - begin);
    if (zero_ == before && begin < old_zero_) zero_ += std::min(end, old_zero_) - begin;
  }
  std::size_t size() const { return out_.size(); }
  void finish(std::string& text, std::size_t& zero) {
    zero = zero_;
    text = std::move(out_);
  }

 private:
  void note(std::size_t before, bool from_start) {
    if (from_start && zero_ == before) zero_ = out_.size();
  }
  const std::string& old_;
  std::size_t old_zero_;
  std::string out_;
  std::size_t zero_ = 0;
};

template <typename Keep>
void filter(std::string& text, std::size_t& zero, Keep keep) {
  Rewriter out(text, zero);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const char32_t c = utf8::next(text, at);
    if (keep(c)) out.keep(start, at);
  }
  out.finish(text, zero);
}

template <typename Map>
void map(std::string& text, std::size_t& zero, Map change) {
  Rewriter out(text, zero);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    out.replace(start, change(utf8::next(text, at)));
  }
  out.finish(text, zero);
}

bool is_chinese(char32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
         (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

}  // namespace

Normalizer::Normalizer(const nlohmann::json& json, std::string_view file) {
  if (json.is_null()) return;
  jf::each_step(json, "normalizers", file, "normalizer", steps_, max_steps,
                [&](const nlohmann::json& step, const std::string& type) { add(step, type, file); });
}

void Normalizer::add(const nlohmann::json& json, const std::string& type, std::string_view file) {
  const std::string thing = "normalizer";
  if (type == "NFC") {
    steps_.emplace_back(UnicodeForm{unicode::Form::nfc});
  } else if (type == "NFD") {
    steps_.emplace_back(UnicodeForm{unicode::Form::nfd});
  } else if (type == "NFKC") {
    steps_.emplace_back(UnicodeForm{unicode::Form::nfkc});
  } else if (type == "NFKD") {
    steps_.emplace_back(UnicodeForm{unicode::Form::nfkd});
  } else if (type == "Lowercase") {
    steps_.emplace_back(Lowercase{});
  } else if (type == "Strip") {
    steps_.emplace_back(
        Strip{jf::flag(json, "strip_left", file, thing), jf::flag(json, "strip_right", file, thing)});
  } else if (type == "StripAccents") {
    steps_.emplace_back(StripAccents{});
  } else if (type == "Prepend") {
    steps_.emplace_back(Prepend{jf::text(json, "prepend", file, thing)});
  } else if (type == "Replace") {
    const auto& pattern = jf::need(json, "pattern", file, thing);
    const std::string& content = jf::text(json, "content", file, thing);
    if (pattern.is_object() && pattern.contains("String")) {
      const std::string& text = jf::text(pattern, "String", file, thing + ".pattern");
      steps_.emplace_back(Replace{Regex::literal(text, file, thing + ".pattern"), text, content});
    } else {
      const std::string& regex = jf::text(pattern, "Regex", file, thing + ".pattern");
      steps_.emplace_back(Replace{Regex(regex, file, thing + ".pattern"), "", content});
    }
  } else if (type == "Precompiled") {
    steps_.emplace_back(read_charsmap(jf::text(json, "precompiled_charsmap", file, thing), file));
  } else if (type == "ByteLevel") {
    steps_.emplace_back(ByteLevel{});
  } else if (type == "Nmt") {
    steps_.emplace_back(Nmt{});
  } else if (type == "BertNormalizer" || type == "Bert") {
    const bool lowercase = jf::flag(json, "lowercase", true, file, thing);
    steps_.emplace_back(Bert{jf::flag(json, "clean_text", true, file, thing),
                             jf::flag(json, "handle_chinese_chars", true, file, thing),
                             jf::flag(json, "strip_accents", lowercase, file, thing), lowercase});
  } else {
    jf::unknown_type(
        file, thing,
        "Sequence, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Replace, Prepend, Precompiled, "
        "ByteLevel, Nmt or BertNormalizer",
        type);
  }
}

void Normalizer::apply(std::string& text, std::size_t& zero) const {
  const std::size_t limit = (text.size() + 1024) * max_growth;
  for (const Step& step : steps_) {
    std::visit([&](const auto& s) { run(s, text, zero); }, step);
    if (text.size() > limit)
      throw Error(ErrorKind::limit,
                  Fault{"", "normalizer", fmt::format("at most {} bytes of normalized text", limit), "more"});
  }
}

bool Normalizer::surely_inert(std::string_view text) const {
  for (const Step& step : steps_) {
    const auto* form = std::get_if<UnicodeForm>(&step);
    if (!form || !unicode::surely_normalized(text, form->form)) return false;
  }
  return true;
}

void Normalizer::run(const UnicodeForm& step, std::string& text, std::size_t& zero) {
  if (unicode::surely_normalized(text, step.form)) return;
  const bool at_start = zero > 0;
  text = unicode::normalize(text, step.form);
  // The first character stays first; what follows it comes from further on.
  zero = at_start && !text.empty() ? utf8::length_from_lead(static_cast<unsigned char>(text[0])) : 0;
}

void Normalizer::run(const Lowercase&, std::string& text, std::size_t& zero) {
  Rewriter out(text, zero);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    char32_t second;
    out.replace(start, unicode::to_lower(utf8::next(text, at), second));
    if (second) out.insert(at, utf8::encode(second));
  }
  out.finish(text, zero);
}

void Normalizer::run(const Strip& step, std::string& text, std::size_t& zero) {
  std::size_t begin = 0, end = text.size();
  while (step.left && begin < end) {
    std::size_t next = begin;
    if (!unicode::is_white_space(utf8::next(text, next))) break;
    begin = next;
  }
  while (step.right && end > begin) {
    std::size_t previous = end;
    if (!unicode::is_white_space(utf8::previous(text, previous))) break;
    end = previous;
  }
  zero = zero > begin ? std::min(zero, end) - begin : 0;
  text.erase(end);
  text.erase(0, begin);
}

void Normalizer::run(const StripAccents&, std::string& text, std::size_t& zero) {
  const auto* traits = unicode::table();
  filter(text, zero, [traits](char32_t c) { return (traits[c] & unicode::combining_mark) == 0; });
}

void Normalizer::run(const Replace& step, std::string& text, std::size_t& zero) {
  Rewriter out(text, zero);
  std::size_t done = 0;
  const std::size_t limit = (text.size() + 1024) * max_growth;
  const auto replace = [&](std::size_t start, std::size_t end) {
    out.keep(done, start);
    out.insert(end, step.content);
    done = end;
    if (out.size() > limit)
      throw Error(ErrorKind::limit,
                  Fault{"", "normalizer", fmt::format("at most {} bytes of normalized text", limit), "more"});
  };
  if (!step.literal.empty()) {
    for (std::size_t at = text.find(step.literal); at != std::string::npos;
         at = text.find(step.literal, at + step.literal.size()))
      replace(at, at + step.literal.size());
  } else if (!text.empty()) {
    Regex::Matches matches(step.regex, text);
    for (std::size_t start, end; matches.next(start, end);) replace(start, end);
  }
  out.keep(done, text.size());
  out.finish(text, zero);
}

void Normalizer::run(const Prepend& step, std::string& text, std::size_t& zero) {
  if (text.empty() || step.text.empty()) return;
  text.insert(0, step.text);
  if (zero > 0) zero += step.text.size();
}

void Normalizer::run(const ByteLevel&, std::string& text, std::size_t& zero) {
  const std::size_t spelt_zero = byte_level::spell(std::string_view(text).substr(0, zero)).size();
  text = byte_level::spell(text);
  zero = spelt_zero;
}

void Normalizer::run(const Nmt&, std::string& text, std::size_t& zero) {
  filter(text, zero, [](char32_t c) {
    return !((c >= 1 && c <= 8) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f ||
             c == 0x9f);
  });
  map(text, zero, [](char32_t c) {
    const bool space = c == 0x09 || c == 0x0a || c == 0x0c || c == 0x0d || c == 0x1680 ||
                       (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                       c == 0xfeff || c == 0xfffd;
    return space ? U' ' : c;
  });
}

void Normalizer::run(const Bert& step, std::string& text, std::size_t& zero) {
  if (step.clean_text) {
    filter(text, zero, [](char32_t c) { return !unicode::is_bert_control(c); });
    map(text, zero, [](char32_t c) { return unicode::is_white_space(c) ? U' ' : c; });
  }
  if (step.chinese) {
    Rewriter out(text, zero);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      const char32_t c = utf8::next(text, at);
      if (is_chinese(c)) {
        out.replace(start, U' ');
        out.insert(at, utf8::encode(c));
        out.insert(at, " ");
      } else {
        out.keep(start, at);
      }
    }
    out.finish(text, zero);
  }
  if (step.strip_accents) {
    run(UnicodeForm{unicode::Form::nfd}, text, zero);
    filter(text, zero, [](char32_t c) { return !unicode::is_bert_nonspacing(c); });
  }
  if (step.lowercase) run(Lowercase{}, text, zero);
}

}  // namespace moe

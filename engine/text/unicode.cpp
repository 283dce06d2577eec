// What is known of each code point: categories, classes, lower case, normalisation forms, clusters.
#include "engine/text/unicode.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "engine/base/utf8.h"
#include "engine/text/unicode_tables.h"

namespace moe::unicode {
namespace {

namespace tables = unicode_tables;
constexpr char32_t end_of_code_points = 0x110000;
constexpr char32_t hangul_first = 0xac00, hangul_last = 0xd7a3;

struct Table {
  std::vector<Traits> traits = std::vector<Traits>(end_of_code_points, 0);

  void mark(const tables::CodeRange* ranges, std::size_t count, Traits flag) {
    for (std::size_t i = 0; i < count; ++i)
      for (char32_t c = ranges[i].first; c <= ranges[i].last; ++c) traits[c] |= flag;
  }

  Table() {
    for (std::size_t i = 0; i < tables::category_runs_count; ++i) {
      const char32_t first = tables::category_runs[i] >> 8;
      const char32_t end =
          i + 1 < tables::category_runs_count ? tables::category_runs[i + 1] >> 8 : end_of_code_points;
      std::fill(traits.begin() + first, traits.begin() + end,
                static_cast<Traits>(tables::category_runs[i] & 0xff));
    }
    mark(tables::white_space, tables::white_space_count, white_space);
    mark(tables::regex_word_extra, tables::regex_word_extra_count, regex_word_extra);
    mark(tables::rust_word, tables::rust_word_count, rust_word);
    mark(tables::numeric, tables::numeric_count, numeric);
    mark(tables::punctuation, tables::punctuation_count, punctuation);
    mark(tables::combining_mark, tables::combining_mark_count, combining_mark);
    mark(tables::newer, tables::newer_count, newer);
    mark(tables::compatibility_decomposition, tables::compatibility_decomposition_count,
         compatibility_active);
    mark(tables::canonical_decomposition, tables::canonical_decomposition_count,
         canonical_active | canonical_decomposes);
    mark(tables::combining_class, tables::combining_class_count, canonical_active);
    mark_composing();
  }

  template <typename Visit>
  static void each_decomposing(Visit visit) {
    for (std::size_t i = 0; i < tables::canonical_decomposition_count; ++i)
      for (char32_t c = tables::canonical_decomposition[i].first;
           c <= tables::canonical_decomposition[i].last; ++c)
        if (c < hangul_first || c > hangul_last) visit(c);
  }

  void mark_composing() {
    // A character that can end a composed pair is not inert in NFC even where its combining class is 0.
    each_decomposing([&](char32_t c) {
      utf8proc_int32_t parts[32];
      int boundary = 0;
      const auto n =
          utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 32, UTF8PROC_DECOMPOSE, &boundary);
      for (utf8proc_ssize_t k = 1; k < std::min<utf8proc_ssize_t>(n, 32); ++k)
        traits[static_cast<std::size_t>(parts[k])] |= canonical_active;
    });
    for (char32_t c = 0x1161; c <= 0x1175; ++c) traits[c] |= canonical_active;
    for (char32_t c = 0x11a8; c <= 0x11c2; ++c) traits[c] |= canonical_active;
    // What composes back to itself is inert in NFC, as long as its own start is.
    for (char32_t c = hangul_first; c <= hangul_last; ++c)
      traits[c] &= static_cast<Traits>(~canonical_active);
    each_decomposing([&](char32_t c) {
      utf8proc_int32_t parts[32];
      int boundary = 0;
      const auto n =
          utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 32, UTF8PROC_DECOMPOSE, &boundary);
      if (n < 2 || n > 32 || (traits[static_cast<std::size_t>(parts[0])] & canonical_active) != 0) return;
      const auto length = utf8proc_normalize_utf32(
          parts, n, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
      if (length == 1 && parts[0] == static_cast<utf8proc_int32_t>(c))
        traits[c] &= static_cast<Traits>(~canonical_active);
    });
  }
};

bool within(const tables::CodeRange* ranges, std::size_t count, char32_t c) {
  const auto* end = ranges + count;
  const auto* it =
      std::lower_bound(ranges, end, c, [](const auto& range, char32_t x) { return range.last < x; });
  return it != end && it->first <= c;
}

int combining_class(char32_t c) {
  if (c < 0x300 || !within(tables::combining_class, tables::combining_class_count, c)) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

void decompose(char32_t c, bool compatibility, std::vector<char32_t>& out) {
  const Traits traits = table()[c];
  if ((traits & (compatibility ? compatibility_active : canonical_decomposes)) == 0) {
    out.push_back(c);
    return;
  }
  utf8proc_int32_t parts[32];
  int boundary = 0;
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0));
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 32, options, &boundary);
  for (utf8proc_ssize_t i = 0; i < std::min<utf8proc_ssize_t>(n, 32); ++i)
    out.push_back(static_cast<char32_t>(parts[i]));
}

// The canonical ordering of marks: each run of classes other than 0 is sorted, keeping equals in place.
void reorder(std::vector<char32_t>& text, std::vector<int>& classes) {
  classes.resize(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) classes[i] = combining_class(text[i]);
  for (std::size_t i = 0; i < text.size();) {
    if (classes[i] == 0) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && classes[end] != 0) ++end;
    std::vector<std::pair<int, char32_t>> run;
    for (std::size_t k = i; k < end; ++k) run.emplace_back(classes[k], text[k]);
    std::stable_sort(run.begin(), run.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t k = i; k < end; ++k) classes[k] = run[k - i].first, text[k] = run[k - i].second;
    i = end;
  }
}

// The primary composite of a pair, or 0.
char32_t compose_pair(char32_t first, char32_t second) {
  utf8proc_int32_t pair[2] = {static_cast<utf8proc_int32_t>(first), static_cast<utf8proc_int32_t>(second)};
  const auto n =
      utf8proc_normalize_utf32(pair, 2, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  if (n != 1) return 0;
  const auto composite = static_cast<char32_t>(pair[0]);
  return (table()[composite] & canonical_decomposes) != 0 ? composite : 0;
}

void compose(std::vector<char32_t>& text, std::vector<int>& classes) {
  std::size_t write = 0, starter = text.size();
  int last_class = -1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    const int cls = classes[i];
    if (starter < text.size() && last_class < cls) {
      // Nothing between the starter and this character blocks it.
      if (const char32_t composite = compose_pair(text[starter], c)) {
        text[starter] = composite;
        continue;
      }
    }
    text[write] = c;
    if (cls == 0) {
      starter = write;
      last_class = -1;
    } else {
      last_class = cls;
    }
    ++write;
  }
  text.resize(write);
}

bool inert(char32_t c, Form form) {
  const Traits traits = table()[c];
  switch (form) {
    case Form::nfc:
      return (traits & canonical_active) == 0;
    case Form::nfkc:
      return (traits & canonical_active) == 0 &&
             ((traits & compatibility_active) == 0 || (c >= hangul_first && c <= hangul_last));
    case Form::nfd:
      return (traits & (canonical_active | canonical_decomposes)) == 0;
    case Form::nfkd:
      return (traits & (canonical_active | canonical_decomposes | compatibility_active)) == 0;
  }
  return false;
}

// First byte at or after `from` of a character that is not inert.
std::size_t find_active(std::string_view text, std::size_t from, Form form) {
  const bool compatibility = form == Form::nfkc || form == Form::nfkd;
  // Below these code points nothing is active in the form.
  const unsigned char first_active_lead = form == Form::nfc ? 0xcc : compatibility ? 0xc2 : 0xc3;
  while (from < text.size()) {
    if (static_cast<unsigned char>(text[from]) < 0x80) {
      ++from;
      continue;
    }
    std::size_t next = from;
    const char32_t c = utf8::next(text, next);
    if (static_cast<unsigned char>(text[from]) >= first_active_lead && !inert(c, form)) return from;
    from = next;
  }
  return from;
}

}  // namespace

const Traits* table() {
  static const Table all;
  return all.traits.data();
}

bool is_bert_control(char32_t c) { return within(tables::bert_control, tables::bert_control_count, c); }
bool is_bert_nonspacing(char32_t c) {
  return within(tables::bert_nonspacing, tables::bert_nonspacing_count, c);
}

char32_t to_lower(char32_t c, char32_t& second) {
  second = 0;
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c == 0x130) {
    second = 0x307;
    return 'i';
  }
  // Runs of step 2 may lie across others, so a few neighbours are looked at.
  const auto* begin = tables::lower_runs;
  const auto* end = begin + tables::lower_runs_count;
  const auto* it = std::upper_bound(begin, end, c, [](char32_t x, const auto& run) { return x < run.first; });
  for (int back = 0; back < 4 && it != begin; ++back) {
    --it;
    if (c <= it->last && (c - it->first) % it->step == 0)
      return static_cast<char32_t>(static_cast<std::int32_t>(c) + it->delta);
  }
  return c;
}

std::string lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    char32_t second;
    utf8::append(out, to_lower(utf8::next(text, at), second));
    if (second) utf8::append(out, second);
  }
  return out;
}

bool surely_normalized(std::string_view text, Form form) { return find_active(text, 0, form) == text.size(); }

std::string normalize(std::string_view text, Form form) {
  const bool compatibility = form == Form::nfkc || form == Form::nfkd;
  const bool composing = form == Form::nfc || form == Form::nfkc;
  std::string out;
  out.reserve(text.size());
  std::vector<char32_t> segment;
  std::vector<int> classes;
  std::size_t done = 0;
  for (std::size_t at = find_active(text, 0, form); at < text.size(); at = find_active(text, at, form)) {
    // The inert character before may be the starter that what follows composes with.
    std::size_t begin = at;
    if (begin > done) utf8::previous(text, begin);
    out.append(text, done, begin - done);
    segment.clear();
    bool first = true;
    for (at = begin; at < text.size();) {
      std::size_t next = at;
      const char32_t c = utf8::next(text, next);
      if (!first && inert(c, form)) break;  // the first is either active, or the starter before
      decompose(c, compatibility, segment);
      at = next;
      first = false;
    }
    reorder(segment, classes);
    if (composing) compose(segment, classes);
    for (const char32_t c : segment) utf8::append(out, c);
    done = at;
  }
  out.append(text, done);
  return out;
}

std::size_t grapheme_length(std::string_view text) {
  std::size_t at = 0;
  char32_t before = utf8::next(text, at);
  utf8proc_int32_t state = 0;
  while (at < text.size()) {
    std::size_t next = at;
    const char32_t c = utf8::next(text, next);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before),
                                         static_cast<utf8proc_int32_t>(c), &state))
      break;
    before = c;
    at = next;
  }
  return at;
}

std::string class_ranges(bool (*test)(Traits)) {
  std::string out;
  const Traits* traits = table();
  for (char32_t c = 0; c < end_of_code_points;) {
    if (!test(traits[c]) || (c >= 0xd800 && c < 0xe000)) {
      ++c;
      continue;
    }
    char32_t last = c;
    while (last + 1 < end_of_code_points && last + 1 != 0xd800 && test(traits[last + 1])) ++last;
    out += last == c ? fmt::format("\\x{{{:x}}}", static_cast<unsigned>(c))
                     : fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", static_cast<unsigned>(c),
                                   static_cast<unsigned>(last));
    c = last + 1;
  }
  return out;
}

}  // namespace moe::unicode

// Character classes and case mappings, from utf8proc's tables where they agree with Python's.
#include "engine/text/template/unicode.h"

#include <utf8proc.h>

#include <algorithm>

#include "engine/text/unicode.h"

namespace moe::jinja {
namespace {

// As of Unicode 14, which Python 3.11 knows, whatever utf8proc knows: repr() escapes what came later.
utf8proc_category_t category(std::uint32_t c) {
  if (c < 0x110000 && (moe::unicode::table()[c] & moe::unicode::newer) != 0) return UTF8PROC_CATEGORY_CN;
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool is_letter(utf8proc_category_t k) { return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO; }

const char* expansion(const CaseExpansion* table, std::size_t count, std::uint32_t c) {
  const auto* end = table + count;
  const auto* it = std::lower_bound(
      table, end, c, [](const CaseExpansion& e, std::uint32_t value) { return e.code_point < value; });
  return it != end && it->code_point == c ? it->text : nullptr;
}

void append_upper(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  } else if (const char* text = expansion(kUpperExpansions, kUpperExpansionCount, c)) {
    out += text;
  } else {
    utf8::append(out, static_cast<std::uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
  }
}

void append_title(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    append_upper(out, c);
  } else if (const char* text = expansion(kTitleExpansions, kTitleExpansionCount, c)) {
    out += text;
  } else {
    utf8::append(out, static_cast<std::uint32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
  }
}

// Characters that a final sigma looks through.
bool case_ignorable(std::uint32_t c) {
  switch (c) {
    case '\'':
    case '.':
    case ':':
    case '^':
    case '`':
    case 0xa8:
    case 0xad:
    case 0xaf:
    case 0xb4:
    case 0xb7:
    case 0xb8:
    case 0x2018:
    case 0x2019:
    case 0x2024:
    case 0x2027:
      return true;
    default:
      break;
  }
  const auto k = category(c);
  return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
         k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK;
}

// A capital sigma that ends a word has a lower case of its own. `at` is where it starts.
bool final_sigma(std::string_view text, std::size_t at, std::size_t after) {
  std::size_t p = at;
  bool cased_before = false;
  for (int steps = 0; p > 0 && steps < 64; ++steps) {
    const std::uint32_t c = utf8::previous(text, p);
    if (case_ignorable(c)) continue;
    cased_before = is_cased(c);
    break;
  }
  if (!cased_before) return false;
  for (int steps = 0; after < text.size() && steps < 64; ++steps) {
    const std::uint32_t c = utf8::next(text, after);
    if (case_ignorable(c)) continue;
    return !is_cased(c);
  }
  return true;
}

void append_lower(std::string& out, std::string_view text, std::size_t at, std::size_t after,
                  std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  } else if (c == 0x3a3) {
    utf8::append(out, final_sigma(text, at, after) ? 0x3c2 : 0x3c3);
  } else if (c == 0x130) {
    out += "i\u0307";
  } else {
    utf8::append(out, static_cast<std::uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

}  // namespace

std::size_t byte_offset(std::string_view text, std::size_t code_points) {
  std::size_t p = 0;
  while (code_points > 0 && p < text.size()) {
    utf8::next(text, p);
    --code_points;
  }
  return p;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t p = 0; p < text.size();) {
    const std::size_t start = p;
    utf8::next(text, p);
    out.push_back(text.substr(start, p - start));
  }
  return out;
}

bool is_space(std::uint32_t c) {
  if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20);
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_alpha(std::uint32_t c) { return is_letter(category(c)); }
bool is_decimal(std::uint32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

bool is_digit(std::uint32_t c) {
  if (is_decimal(c)) return true;
  for (std::size_t i = 0; i < kOtherDigitCount; ++i) {
    if (c >= kOtherDigits[i].first && c <= kOtherDigits[i].last) return true;
  }
  return false;
}

bool is_alnum(std::uint32_t c) {
  const auto k = category(c);
  return is_letter(k) || k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
}

// Other_Uppercase and Other_Lowercase beside the letters.
bool is_upper(std::uint32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LU || (c >= 0x2160 && c <= 0x216f) ||
         (c >= 0x24b6 && c <= 0x24cf) || (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
         (c >= 0x1f170 && c <= 0x1f189);
}

bool is_lower(std::uint32_t c) {
  if (category(c) == UTF8PROC_CATEGORY_LL) return true;
  return c == 0xaa || c == 0xba || (c >= 0x2b0 && c <= 0x2b8) || c == 0x2c0 || c == 0x2c1 ||
         (c >= 0x2e0 && c <= 0x2e4) || c == 0x345 || c == 0x37a || (c >= 0x1d2c && c <= 0x1d6a) ||
         c == 0x1d78 || (c >= 0x1d9b && c <= 0x1dbf) || c == 0x2071 || c == 0x207f ||
         (c >= 0x2090 && c <= 0x209c) || (c >= 0x2170 && c <= 0x217f) || (c >= 0x24d0 && c <= 0x24e9) ||
         c == 0x2c7c || c == 0x2c7d || c == 0xa69c || c == 0xa69d || c == 0xa770 || c == 0xa7f8 ||
         c == 0xa7f9 || (c >= 0xab5c && c <= 0xab5f);
}

bool is_title(std::uint32_t c) { return category(c) == UTF8PROC_CATEGORY_LT; }
bool is_cased(std::uint32_t c) { return is_upper(c) || is_lower(c) || is_title(c); }

bool is_printable(std::uint32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7f;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool is_word(std::uint32_t c) { return c == '_' || is_alnum(c); }

bool is_identifier_start(std::uint32_t c) {
  return c == '_' || is_alpha(c) || category(c) == UTF8PROC_CATEGORY_NL;
}

bool is_identifier_part(std::uint32_t c) {
  if (is_identifier_start(c) || is_decimal(c)) return true;
  const auto k = category(c);
  return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_PC;
}

bool is_line_break(std::uint32_t c) {
  return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

std::string to_upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t p = 0; p < text.size();) append_upper(out, utf8::next(text, p));
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t p = 0; p < text.size();) {
    const std::size_t at = p;
    const std::uint32_t c = utf8::next(text, p);
    append_lower(out, text, at, p, c);
  }
  return out;
}

std::string to_swapped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t p = 0; p < text.size();) {
    const std::size_t at = p;
    const std::uint32_t c = utf8::next(text, p);
    if (is_upper(c)) {
      append_lower(out, text, at, p, c);
    } else if (is_lower(c)) {
      append_upper(out, c);
    } else {
      utf8::append(out, c);
    }
  }
  return out;
}

std::string to_capitalized(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t p = 0; p < text.size();) {
    const std::size_t at = p;
    const std::uint32_t c = utf8::next(text, p);
    if (at == 0) {
      append_title(out, c);
    } else {
      append_lower(out, text, at, p, c);
    }
  }
  return out;
}

std::string to_title(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool inside = false;
  for (std::size_t p = 0; p < text.size();) {
    const std::size_t at = p;
    const std::uint32_t c = utf8::next(text, p);
    if (inside) {
      append_lower(out, text, at, p, c);
    } else {
      append_title(out, c);
    }
    inside = is_cased(c);
  }
  return out;
}

namespace {

template <typename Drop>
std::string_view strip_where(std::string_view text, bool left, bool right, const Drop& drop) {
  std::size_t begin = 0;
  while (left && begin < text.size()) {
    std::size_t after = begin;
    if (!drop(utf8::next(text, after))) break;
    begin = after;
  }
  std::size_t end = text.size();
  while (right && end > begin) {
    std::size_t before = end;
    if (!drop(utf8::previous(text, before))) break;
    end = before;
  }
  return text.substr(begin, end - begin);
}

}  // namespace

std::string_view strip(std::string_view text, bool left, bool right) {
  return strip_where(text, left, right, is_space);
}

std::string_view strip_chars(std::string_view text, std::string_view chars, bool left, bool right) {
  std::vector<std::uint32_t> set;
  for (std::size_t p = 0; p < chars.size();) set.push_back(utf8::next(chars, p));
  std::sort(set.begin(), set.end());
  return strip_where(text, left, right,
                     [&set](std::uint32_t c) { return std::binary_search(set.begin(), set.end(), c); });
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t start = 0;
  for (std::size_t p = 0; p < text.size();) {
    const std::size_t at = p;
    const std::uint32_t c = utf8::next(text, p);
    if (!is_line_break(c)) continue;
    if (c == '\r' && p < text.size() && text[p] == '\n') ++p;
    lines.push_back(text.substr(start, (keep_ends ? p : at) - start));
    start = p;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

}  // namespace moe::jinja

// Splitting, replacing and padding of text.
#include "engine/text/template/text_ops.h"

#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "engine/text/template/evaluator.h"
#include "engine/text/template/markup.h"
#include "engine/text/template/unicode.h"

namespace moe::jinja {

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::size_t find_in(std::string_view text, std::string_view part, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (part.empty()) return from;
  if (from == text.size()) return std::string_view::npos;
  const void* match = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  const std::size_t found =
      match ? static_cast<std::size_t>(static_cast<const char*>(match) - text.data()) : text.size();
  charge(1 + (found - from) / 8);
  return match ? found : std::string_view::npos;
}

std::size_t rfind_in(std::string_view text, std::string_view part) {
  // The library compares at every place: charged as such, beyond what an ordinary search costs.
  if (part.size() > 32 && text.size() > part.size())
    charge((text.size() - part.size()) / 64 * (part.size() / 32));
  return text.rfind(part);
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator, std::int64_t most,
                                    bool from_right) {
  std::vector<std::string_view> out;
  for (; most != 0; most -= most > 0) {
    const std::size_t at = from_right ? rfind_in(text, separator) : find_in(text, separator);
    if (at == std::string_view::npos) break;
    const std::string_view after = text.substr(at + separator.size());
    out.push_back(from_right ? after : text.substr(0, at));
    text = from_right ? text.substr(0, at) : after;
  }
  out.push_back(text);
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string_view> split_space(std::string_view text, std::int64_t most, bool from_right) {
  std::vector<std::string_view> out;
  if (from_right && most >= 0) {
    text = strip(text, false, true);
    for (; most > 0 && !text.empty(); --most) {
      std::size_t word = text.size();
      while (word > 0) {
        std::size_t before = word;
        if (is_space(utf8::previous(text, before))) break;
        word = before;
      }
      out.push_back(text.substr(word));
      text = strip(text.substr(0, word), false, true);
    }
    text = strip(text, true, false).empty() ? std::string_view() : text;
    if (!text.empty()) out.push_back(text);
    std::reverse(out.begin(), out.end());
    return out;
  }
  text = strip(text, true, false);
  while (!text.empty()) {
    if (most == 0) {
      out.push_back(text);
      break;
    }
    std::size_t end = 0;
    while (end < text.size()) {
      std::size_t next = end;
      if (is_space(utf8::next(text, next))) break;
      end = next;
    }
    out.push_back(text.substr(0, end));
    text = strip(text.substr(end), true, false);
    most -= most > 0;
  }
  return out;
}

std::string replace(Interpreter& in, std::string_view text, std::string_view old, std::string_view with,
                    std::int64_t most) {
  in.spend(text.size() / 8);
  std::string out;
  std::size_t p = 0;
  const auto grow = [&](std::string_view more) {
    in.heap().check_string(out.size() + more.size());
    out += more;
  };
  if (old.empty()) {
    // Between all characters.
    while (most != 0) {
      grow(with);
      most -= most > 0;
      if (p >= text.size()) return out;
      const std::size_t start = p;
      utf8::next(text, p);
      grow(text.substr(start, p - start));
    }
    grow(text.substr(p));
    return out;
  }
  for (; most != 0; most -= most > 0) {
    const std::size_t at = find_in(text, old, p);
    if (at == std::string_view::npos) break;
    grow(text.substr(p, at - p));
    grow(with);
    p = at + old.size();
  }
  grow(text.substr(p));
  return out;
}

std::string pad(Interpreter& in, const Value& text, std::int64_t width, std::string_view fill, char side) {
  const auto length = static_cast<std::int64_t>(text.as_text().length);
  std::string out(text.as_view());
  if (width <= length) return out;
  const std::int64_t missing = width - length;
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  in.heap().check_string(out.size() + static_cast<std::size_t>(std::min(missing, kHuge)) * fill.size());
  in.spend(static_cast<std::uint64_t>(missing) / 8);
  std::int64_t left = 0;
  if (side == '>') left = missing;
  if (side == '^') left = missing / 2 + (missing & width & 1);
  std::string padded;
  for (std::int64_t i = 0; i < left; ++i) padded += fill;
  padded += out;
  for (std::int64_t i = left; i < missing; ++i) padded += fill;
  return padded;
}

namespace {

bool cased_as(std::string_view text, bool upper) {
  bool any = false;
  for (std::size_t p = 0; p < text.size();) {
    const std::uint32_t c = utf8::next(text, p);
    if (is_title(c) || (upper ? is_lower(c) : is_upper(c))) return false;
    any = any || (upper ? is_upper(c) : is_lower(c));
  }
  return any;
}

}  // namespace

bool is_upper_text(std::string_view text) { return cased_as(text, true); }
bool is_lower_text(std::string_view text) { return cased_as(text, false); }

// Beside the number categories, the ideographs that write numbers.
bool is_numeric(std::uint32_t c) {
  const auto k = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  if (k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO) return true;
  static constexpr std::uint32_t kNumbers[] = {0x3007, 0x4e00, 0x4e03, 0x4e09, 0x4e5d, 0x4e8c, 0x4e94,
                                               0x516b, 0x516d, 0x5341, 0x5343, 0x56db, 0x767e, 0x842c};
  return std::find(std::begin(kNumbers), std::end(kNumbers), c) != std::end(kNumbers);
}

double parse_double(std::string_view digits) {
  double value = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (ec == std::errc::result_out_of_range) return std::strtod(std::string(digits).c_str(), nullptr);
  return value;
}

bool parse_python_float(std::string_view text, double& out) {
  text = strip(text);
  charge(text.size() / 2);
  std::string digits;
  bool any_digit = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit_at = [&](std::size_t j) { return j < text.size() && text[j] >= '0' && text[j] <= '9'; };
    if (text[i] == '_') {
      if (i == 0 || !digit_at(i - 1) || !digit_at(i + 1)) return false;
      continue;
    }
    if (i == 0 && text[i] == '+') continue;
    any_digit = any_digit || digit_at(i);
    digits += text[i];
  }
  const std::string lowered = to_lower(digits);
  const std::string_view magnitude = lowered.starts_with('-') ? std::string_view(lowered).substr(1) : lowered;
  if (magnitude == "inf" || magnitude == "infinity" || magnitude == "nan") {
    const double value = magnitude == "nan" ? std::nan("") : HUGE_VAL;
    out = lowered.starts_with('-') ? -value : value;
    return true;
  }
  if (!any_digit || lowered.find_first_not_of("0123456789.e+-") != std::string::npos) return false;
  double value = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size() || ec == std::errc::invalid_argument) return false;
  out = parse_double(digits);
  return true;
}

std::string to_folded(std::string_view text) {
  std::string out;
  for (std::size_t p = 0; p < text.size();) {
    const std::uint32_t c = utf8::next(text, p);
    utf8proc_int32_t folded[8];
    int boundclass = 0;
    const auto n =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), folded, 8, UTF8PROC_CASEFOLD, &boundclass);
    for (utf8proc_ssize_t i = 0; i < n && i < 8; ++i)
      utf8::append(out, static_cast<std::uint32_t>(folded[i]));
  }
  return out;
}

}  // namespace moe::jinja

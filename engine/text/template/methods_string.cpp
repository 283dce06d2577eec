// Python's str methods.
#include <algorithm>

#include <fmt/format.h>

#include "engine/text/template/arguments.h"
#include "engine/text/template/markup.h"
#include "engine/text/template/objects.h"
#include "engine/text/template/operators.h"
#include "engine/text/template/repr.h"
#include "engine/text/template/text_ops.h"
#include "engine/text/template/unicode.h"

namespace moe::jinja {
namespace {

Value same_markup(Interpreter& in, const Value& self, std::string text) {
  return in.heap().string(std::move(text), self.as_text().markup);
}

Value view_value(Interpreter& in, const Value& self, std::string_view text) {
  return same_markup(in, self, std::string(text));
}

// ---- case

template <std::string (*Change)(std::string_view)>
Value changed(Interpreter& in, const Value& self, Arguments& arguments) {
  const Bound args("str method", arguments, {});
  in.spend(self.as_view().size() / 8);
  return same_markup(in, self, Change(self.as_view()));
}

// ---- strip

Value stripped(Interpreter& in, const Value& self, Arguments& arguments, bool left, bool right) {
  const Bound args("strip", arguments, {"chars"});
  const std::string_view text = self.as_view();
  if (!args.some(0)) return view_value(in, self, strip(text, left, right));
  if (!args.at(0).is_string()) throw Failure("strip arg must be None or str");
  return view_value(in, self, strip_chars(text, args.view(0), left, right));
}
Value strip_both(Interpreter& in, const Value& self, Arguments& a) {
  return stripped(in, self, a, true, true);
}
Value strip_left(Interpreter& in, const Value& self, Arguments& a) {
  return stripped(in, self, a, true, false);
}
Value strip_right(Interpreter& in, const Value& self, Arguments& a) {
  return stripped(in, self, a, false, true);
}

// ---- split and join

Value pieces(Interpreter& in, const Value& self, const std::vector<std::string_view>& parts) {
  std::vector<Value> out;
  in.heap().check_list(parts.size());
  out.reserve(parts.size());
  for (const std::string_view part : parts) out.push_back(view_value(in, self, part));
  return in.heap().list(std::move(out));
}

Value split_method(Interpreter& in, const Value& self, Arguments& arguments, bool from_right) {
  const Bound args("split", arguments, {"sep", "maxsplit"});
  const std::int64_t most = args.integer(1, -1);
  in.spend(self.as_view().size() / 4);
  if (!args.some(0)) return pieces(in, self, split_space(self.as_view(), most, from_right));
  if (args.at(0).is_undefined() || !args.at(0).is_string()) {
    throw Failure(fmt::format("must be str or None, not {}", type_name(args.at(0))));
  }
  if (args.view(0).empty()) throw Failure("empty separator");
  return pieces(in, self, split(self.as_view(), args.view(0), most, from_right));
}
Value split_left(Interpreter& in, const Value& self, Arguments& a) {
  return split_method(in, self, a, false);
}
Value split_right(Interpreter& in, const Value& self, Arguments& a) {
  return split_method(in, self, a, true);
}

Value split_lines_method(Interpreter& in, const Value& self, Arguments& arguments) {
  const Bound args("splitlines", arguments, {"keepends"});
  in.spend(self.as_view().size() / 4);
  return pieces(in, self, split_lines(self.as_view(), args.flag(0, false)));
}

Value partition_method(Interpreter& in, const Value& self, Arguments& arguments, bool from_right) {
  const Bound args("partition", arguments, {"sep"}, 1);
  const std::string_view text = self.as_view();
  const std::string_view sep = args.view(0);
  if (sep.empty()) throw Failure("empty separator");
  const std::size_t at = from_right ? rfind_in(text, sep) : find_in(text, sep);
  const auto three = [&](std::string_view a, std::string_view b, std::string_view c) {
    return in.heap().tuple({view_value(in, self, a), view_value(in, self, b), view_value(in, self, c)});
  };
  if (at != std::string_view::npos) return three(text.substr(0, at), sep, text.substr(at + sep.size()));
  return from_right ? three("", "", text) : three(text, "", "");
}
Value partition_left(Interpreter& in, const Value& self, Arguments& a) {
  return partition_method(in, self, a, false);
}
Value partition_right(Interpreter& in, const Value& self, Arguments& a) {
  return partition_method(in, self, a, true);
}

Value join_method(Interpreter& in, const Value& self, Arguments& arguments) {
  const Bound args("join", arguments, {"iterable"}, 1);
  if (!iterable(args.at(0))) throw Failure("can only join an iterable");
  std::string out;
  std::size_t i = 0;
  for (const Value& item : in.collect(args.at(0))) {
    if (!item.is_string()) {
      throw Failure(fmt::format("sequence item {}: expected str instance, {} found", i, type_name(item)));
    }
    if (i++) out += self.as_view();
    const bool escape = self.as_text().markup && !item.as_text().markup;
    if (escape) {
      out += escape_html(item.as_view());
    } else {
      out += item.as_view();
    }
    in.heap().check_string(out.size());
  }
  return same_markup(in, self, std::move(out));
}

// ---- search

struct Window {
  std::string_view text;
  std::size_t offset = 0;  // code points before it
};

// self[start:stop] of find, count, startswith ...; false if start lies beyond the end.
bool window(const Value& self, const Bound& args, Window& out) {
  const Text& text = self.as_text();
  const auto n = static_cast<std::int64_t>(text.length);
  const auto bound = [&](std::size_t i, std::int64_t otherwise) {
    if (!args.some(i)) return otherwise;
    std::int64_t v =
        index_value(args.at(i), "slice indices must be integers or None or have an __index__ method");
    if (v < 0) v = std::max<std::int64_t>(v < -n ? 0 : v + n, 0);
    return v;
  };
  const std::int64_t start = bound(1, 0);
  const std::int64_t stop = std::min(bound(2, n), n);
  if (start > n || start > stop) return false;
  const std::string_view all = text.bytes;
  const std::size_t from = start == 0 || text.ascii() ? static_cast<std::size_t>(start)
                                                      : byte_offset(all, static_cast<std::size_t>(start));
  std::size_t size = static_cast<std::size_t>(stop - start);
  if (stop == n) {
    size = all.size() - from;
  } else if (!text.ascii()) {
    size = byte_offset(all.substr(from), size);
  }
  out = {all.substr(from, size), static_cast<std::size_t>(start)};
  return true;
}

// Position in code points, or -1.
std::int64_t search(Interpreter&, const Value& self, Arguments& arguments, bool from_right) {
  const Bound args("find", arguments, {"sub", "start", "end"}, 1);
  Window w;
  if (!window(self, args, w)) return -1;
  const std::size_t at = from_right ? rfind_in(w.text, args.view(0)) : find_in(w.text, args.view(0));
  if (at == std::string_view::npos) return -1;
  return static_cast<std::int64_t>(w.offset + utf8::count(w.text.substr(0, at)));
}

Value find_left(Interpreter& in, const Value& self, Arguments& a) {
  return Value::integer(search(in, self, a, false));
}
Value find_right(Interpreter& in, const Value& self, Arguments& a) {
  return Value::integer(search(in, self, a, true));
}

Value index_of(Interpreter& in, const Value& self, Arguments& a, bool from_right) {
  const std::int64_t at = search(in, self, a, from_right);
  if (at < 0) throw Failure("substring not found");
  return Value::integer(at);
}
Value index_left(Interpreter& in, const Value& self, Arguments& a) { return index_of(in, self, a, false); }
Value index_right(Interpreter& in, const Value& self, Arguments& a) { return index_of(in, self, a, true); }

Value count_method(Interpreter&, const Value& self, Arguments& arguments) {
  const Bound args("count", arguments, {"sub", "start", "end"}, 1);
  Window w;
  if (!window(self, args, w)) return Value::integer(0);
  const std::string_view sub = args.view(0);
  if (sub.empty()) return Value::integer(static_cast<std::int64_t>(utf8::count(w.text)) + 1);
  std::int64_t n = 0;
  for (std::size_t at = find_in(w.text, sub); at != std::string_view::npos;
       at = find_in(w.text, sub, at + sub.size())) {
    ++n;
  }
  return Value::integer(n);
}

Value affix(const Value& self, Arguments& arguments, bool prefix) {
  const std::string_view name = prefix ? "startswith" : "endswith";
  const Bound args(name, arguments, {"prefix", "start", "end"}, 1);
  Window w;
  const bool inside = window(self, args, w);
  const auto matches = [&](const Value& part) {
    if (!part.is_string()) {
      throw Failure(fmt::format("{} first arg must be str or a tuple of str, not {}", name, type_name(part)));
    }
    return inside && (prefix ? w.text.starts_with(part.as_view()) : w.text.ends_with(part.as_view()));
  };
  if (!args.at(0).is(Kind::tuple)) return Value::boolean(matches(args.at(0)));
  const auto& parts = args.at(0).items();
  return Value::boolean(std::any_of(parts.begin(), parts.end(), matches));
}
Value starts_with(Interpreter&, const Value& self, Arguments& a) { return affix(self, a, true); }
Value ends_with(Interpreter&, const Value& self, Arguments& a) { return affix(self, a, false); }

// ---- replacing and padding

Value replace_method(Interpreter& in, const Value& self, Arguments& arguments) {
  if (!arguments.keywords.empty()) throw Failure("str.replace() takes no keyword arguments");
  const Bound args("replace", arguments, {"old", "new", "count"}, 2);
  for (std::size_t i = 0; i < 2; ++i) {
    if (!args.at(i).is_string()) {
      throw Failure(fmt::format("replace() argument {} must be str, not {}", i + 1, type_name(args.at(i))));
    }
  }
  return same_markup(in, self, replace(in, self.as_view(), args.view(0), args.view(1), args.integer(2, -1)));
}

Value remove_prefix(Interpreter& in, const Value& self, Arguments& arguments) {
  const Bound args("removeprefix", arguments, {"prefix"}, 1);
  const std::string_view text = self.as_view();
  return view_value(in, self, text.starts_with(args.view(0)) ? text.substr(args.view(0).size()) : text);
}

Value remove_suffix(Interpreter& in, const Value& self, Arguments& arguments) {
  const Bound args("removesuffix", arguments, {"suffix"}, 1);
  const std::string_view text = self.as_view();
  return view_value(in, self,
                    text.ends_with(args.view(0)) ? text.substr(0, text.size() - args.view(0).size()) : text);
}

template <char Side>
Value justified(Interpreter& in, const Value& self, Arguments& arguments) {
  const Bound args("center", arguments, {"width", "fillchar"}, 1);
  std::string_view fill = " ";
  if (args.has(1)) {
    fill = args.view(1);
    if (utf8::count(fill) != 1) throw Failure("The fill character must be exactly one character long");
  }
  return same_markup(in, self, pad(in, self, args.integer(0, 0), fill, Side));
}

Value zfill(Interpreter& in, const Value& self, Arguments& arguments) {
  const Bound args("zfill", arguments, {"width"}, 1);
  const std::string_view text = self.as_view();
  const bool sign = text.starts_with('-') || text.starts_with('+');
  const Value rest = in.string(text.substr(sign));
  const std::int64_t width = args.integer(0, 0);
  return same_markup(
      in, self,
      std::string(text.substr(0, sign)) + pad(in, rest, width > 0 ? width - sign : width, "0", '>'));
}

Value expand_tabs(Interpreter& in, const Value& self, Arguments& arguments) {
  const Bound args("expandtabs", arguments, {"tabsize"});
  const std::int64_t size = args.integer(0, 8);
  std::string out;
  std::int64_t column = 0;
  const std::string_view text = self.as_view();
  for (std::size_t p = 0; p < text.size();) {
    const std::size_t at = p;
    const std::uint32_t c = utf8::next(text, p);
    if (c == '\t') {
      const std::int64_t fill = size > 0 ? size - column % size : 0;
      in.heap().check_string(out.size() + static_cast<std::size_t>(fill));
      in.spend(static_cast<std::uint64_t>(fill) / 16);
      out.append(static_cast<std::size_t>(fill), ' ');
      column += fill;
    } else {
      out += text.substr(at, p - at);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
  }
  return same_markup(in, self, std::move(out));
}

// ---- classes of characters

template <bool (*Is)(std::uint32_t)>
Value all_are(Interpreter& in, const Value& self, Arguments& arguments) {
  const Bound args("str method", arguments, {});
  const std::string_view text = self.as_view();
  in.spend(text.size() / 4);  // a table look-up a character
  for (std::size_t p = 0; p < text.size();) {
    if (!Is(utf8::next(text, p))) return Value::boolean(false);
  }
  return Value::boolean(!text.empty());
}

Value is_upper_method(Interpreter&, const Value& self, Arguments&) {
  return Value::boolean(is_upper_text(self.as_view()));
}
Value is_lower_method(Interpreter&, const Value& self, Arguments&) {
  return Value::boolean(is_lower_text(self.as_view()));
}
Value is_ascii(Interpreter&, const Value& self, Arguments&) { return Value::boolean(self.as_text().ascii()); }

Value is_printable_method(Interpreter& in, const Value& self, Arguments& arguments) {
  if (self.as_view().empty()) return Value::boolean(true);
  return all_are<is_printable>(in, self, arguments);
}

Value is_title_method(Interpreter&, const Value& self, Arguments&) {
  const std::string_view text = self.as_view();
  bool any = false;
  bool inside = false;
  for (std::size_t p = 0; p < text.size();) {
    const std::uint32_t c = utf8::next(text, p);
    if (is_upper(c) || is_title(c)) {
      if (inside) return Value::boolean(false);
      inside = any = true;
    } else if (is_lower(c)) {
      if (!inside) return Value::boolean(false);
      inside = any = true;
    } else {
      inside = false;
    }
  }
  return Value::boolean(any);
}

Value is_identifier(Interpreter&, const Value& self, Arguments&) {
  const std::string_view text = self.as_view();
  for (std::size_t p = 0; p < text.size();) {
    const bool first = p == 0;
    const std::uint32_t c = utf8::next(text, p);
    if (!(first ? is_identifier_start(c) : is_identifier_part(c))) return Value::boolean(false);
  }
  return Value::boolean(!text.empty());
}

Value format_method(Interpreter& in, const Value& self, Arguments& arguments) {
  return brace_format(in, self, arguments);
}

Value format_map(Interpreter& in, const Value& self, Arguments& arguments) {
  const Bound args("format_map", arguments, {"mapping"}, 1);
  if (!args.at(0).is_dict()) throw Failure("format_map() argument must be a mapping");
  Arguments unpacked;
  for (const auto& [key, value] : args.at(0).as_dict().entries()) {
    if (key.is_string()) unpacked.keywords.emplace_back(key.as_view(), value);
  }
  return brace_format(in, self, unpacked);
}

}  // namespace

NativeFunction find_string_method(std::string_view name) {
  static const std::unordered_map<std::string_view, NativeFunction> methods = {
      {"upper", changed<to_upper>},
      {"lower", changed<to_lower>},
      {"casefold", changed<to_folded>},
      {"swapcase", changed<to_swapped>},
      {"title", changed<to_title>},
      {"capitalize", changed<to_capitalized>},
      {"strip", strip_both},
      {"lstrip", strip_left},
      {"rstrip", strip_right},
      {"split", split_left},
      {"rsplit", split_right},
      {"splitlines", split_lines_method},
      {"partition", partition_left},
      {"rpartition", partition_right},
      {"join", join_method},
      {"find", find_left},
      {"rfind", find_right},
      {"index", index_left},
      {"rindex", index_right},
      {"count", count_method},
      {"startswith", starts_with},
      {"endswith", ends_with},
      {"replace", replace_method},
      {"removeprefix", remove_prefix},
      {"removesuffix", remove_suffix},
      {"center", justified<'^'>},
      {"ljust", justified<'<'>},
      {"rjust", justified<'>'>},
      {"zfill", zfill},
      {"expandtabs", expand_tabs},
      {"isalpha", all_are<is_alpha>},
      {"isalnum", all_are<is_alnum>},
      {"isdigit", all_are<is_digit>},
      {"isdecimal", all_are<is_decimal>},
      {"isnumeric", all_are<is_numeric>},
      {"isspace", all_are<is_space>},
      {"isupper", is_upper_method},
      {"islower", is_lower_method},
      {"istitle", is_title_method},
      {"isascii", is_ascii},
      {"isprintable", is_printable_method},
      {"isidentifier", is_identifier},
      {"format", format_method},
      {"format_map", format_map},
  };
  const auto it = methods.find(name);
  return it == methods.end() ? nullptr : it->second;
}

}  // namespace moe::jinja

// Filters on text, and those that turn values into text.
#include <algorithm>

#include <fmt/format.h>

#include "engine/text/template/arguments.h"
#include "engine/text/template/attribute_path.h"
#include "engine/text/template/evaluator.h"
#include "engine/text/template/filters.h"
#include "engine/text/template/markup.h"
#include "engine/text/template/operators.h"
#include "engine/text/template/repr.h"
#include "engine/text/template/text_ops.h"
#include "engine/text/template/unicode.h"

namespace moe::jinja {
namespace {

// str(value), which keeps what is marked safe.
Value soft_text(Interpreter& in, const Value& value) {
  return value.is_string() ? value : in.heap().string(str(value));
}

template <std::string (*Change)(std::string_view)>
Value cased(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("filter", arguments, {});
  const Value text = soft_text(in, subject);
  in.spend(text.as_view().size() / 8);
  return in.heap().string(Change(text.as_view()), text.as_text().markup);
}

// Words start after spaces, hyphens and opening brackets, unlike str.title.
std::string title_words(std::string_view text) {
  const auto separates = [](std::uint32_t c) {
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_space(c);
  };
  std::string out;
  std::size_t start = 0;
  while (start < text.size()) {
    std::size_t p = start;
    const bool separator = separates(utf8::next(text, p));
    const std::size_t after_first = p;
    while (p < text.size()) {
      std::size_t next = p;
      if (separates(utf8::next(text, next)) != separator) break;
      p = next;
    }
    out += to_upper(text.substr(start, after_first - start));
    out += to_lower(text.substr(after_first, p - after_first));
    start = p;
  }
  return out;
}

Value trim(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("trim", arguments, {"chars"});
  const Value text = soft_text(in, subject);
  const std::string_view kept =
      args.some(0) ? strip_chars(text.as_view(), args.view(0), true, true) : strip(text.as_view());
  return in.heap().string(std::string(kept), text.as_text().markup);
}

Value replace_filter(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("replace", arguments, {"old", "new", "count"}, 2);
  const std::int64_t count = args.some(2) ? args.integer(2, -1) : -1;
  return in.heap().string(replace(in, str(subject), str(args.at(0)), str(args.at(1)), count));
}

Value string_filter(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("string", arguments, {});
  return soft_text(in, subject);
}

Value safe(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("safe", arguments, {});
  return in.heap().string(str(subject), true);
}

Value escape(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("escape", arguments, {});
  if (subject.is_string() && subject.as_text().markup) return subject;
  return in.heap().string(escape_html(str(subject)), true);
}

Value force_escape(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("forceescape", arguments, {});
  return in.heap().string(escape_html(str(subject)), true);
}

Value center(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("center", arguments, {"width"});
  const Value text = soft_text(in, subject);
  return in.heap().string(pad(in, text, args.integer(0, 80), " ", '^'), text.as_text().markup);
}

Value format_filter(Interpreter& in, const Value& subject, Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.keywords.empty()) {
    throw Failure("can't handle positional and keyword arguments at the same time");
  }
  const Value text = soft_text(in, subject);
  if (arguments.keywords.empty()) return percent_format(in, text, in.heap().tuple(arguments.positional));
  Dict named;
  for (const auto& [name, value] : arguments.keywords) named.set(in.string(name), value);
  return percent_format(in, text, in.heap().dict(std::move(named)));
}

Value indent(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("indent", arguments, {"width", "first", "blank"});
  if (subject.is_undefined()) fail_undefined(subject);
  if (!subject.is_string()) {
    throw Failure(fmt::format("unsupported operand type(s) for +=: '{}' and 'str'", type_name(subject)));
  }
  std::string indentation(4, ' ');
  if (args.has(0) && args.at(0).is_string()) {
    indentation = args.view(0);
  } else {
    const std::int64_t width = std::max<std::int64_t>(args.integer(0, 4), 0);
    in.heap().check_string(static_cast<std::size_t>(width));
    in.spend(static_cast<std::uint64_t>(width) / 16);
    indentation.assign(static_cast<std::size_t>(width), ' ');
  }
  const bool blank = args.flag(2, false);
  const std::string text = std::string(subject.as_view()) + '\n';
  std::string out;
  bool first = true;
  for (const std::string_view line : split_lines(text, false)) {
    if (!first) out += '\n';
    if ((first && args.flag(1, false)) || (!first && (blank || !line.empty()))) {
      in.spend(indentation.size() / 16);
      in.heap().check_string(out.size() + indentation.size());
      out += indentation;
    }
    out += line;
    first = false;
  }
  return in.heap().string(std::move(out), subject.as_text().markup);
}

Value truncate(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("truncate", arguments, {"length", "killwords", "end", "leeway"});
  const Value text = subject;
  const Value end = args.get(2, in.string("..."));
  const auto end_length = static_cast<std::int64_t>(length(end));
  const std::int64_t most = args.integer(0, 255);
  const std::int64_t leeway = args.some(3) ? args.integer(3, 5) : 5;
  if (most < end_length) throw Failure(fmt::format("expected length >= {}, got {}", end_length, most));
  if (leeway < 0) throw Failure(fmt::format("expected leeway >= 0, got {}", leeway));
  const auto size = static_cast<std::int64_t>(length(text));
  if (size <= leeway || size - leeway <= most) return text;
  if (!text.is_string()) throw Failure("truncate works on strings");
  const Value cut = slice(in, text, Value(), Value::integer(most - end_length), Value());
  std::string_view kept = cut.as_view();
  if (!args.flag(1, false)) kept = split(kept, " ", 1, true).front();
  return in.heap().string(std::string(kept) + str(end));
}

Value word_count(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("wordcount", arguments, {});
  const Value value = soft_text(in, subject);
  const std::string_view text = value.as_view();
  in.spend(text.size() / 8);
  std::int64_t count = 0;
  bool inside = false;
  for (std::size_t p = 0; p < text.size();) {
    const bool word = is_word(utf8::next(text, p));
    count += word && !inside;
    inside = word;
  }
  return Value::integer(count);
}

Value join(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("join", arguments, {"d", "attribute"});
  const std::string separator = args.has(0) ? str(args.at(0)) : std::string();
  const AttributePath path(args.get(1, Value()));
  std::string out;
  bool first = true;
  for (const Value& item : in.collect(subject)) {
    if (!first) out += separator;
    first = false;
    append_str(out, path.of(in, item));
    in.heap().check_string(out.size());
    in.spend(separator.size() / 16);
  }
  return in.heap().string(std::move(out));
}

Value tojson(Interpreter& in, const Value& subject, Arguments& arguments) {
  constexpr std::int64_t kWidestIndent = 1000;
  const Bound args("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = args.flag(0, false);
  style.sort_keys = args.flag(3, false);
  if (args.some(1)) {
    style.indented = true;
    style.item_separator.assign(1, ',');
    if (args.at(1).is_string()) {
      style.indent = args.view(1);
    } else {
      const std::int64_t width = std::max<std::int64_t>(args.integer(1, 0), 0);
      if (width > kWidestIndent)
        throw Failure(ErrorKind::limit, fmt::format("an indent of {} is too wide", width));
      style.indent.assign(static_cast<std::size_t>(width), ' ');
    }
    in.spend(style.indent.size());
  }
  if (args.some(2)) {
    const auto pair = in.collect(args.at(2));
    if (pair.size() != 2) {
      throw Failure(pair.size() < 2
                        ? fmt::format("not enough values to unpack (expected 2, got {})", pair.size())
                        : "too many values to unpack (expected 2)");
    }
    if (!pair[0].is_string() || !pair[1].is_string()) throw Failure("separators must be strings");
    style.item_separator = pair[0].as_view();
    style.key_separator = pair[1].as_view();
  }
  return in.heap().string(to_json(subject, style));
}

// urllib.parse.quote
void append_quoted(std::string& out, std::string_view text, bool query) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !query)) {
      out += c;
    } else if (c == ' ' && query) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
}

Value urlencode(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("urlencode", arguments, {});
  std::string out;
  if (subject.is_string() || !iterable(subject)) {
    append_quoted(out, str(subject), false);
    return in.heap().string(std::move(out));
  }
  const auto pair = [&](const Value& key, const Value& value) {
    if (!out.empty()) out += '&';
    append_quoted(out, str(key), true);
    out += '=';
    append_quoted(out, str(value), true);
    in.heap().check_string(out.size());
  };
  if (subject.is_dict()) {
    for (const auto& [key, value] : subject.as_dict().entries()) pair(key, value);
  } else {
    for (const Value& item : in.collect(subject)) {
      const auto parts = in.collect(item);
      if (parts.size() != 2) throw Failure("urlencode needs pairs");
      pair(parts[0], parts[1]);
    }
  }
  return in.heap().string(std::move(out));
}

Value xmlattr(Interpreter& in, const Value& subject, Arguments& arguments) {
  const Bound args("xmlattr", arguments, {"autospace"});
  if (subject.is_undefined()) fail_undefined(subject);
  if (!subject.is_dict())
    throw Failure(fmt::format("'{}' object has no attribute 'items'", type_name(subject)));
  std::string out;
  for (const auto& [key, value] : subject.as_dict().entries()) {
    if (value.is_none() || value.is_undefined()) continue;
    const std::string name = str(key);
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      throw Failure(fmt::format("Invalid character in attribute name: {}", repr(key)));
    }
    if (!out.empty()) out += ' ';
    out += escape_html(name) + "=\"" + escape_html(str(value)) + "\"";
    in.heap().check_string(out.size());
  }
  const bool space = args.flag(0, true) && !out.empty();
  return in.heap().string(fmt::format("{}{}", space ? " " : "", out));
}

Value refused(Interpreter&, const Value&, Arguments&) {
  throw Failure(ErrorKind::unsupported,
                "the filters pprint, random, striptags, urlize and wordwrap are not supported");
}

}  // namespace

const std::vector<NamedFilter>& text_filters() {
  static const std::vector<NamedFilter> filters = {
      {"upper", cased<to_upper>},
      {"lower", cased<to_lower>},
      {"capitalize", cased<to_capitalized>},
      {"title", cased<title_words>},
      {"trim", trim},
      {"replace", replace_filter},
      {"string", string_filter},
      {"safe", safe},
      {"escape", escape},
      {"e", escape},
      {"forceescape", force_escape},
      {"center", center},
      {"format", format_filter},
      {"indent", indent},
      {"truncate", truncate},
      {"wordcount", word_count},
      {"join", join},
      {"tojson", tojson},
      {"urlencode", urlencode},
      {"xmlattr", xmlattr},
      {"pprint", refused},
      {"random", refused},
      {"striptags", refused},
      {"urlize", refused},
      {"wordwrap", refused},
  };
  return filters;
}

}  // namespace moe::jinja

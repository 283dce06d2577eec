// Prompt templates: literal text with {placeholders}.
#include "eval/tasks/text_template.h"

#include <fmt/format.h>

#include <cctype>

#include "engine/base/error.h"

namespace moe::eval {

TextTemplate::TextTemplate(std::string_view text, const std::string& file, const std::string& thing)
    : source_(text) {
  const auto fail = [&](const std::string& expected, const std::string& found) {
    throw Error(ErrorKind::config, Fault{file, thing, expected, found});
  };
  Part part;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c) {
      part.literal += c;
      ++i;
    } else if (c == '{') {
      const std::size_t end = text.find('}', i);
      if (end == std::string_view::npos) {
        fail("a closed placeholder {name} (write {{ for a brace)", fmt::format("\"{}\"", text.substr(i, 40)));
      }
      std::string name(text.substr(i + 1, end - i - 1));
      if (const std::size_t bar = name.find('|'); bar != std::string::npos) {
        if (name.substr(bar + 1) != "strip") fail("the filter strip", fmt::format("\"{}\"", name.substr(bar + 1)));
        part.strip = true;
        name.resize(bar);
      }
      bool plain = !name.empty();
      for (const char letter : name) {
        plain = plain && (std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_');
      }
      if (!plain) fail("a placeholder name of letters, digits and _ (write {{ for a brace)", "{" + name + "}");
      part.name = name;
      parts_.push_back(std::move(part));
      part = Part();
      i = end;
    } else if (c == '}') {
      fail("}} for a brace of its own", fmt::format("}} at byte {}", i));
    } else {
      part.literal += c;
    }
  }
  if (!part.literal.empty()) parts_.push_back(std::move(part));
}

std::string TextTemplate::render(const std::function<std::string(const std::string&)>& lookup) const {
  std::string out;
  for (const Part& part : parts_) {
    out += part.literal;
    if (!part.name.empty()) out += part.strip ? stripped(lookup(part.name)) : lookup(part.name);
  }
  return out;
}

std::set<std::string> TextTemplate::names() const {
  std::set<std::string> out;
  for (const Part& part : parts_) {
    if (!part.name.empty()) out.insert(part.name);
  }
  return out;
}

std::string stripped(std::string_view text) {
  constexpr std::string_view blanks = " \t\n\r\v\f";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(blanks) - first + 1));
}

}  // namespace moe::eval

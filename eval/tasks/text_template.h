// Prompt templates: literal text with {placeholders}, nothing more, so that a task file cannot run anything.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace moe::eval {

// `{name}` is replaced by a field of the document, `{name|strip}` by the field without surrounding white space;
// `{{` and `}}` stand for braces. What is put in is never read again as a template.
class TextTemplate {
 public:
  TextTemplate() = default;
  // Throws Error (config) with `file` and `thing` (the key path) on a stray or unclosed brace or an unknown filter.
  TextTemplate(std::string_view text, const std::string& file, const std::string& thing);

  // `lookup` gives a field's text and throws for a name it does not know.
  std::string render(const std::function<std::string(const std::string&)>& lookup) const;
  std::set<std::string> names() const;
  const std::string& source() const { return source_; }
  bool empty() const { return source_.empty(); }

 private:
  struct Part {
    std::string literal;  // stands before the placeholder
    std::string name;     // empty: no placeholder follows
    bool strip = false;
  };
  std::string source_;
  std::vector<Part> parts_;
};

// Without white space at both ends: ASCII blanks and line ends.
std::string stripped(std::string_view text);

}  // namespace moe::eval

// A parsed template that can be rendered any number of times.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/error.h"
#include "engine/text/template/evaluator.h"
#include "engine/text/template/value.h"

namespace moe {

// A fault of a template or a conversation it refuses: what() is one line "file: line N: message".
class TemplateError : public Error {
 public:
  TemplateError(ErrorKind kind, const std::string& file, int line, const std::string& message);
  int line() const noexcept { return line_; }
  // The bare message, e.g. what the template passed to raise_exception.
  const std::string& message() const noexcept { return message_; }

 private:
  int line_;
  std::string message_;
};

namespace jinja {

class Template {
 public:
  // Longer sources are refused.
  static constexpr std::size_t kLongestSource = std::size_t{4} << 20;

  // `name` stands for the template in errors. Throws TemplateError: format for bad syntax or bytes that are
  // not UTF-8, limit for deep nesting, unsupported for what this interpreter leaves out.
  Template(std::string_view source, std::string name);
  ~Template();
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;

  // Renders with the variables of `context`. Throws TemplateError. Thread-safe: each call has state of its
  // own.
  std::string render(const Dict& context, const Limits& limits, const Clock& clock) const;

  const std::string& name() const { return name_; }
  // Whether the template mentions a variable of this name (in any scope).
  bool mentions(std::string_view variable) const;

 private:
  std::string name_;
  std::unique_ptr<struct Tree> tree_;
};

// The local time of this machine.
std::tm local_time();

}  // namespace jinja
}  // namespace moe

// Parsing and rendering, with faults told as TemplateError.
#include "engine/text/template/template.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/text/template/ast.h"
#include "engine/text/template/lexer.h"
#include "engine/text/template/unicode.h"

namespace moe {

TemplateError::TemplateError(ErrorKind kind, const std::string& file, int line, const std::string& message)
    : Error(kind, Fault{file, line > 0 ? fmt::format("line {}: {}", line, message) : message, {}, {}}),
      line_(line),
      message_(message) {}

namespace jinja {

Template::Template(std::string_view source, std::string name)
    : name_(std::move(name)), tree_(std::make_unique<Tree>()) {
  if (source.size() > kLongestSource) {
    throw TemplateError(
        ErrorKind::limit, name_, 0,
        fmt::format("expected a template of at most {} bytes, found {}", kLongestSource, source.size()));
  }
  if (!utf8::valid(source))
    throw TemplateError(ErrorKind::format, name_, 0, "expected UTF-8 text, found other bytes");
  try {
    parse(source, *tree_);
  } catch (const SyntaxFailure& failure) {
    throw TemplateError(failure.kind(), name_, failure.line(), failure.what());
  } catch (const Failure& failure) {
    throw TemplateError(failure.kind(), name_, 0, failure.what());
  }
}

Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

std::string Template::render(const Dict& context, const Limits& limits, const Clock& clock) const {
  try {
    return Interpreter(*tree_, context, limits, clock).render();
  } catch (const SyntaxFailure& failure) {
    throw TemplateError(failure.kind(), name_, failure.line(), failure.what());
  } catch (const Failure& failure) {
    throw TemplateError(failure.kind(), name_, 0, failure.what());
  }
}

bool Template::mentions(std::string_view variable) const {
  return std::find(tree_->symbols.begin(), tree_->symbols.end(), variable) != tree_->symbols.end();
}

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm out{};
  localtime_r(&now, &out);
  return out;
}

}  // namespace jinja
}  // namespace moe

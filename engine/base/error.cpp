#include "engine/base/error.h"

#include <fmt/format.h>

#include "engine/base/utf8.h"

namespace moe {
namespace {

constexpr std::size_t kLongestPart = 400;

// Keeps a message on one line of valid UTF-8, whatever bytes a hostile file put into a name.
std::string one_line(std::string_view text) {
  std::string out;
  while (!text.empty() && out.size() < kLongestPart) {
    const std::size_t length = utf8::whole_character(text);
    const auto byte = static_cast<unsigned char>(text.front());
    if (length == 0 || byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  if (!text.empty()) out += "...";
  return out;
}

}  // namespace

std::string describe(const Fault& fault) {
  std::string out;
  const auto add = [&out](std::string_view separator, std::string_view part) {
    if (part.empty()) return;
    if (!out.empty()) out += separator;
    out += part;
  };
  add("", one_line(fault.file));
  add(": ", one_line(fault.thing));
  if (!fault.expected.empty()) add(": ", "expected " + one_line(fault.expected));
  if (!fault.found.empty()) add(fault.expected.empty() ? ": " : ", ", "found " + one_line(fault.found));
  return out;
}

Error::Error(ErrorKind kind, Fault fault)
    : std::runtime_error(describe(fault)), kind_(kind), fault_(std::move(fault)) {}

Error::Error(ErrorKind kind, std::string_view message)
    : std::runtime_error(one_line(message)), kind_(kind), fault_{"", std::string(message), "", ""} {}

}  // namespace moe

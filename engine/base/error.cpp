#include "engine/base/error.h"

#include <fmt/format.h>

namespace moe {
namespace {

constexpr std::size_t kLongestPart = 400;

// Keeps a message on one line whatever bytes a hostile file put into a name.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kLongestPart)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  if (text.size() > kLongestPart) out += "...";
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

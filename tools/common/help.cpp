#include "tools/common/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string_view>

namespace moe::tools {
namespace {

constexpr std::size_t kLeft = 32, kWidth = 112;

// "INT:INT in [1 - 64]" -> "N"; "TEXT:{f32,bf16}" -> "f32|bf16"; a flag has none.
std::string value_word(const CLI::Option& option) {
  if (option.get_type_size() == 0) return "";
  const std::string type = option.get_type_name();
  const std::string base = type.substr(0, type.find(':'));
  if (base == "BOOLEAN") return "on|off";
  if (base == "INT" || base == "UINT") return "N";
  if (base == "FLOAT") return "X";
  if (base != "TEXT" || type.size() < 7 || type[5] != '{') return base;
  std::string values = type.substr(6, type.find('}') - 6);
  std::ranges::replace(values, ',', '|');
  return values;
}

// "-m,--model" -> "-m, --model".
std::string spaced(const std::string& names) {
  std::string out;
  for (const char c : names) out += c == ',' ? std::string(", ") : std::string(1, c);
  return out;
}

std::string default_of(const CLI::Option& option) {
  std::string text = option.get_default_str();
  if (text.size() > 1 && text.front() == '[') text = text.substr(1, text.size() - 2);
  return text.empty() || option.get_type_size() == 0 ? "" : fmt::format(" [{}]", text);
}

// `right` wrapped at words into the second column.
std::string row(const std::string& left, const std::string& right) {
  std::string out = "  " + left;
  std::size_t column = out.size();
  if (column + 2 > kLeft) {
    out += '\n';
    column = 0;
  }
  out.append(kLeft - column, ' ');
  column = kLeft;
  std::istringstream words(right);
  for (std::string word; words >> word;) {
    if (column > kLeft && column + 1 + word.size() > kWidth) {
      out += '\n' + std::string(kLeft, ' ');
      column = kLeft;
    }
    if (column > kLeft) out += ' ';
    column += word.size() + (column > kLeft ? 1 : 0);
    out += word;
  }
  return out + '\n';
}

}  // namespace

HelpFormatter::HelpFormatter() {
  label("Positionals", "Arguments");
  label("Subcommands", "Commands");
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool positional) const {
  const std::string value = value_word(*option);
  std::string left = positional ? option->get_name(true, false) : spaced(option->get_name(false, true));
  if (!positional && !value.empty()) left += ' ' + value;
  const std::string needed = option->get_required() && !positional ? " (required)" : "";
  return row(left, option->get_description() + needed + default_of(*option));
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return row(command->get_name(), command->get_description());
}

std::string HelpFormatter::make_expanded(const CLI::App* group) const {
  // A group inherits --help, which the program has said already.
  const auto own = [group](const CLI::Option* option) { return option != group->get_help_ptr(); };
  return make_group(group->get_group(), false, group->get_options(own));
}

// Without CLI11's remark on how many of a group's options may be given: the parser says it when it matters.
std::string HelpFormatter::make_description(const CLI::App* app) const {
  return app->get_description().empty() ? "" : app->get_description() + "\n";
}

}  // namespace moe::tools

// How --help looks in every program.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace moe::tools {

// Two columns: the flag with a short word for its value, then what it means, wrapped, with its default at the
// end. Groups of options stand under their own titles.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter();
  std::string make_option(const CLI::Option* option, bool positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
  std::string make_expanded(const CLI::App* group) const override;
  std::string make_description(const CLI::App* app) const override;
};

}  // namespace moe::tools

// PCRE2 patterns that always come back: bounded matching over untrusted text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moe::eval {

// Thread-safe once built.
class Pattern {
 public:
  // Throws Error (config) naming `file` and `thing` where it does not compile.
  Pattern(const std::string& pattern, const std::string& file, const std::string& thing);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  // One match as Python's re.findall sees it: the groups, or the whole match where there are none. Matches that do
  // not overlap, from the left. Where a bound is reached the matches found so far are returned.
  std::vector<std::vector<std::string>> find_all(std::string_view text) const;

  // Every match removed.
  std::string remove_all(std::string_view text) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace moe::eval

// Regular expressions of tokenizer files: written for Oniguruma, run by PCRE2 with JIT under a match limit.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace moe {

// Immutable after construction; any number of threads may match with one object.
class Regex {
 public:
  // Throws Error (format or unsupported) naming `file` and `thing` when the pattern cannot be compiled.
  Regex(std::string_view pattern, std::string_view file, std::string_view thing);
  static Regex literal(std::string_view text, std::string_view file, std::string_view thing);

  // Walks the matches in valid UTF-8 from left to right. An empty match right after the match before it is
  // passed over, as Oniguruma's and Rust's iterators do.
  class Matches {
   public:
    Matches(const Regex& regex, std::string_view text);
    // Throws Error (limit) when a search takes too many steps, or the text too much time.
    bool next(std::size_t& start, std::size_t& end);

   private:
    [[noreturn]] void fail(std::string_view why) const;
    double look_at_clock();

    const Regex& regex_;
    std::string_view text_;
    std::string
        stand_in_;  // the text with newer characters replaced by older ones of the same class and length
    std::size_t at_ = 0;
    std::size_t last_end_ = std::string::npos;
    std::uint32_t window_ = 128;  // starts tried in one call of PCRE2
    double deadline_ = 0;         // in the thread's CPU seconds; 0 until the clock is first looked at
  };

  const std::string& pattern() const noexcept { return pattern_; }

 private:
  Regex(std::string_view pattern, std::string translated, std::string_view file, std::string_view thing);

  std::string pattern_;
  std::string file_, thing_;
  std::shared_ptr<const void> code_;
};

// The PCRE2 form of an Oniguruma pattern. Throws Error (unsupported) for what PCRE2 cannot say: set
// operations in brackets, sets within sets.
std::string pcre2_pattern(std::string_view oniguruma, std::string_view file, std::string_view thing);

}  // namespace moe

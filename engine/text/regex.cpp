// Regular expressions of tokenizer files: written for Oniguruma, run by PCRE2 with JIT under a match limit.
#include "engine/text/regex.h"

#include <fmt/format.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/utf8.h"
#include "engine/text/unicode.h"

namespace moe {
namespace {

constexpr std::size_t max_pattern = 1 << 16;
// Backtracking steps from one start: real patterns take a few for each character of the longest run they
// meet.
constexpr std::uint32_t least_match_limit = 10'000, most_match_limit = 20'000'000, steps_a_byte = 32;
// One call tries a window of starts, which grows while calls are quick; between calls the clock is looked at.
// That bounds a pattern that is slow from every start.
constexpr std::uint32_t least_window = 128, most_window = 1 << 30;
constexpr double quick = 0.01;
constexpr std::size_t bytes_a_look = 4096;
constexpr double seconds = 5, seconds_a_byte = 10e-6;
constexpr std::size_t jit_stack_max = 8 << 20;

// What a thread needs to match: made once, reused by every pattern.
struct MatchState {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 << 10, jit_stack_max, nullptr);
  double last_look = 0;  // at the clock

  MatchState() {
    if (!data || !context || !stack) throw std::bad_alloc();
    pcre2_set_heap_limit(context, 64 << 10);  // KiB, for matching without JIT
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~MatchState() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
  MatchState(const MatchState&) = delete;
  MatchState& operator=(const MatchState&) = delete;
};

MatchState& match_state() {
  thread_local MatchState state;
  return state;
}

// CPU time of this thread: a busy machine must not make a pattern fail.
double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

std::string message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

// For characters that PCRE2 may not know yet: an old one of the same category, script kind and length.
struct StandIns {
  std::array<std::array<char32_t, 5>, 32> by_length{};  // [category][UTF-8 length]

  StandIns() {
    const unicode::Traits* traits = unicode::table();
    const auto fill = [&](char32_t first, char32_t last, std::size_t length) {
      for (char32_t c = first; c <= last; ++c) {
        char32_t& slot = by_length[traits[c] & unicode::category_mask][length];
        if (slot == 0 && (traits[c] & unicode::newer) == 0) slot = c;
      }
    };
    fill(0xa000, 0xd7ff, 3);
    fill(0x800, 0xffff, 3);
    fill(0x10280, 0x1ffff, 4);
    fill(0x10000, 0x10ffff, 4);
  }
};

bool is_newer_han(char32_t c) { return c >= 0x20000 && c <= 0x3ffff; }

// Empty where the text holds no newer character.
std::string with_stand_ins(std::string_view text) {
  static const StandIns stand_ins;
  const unicode::Traits* traits = unicode::table();
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0xe0) {
      at += lead < 0x80 ? 1 : 2;
      continue;
    }
    const std::size_t start = at;
    const char32_t c = utf8::next(text, at);
    if ((traits[c] & unicode::newer) == 0) continue;
    const char32_t stand_in =
        is_newer_han(c) ? U'\U00020000' : stand_ins.by_length[traits[c] & unicode::category_mask][at - start];
    if (stand_in == 0) continue;
    if (out.empty()) out = text;
    out.replace(start, at - start, utf8::encode(stand_in));
  }
  return out;
}

}  // namespace

Regex::Regex(std::string_view pattern, std::string_view file, std::string_view thing)
    : Regex(pattern, pattern.size() > max_pattern ? std::string() : pcre2_pattern(pattern, file, thing), file,
            thing) {}

Regex Regex::literal(std::string_view text, std::string_view file, std::string_view thing) {
  std::string quoted;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') &&
        !(c >= 'a' && c <= 'z'))
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    else
      quoted += c;
  }
  return Regex(text, quoted, file, thing);
}

Regex::Regex(std::string_view pattern, std::string translated, std::string_view file, std::string_view thing)
    : pattern_(pattern), file_(file), thing_(thing) {
  if (pattern.size() > max_pattern)
    throw Error(ErrorKind::limit,
                Fault{file_, thing_, fmt::format("a pattern of at most {} bytes", max_pattern),
                      fmt::format("{} bytes", pattern.size())});
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  if (!context) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), 250);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, &error,
      &offset, context.get());
  if (!code)
    throw Error(ErrorKind::unsupported, Fault{file_, thing_, "a regular expression that PCRE2 can compile",
                                              fmt::format("'{}' ({})", pattern_, message(error))});
  code_ = std::shared_ptr<const void>(
      code, [](const void* p) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p))); });
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where there is no JIT, pcre2_match() interprets
}

Regex::Matches::Matches(const Regex& regex, std::string_view text)
    : regex_(regex), text_(text), stand_in_(with_stand_ins(text)) {
  if (!stand_in_.empty()) text_ = stand_in_;
}

void Regex::Matches::fail(std::string_view why) const {
  throw Error(ErrorKind::limit,
              Fault{regex_.file_, regex_.thing_, "a regular expression that matches within bounds",
                    fmt::format("'{}' ({})", regex_.pattern_, why)});
}

double Regex::Matches::look_at_clock() {
  const double now = thread_seconds();
  if (deadline_ == 0) deadline_ = now + seconds + seconds_a_byte * static_cast<double>(text_.size());
  if (now > deadline_) fail("it takes too long");
  return now - std::exchange(match_state().last_look, now);
}

bool Regex::Matches::next(std::size_t& start, std::size_t& end) {
  MatchState& state = match_state();
  const auto* code = static_cast<const pcre2_code*>(regex_.code_.get());
  for (;;) {
    if (at_ > text_.size()) return false;
    // Set for each call: another pattern may be half through a text of its own in this thread.
    pcre2_set_match_limit(state.context,
                          static_cast<std::uint32_t>(std::min<std::size_t>(
                              most_match_limit, least_match_limit + steps_a_byte * text_.size())));
    pcre2_set_offset_limit(state.context, at_ + window_);
    const int result = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(), at_,
                                   PCRE2_NO_UTF_CHECK, state.data, state.context);
    if (result == PCRE2_ERROR_NOMATCH) {
      at_ += window_ + 1;
      const bool slow = look_at_clock() > quick;
      window_ = slow ? std::max(least_window, window_ / 2) : std::min(most_window, window_ * 2);
      while (at_ < text_.size() && (static_cast<unsigned char>(text_[at_]) & 0xc0) == 0x80) ++at_;
      continue;
    }
    if (result < 0) fail(message(result));
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(state.data);
    start = bounds[0];
    end = bounds[1];
    if (end < start) start = end;  // \K in a lookahead
    if (start == end && end == last_end_) {
      // No empty match right after a match: go on one character later.
      at_ =
          end < text_.size() ? end + utf8::length_from_lead(static_cast<unsigned char>(text_[end])) : end + 1;
      continue;
    }
    if (at_ / bytes_a_look != end / bytes_a_look) look_at_clock();
    at_ = end;
    last_end_ = end;
    return true;
  }
}

}  // namespace moe

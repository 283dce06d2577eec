// PCRE2 patterns with bounds.
#include "eval/util/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include "engine/base/error.h"

namespace moe::eval {
namespace {

constexpr std::uint32_t kMatchLimit = 5'000'000;  // backtracking steps: some tens of milliseconds
constexpr std::uint32_t kHeapKib = 64 * 1024;

struct CodeFree {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};

}  // namespace

struct Pattern::Code {
  std::unique_ptr<pcre2_code, CodeFree> code;
  std::unique_ptr<pcre2_match_context, CodeFree> context;

  // Calls visit(ovector, groups) for each match.
  template <typename Visit>
  void each(std::string_view text, Visit visit) const {
    std::unique_ptr<pcre2_match_data, CodeFree> data(pcre2_match_data_create_from_pattern(code.get(), nullptr));
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    std::size_t start = 0;
    bool after_empty = false;
    while (start <= text.size()) {
      const int count = pcre2_match(code.get(), subject, text.size(), start,
                                    after_empty ? PCRE2_NOTEMPTY_ATSTART : 0, data.get(), context.get());
      if (count < 0) break;  // no match, a bound, or invalid UTF-8
      const PCRE2_SIZE* spans = pcre2_get_ovector_pointer(data.get());
      visit(spans, static_cast<std::size_t>(count));
      // As Python does, an empty match may not be found twice at one place.
      after_empty = spans[1] == spans[0];
      start = spans[1] > start ? spans[1] : start;
      if (after_empty && start >= text.size()) break;
    }
  }
};

Pattern::Pattern(const std::string& pattern, const std::string& file, const std::string& thing)
    : code_(std::make_unique<Code>()) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                  PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &error, &offset, nullptr));
  if (!code_->code) {
    char message[256] = "";
    pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(message), sizeof message);
    throw Error(ErrorKind::config, Fault{file, thing, "a pattern that compiles",
                                         fmt::format("\"{}\": {} at {}", pattern, message, offset)});
  }
  code_->context.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(code_->context.get(), kMatchLimit);
  pcre2_set_heap_limit(code_->context.get(), kHeapKib);
}

Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

std::vector<std::vector<std::string>> Pattern::find_all(std::string_view text) const {
  std::uint32_t groups = 0;
  pcre2_pattern_info(code_->code.get(), PCRE2_INFO_CAPTURECOUNT, &groups);
  std::vector<std::vector<std::string>> out;
  code_->each(text, [&](const PCRE2_SIZE* spans, std::size_t count) {
    std::vector<std::string> match;
    for (std::size_t g = groups == 0 ? 0 : 1; g <= groups; ++g) {
      const bool set = g < count && spans[2 * g] != PCRE2_UNSET;
      match.emplace_back(set ? text.substr(spans[2 * g], spans[2 * g + 1] - spans[2 * g]) : std::string_view());
    }
    out.push_back(std::move(match));
  });
  return out;
}

std::string Pattern::remove_all(std::string_view text) const {
  std::string out;
  std::size_t kept = 0;
  code_->each(text, [&](const PCRE2_SIZE* spans, std::size_t) {
    if (spans[0] > kept) out += text.substr(kept, spans[0] - kept);
    if (spans[1] > kept) kept = spans[1];
  });
  return out + std::string(text.substr(kept));
}

}  // namespace moe::eval

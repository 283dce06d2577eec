// The JSON reader against nlohmann's own parser: both accept the same texts and find the same values in them.
#include <nlohmann/json.hpp>

#include "engine/base/json.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moe;
  const std::string_view text = fuzz::text(data, size);
  JsonLimits limits;
  limits.depth = 1000;
  limits.unique_keys = false;
  nlohmann::json ours;
  const bool accepted = fuzz::succeeds([&] { ours = parse_json(text, "fuzz", limits); });
  const nlohmann::json theirs = nlohmann::json::parse(text, nullptr, false);
  if (accepted) {
    fuzz::check(!theirs.is_discarded() && theirs == ours);
  } else if (text.find('\0') == std::string_view::npos) {  // a zero byte ends the text for the other parser
    // Beyond the depth we refuse what the other accepts.
    limits.depth = size;
    fuzz::check(theirs.is_discarded() || fuzz::succeeds([&] { parse_json(text, "fuzz", limits); }));
  }
  // The stricter and the laxer setting must stand as well; and what is laxer accepts no less.
  limits.depth = 8;
  limits.values = 1000;
  limits.unique_keys = true;
  const bool strict = fuzz::succeeds([&] { parse_json(text, "fuzz", limits); });
  limits.allow_non_finite = true;
  limits.unique_keys = false;
  const bool lax = fuzz::succeeds([&] { parse_json(text, "fuzz", limits); });
  fuzz::check(!strict || (accepted && lax));
  return 0;
}

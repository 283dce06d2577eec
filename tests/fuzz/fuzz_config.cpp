// config.json: every getter on every key either answers within its bounds or throws a typed error.
#include <cmath>

#include "engine/checkpoint/config.h"
#include "tests/fuzz/fuzz.h"

namespace {

using moe::Config;
using moe::fuzz::check;
using moe::fuzz::succeeds;

void walk(const Config& config, int depth) {
  if (depth > 4) return;
  int budget = 20;
  for (const std::string& key : config.keys()) {
    if (--budget < 0) return;
    check(config.has(key));
    succeeds([&] { check(config.dimension(key, 4096) >= 1 && config.dimension(key, 4096) <= 4096); });
    succeeds([&] { check(config.integer(key, -5, 5) <= 5); });
    succeeds([&] { config.integer(key); });
    succeeds([&] { check(std::isfinite(config.number(key))); });
    succeeds([&] { check(config.positive(key) > 0); });
    succeeds([&] { config.boolean(key); });
    succeeds([&] { config.string(key); });
    succeeds([&] { config.integers(key); });
    succeeds([&] { config.numbers(key); });
    succeeds([&] { config.strings(key); });
    succeeds([&] { config.booleans(key); });
    succeeds([&] { config.integer_list(key, 0); });
    succeeds([&] { walk(config.section(key), depth + 1); });
    succeeds([&] {
      for (const Config& part : config.sections(key)) walk(part, depth + 1);
    });
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  succeeds([&] { walk(Config::parse(moe::fuzz::text(data, size), "fuzz"), 0); });
  return 0;
}

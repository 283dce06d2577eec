// What the golden tests share: a case with its model loaded, and runs of a prompt in different ways.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <vector>

#include "engine/base/error.h"
#include "engine/runtime/executor.h"
#include "models/registry.h"
#include "tests/support/golden.h"
#include "tests/support/same_bits.h"

namespace moe::test {

// One case, its model loaded; a family this build does not know skips the test by name.
class GoldenTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    golden_ = read_golden(GetParam());
    try {
      model_ = models::load_model(golden_.directory);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::unsupported && error.fault().thing == "model_type") {
        GTEST_SKIP() << "family " << golden_.family << " is not registered";
      }
      throw;
    }
  }

  GoldenModel golden_;
  std::shared_ptr<const Model> model_;
};

// All logits of a prompt [tokens, V], fed in chunks of `chunk`.
inline std::vector<float> prompt_logits(Executor& executor, std::span<const std::int32_t> ids, std::size_t chunk,
                                        Sequence* keep = nullptr) {
  Sequence sequence = executor.new_sequence();
  sequence.expect_length(std::int32_t(ids.size()));
  std::vector<float> logits;
  for (std::size_t at = 0; at < ids.size(); at += chunk) {
    const Feed feed{&sequence, ids.subspan(at, std::min(chunk, ids.size() - at)), LogitsWanted::all};
    const auto rows = executor.forward({&feed, 1});
    logits.insert(logits.end(), rows.begin(), rows.end());
  }
  if (keep != nullptr) *keep = sequence;
  return logits;
}

inline std::string case_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

}  // namespace moe::test

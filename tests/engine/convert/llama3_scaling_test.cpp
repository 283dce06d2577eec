// Llama 3's RoPE parameters found again from their factors.
#include "engine/convert/llama3_scaling.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "tests/engine/convert/support.h"

namespace moe {
namespace {

struct Case {
  double theta, factor, low, high, original;
  std::int64_t dim;
};

std::vector<float> factors_of(const Case& c) {
  std::vector<float> out;
  for (std::int64_t i = 0; i < c.dim / 2; ++i) {
    const double wave =
        2 * std::numbers::pi * std::pow(c.theta, 2.0 * static_cast<double>(i) / static_cast<double>(c.dim));
    double factor = 1;
    if (wave > c.original / c.low) {
      factor = c.factor;
    } else if (wave >= c.original / c.high) {
      const double smooth = (c.original / wave - c.low) / (c.high - c.low);
      factor = 1 / ((1 - smooth) / c.factor + smooth);
    }
    out.push_back(static_cast<float>(factor));
  }
  return out;
}

nlohmann::json scaling(std::vector<float> factors, double theta, std::int64_t dim) {
  const std::string empty = testing::Bytes().raw("GGUF").u32(3).u64(0).u64(0).text();
  const GgufFile file(testing::as_bytes(empty), "a.gguf");
  GgufTensor tensor;
  tensor.name = "rope_freqs.weight";
  tensor.shape = {factors.size()};
  tensor.elements = factors.size();
  tensor.data = std::as_bytes(std::span(factors));
  return llama3_scaling_from_factors(file, tensor, theta, dim);
}

TEST(Llama3Scaling, FindsTheParametersAgain) {
  for (const Case& c : {Case{500000, 8, 1, 4, 8192, 128}, Case{500000, 32, 1, 4, 8192, 64},
                        Case{10000, 16, 1, 8, 4096, 128}, Case{1000000, 4, 1, 2, 2048, 256}}) {
    const auto found = scaling(factors_of(c), c.theta, c.dim);
    EXPECT_EQ(found.at("rope_type"), "llama3");
    EXPECT_EQ(found.at("factor"), c.factor);
    EXPECT_EQ(found.at("low_freq_factor"), c.low);
    EXPECT_NEAR(found.at("high_freq_factor").get<double>(), c.high, 1e-3);
    EXPECT_NEAR(found.at("original_max_position_embeddings").get<double>(), c.original, 1);
  }
}

TEST(Llama3Scaling, OnesAreNoScaling) {
  EXPECT_TRUE(scaling(std::vector<float>(32, 1.0f), 10000, 64).is_null());
}

TEST(Llama3Scaling, RefusesOtherTables) {
  const auto unsupported = ErrorKind::unsupported;
  std::vector<float> longrope;
  for (int i = 0; i < 32; ++i) longrope.push_back(1.0f + 0.3f * static_cast<float>(i));
  testing::expect_error(unsupported, {"rope_freqs.weight", "Llama 3"}, [&] { scaling(longrope, 10000, 64); });
  testing::expect_error(unsupported, {"from 1"}, [&] { scaling(std::vector<float>(32, 0.5f), 10000, 64); });
  testing::expect_error(unsupported, {"from 1"}, [&] { scaling(std::vector<float>(32, NAN), 10000, 64); });
  testing::expect_error(ErrorKind::format, {"32 numbers"},
                        [&] { scaling(std::vector<float>(31, 1.0f), 10000, 64); });
}

}  // namespace
}  // namespace moe

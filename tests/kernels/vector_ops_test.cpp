// Norms, rotations, activations, softmax: against double references, and every table bit for bit with scalar.
#include <algorithm>
#include <functional>
#include <span>

#include "kernels/scalar_math.h"
#include "tests/kernels/support.h"

namespace moe::kernels::test {
namespace {

const std::vector<std::int64_t>& sizes() {
  static const std::vector<std::int64_t> all = {1,  2,  3,  7,  8,  9,   15,  16,   17,
                                                24, 31, 32, 33, 64, 100, 257, 1024, 1531};
  return all;
}

// Two heads, or one where n is small; w serves as the cosines and the sines.
void rotate(const KernelTable& t, std::int64_t n, float* v, const float* w, RopeLayout layout) {
  const int heads = n < 16 ? 1 : 2, half = static_cast<int>(n / heads / 2);
  t.rope(v, heads, n / heads, w, w + half, half, half, layout);
}

// One entry of the table over n numbers of v (in place), and as many of w; what it returns, or 0.
struct Operation {
  const char* name;
  std::function<double(const KernelTable&, std::int64_t n, float* v, const float* w)> run;
  float spread = 3.0F;  // deviation of v's numbers
};

// An operation that returns nothing.
template <typename F>
Operation in_place(const char* name, F run, float spread = 3.0F) {
  return {name,
          [run](const KernelTable& t, std::int64_t n, float* v, const float* w) {
            run(t, n, v, w);
            return 0.0;
          },
          spread};
}

const std::vector<Operation>& operations() {
  using T = KernelTable;
  using N = std::int64_t;
  using V = float*;
  using W = const float*;
  static const std::vector<Operation> all = {
      in_place("rmsnorm", [](const T& t, N n, V v, W w) { t.rmsnorm(v, w, false, 1e-6F, n, v); }),
      in_place("rmsnorm, 1 + w", [](const T& t, N n, V v, W w) { t.rmsnorm(v, w, true, 1e-5F, n, v); }),
      in_place("rmsnorm, no w", [](const T& t, N n, V v, W) { t.rmsnorm(v, nullptr, false, 1e-6F, n, v); }),
      in_place("softmax", [](const T& t, N n, V v, W) { t.softmax(v, n); }),
      in_place("silu_mul", [](const T& t, N n, V v, W w) { t.silu_mul(v, w, n, v); }),
      in_place("gelu_tanh_mul", [](const T& t, N n, V v, W w) { t.gelu_tanh_mul(v, w, n, v); }),
      in_place("clamped_swiglu", [](const T& t, N n, V v, W w) { t.clamped_swiglu(v, w, 1.702F, 7.0F, n, v); }, 6.0F),
      in_place("sigmoid", [](const T& t, N n, V v, W) { t.sigmoid(v, n, v); }),
      in_place("softcap", [](const T& t, N n, V v, W) { t.softcap(v, 2.5F, n, v); }),
      in_place("add", [](const T& t, N n, V v, W w) { t.add(v, w, n, v); }),
      in_place("scale", [](const T& t, N n, V v, W) { t.scale(v, 0.3F, n, v); }),
      in_place("scale_add", [](const T& t, N n, V v, W w) { t.scale_add(w, 0.3F, n, v); }),
      in_place("rope, halves", [](const T& t, N n, V v, W w) { rotate(t, n, v, w, RopeLayout::half_split); }),
      in_place("rope, neighbours", [](const T& t, N n, V v, W w) { rotate(t, n, v, w, RopeLayout::interleaved); }),
      {"dot", [](const T& t, N n, V v, W w) { return static_cast<double>(t.dot(v, w, n)); }},
      {"log_sum_exp", [](const T& t, N n, V v, W) { return t.log_sum_exp(v, n); }},
      {"top_k", [](const T& t, N n, V v, W) {
         const int k = static_cast<int>(std::min<N>(n, 8));
         std::vector<float> values(static_cast<std::size_t>(k));
         std::vector<std::int32_t> indices(values.size());
         t.top_k(v, n, k, values.data(), indices.data());
         std::uint32_t positions = 0;  // any number that tells them apart
         for (const std::int32_t index : indices) positions = positions * 2039 + static_cast<std::uint32_t>(index);
         std::copy(values.begin(), values.end(), v);
         return static_cast<double>(positions);
       }},
  };
  return all;
}

TEST(VectorOps, EveryTableGivesTheScalarBits) {
  const std::vector<float> w = random_floats(4096, 99);
  for (const Operation& operation : operations()) {
    for (const std::int64_t n : sizes()) {
      const std::vector<float> input =
          random_floats(static_cast<std::size_t>(n), static_cast<std::uint32_t>(n), operation.spread);
      std::vector<float> expected = input;
      const double expected_result = operation.run(scalar_table(), n, expected.data(), w.data());
      for (const KernelTable* table : exact_tables()) {
        std::vector<float> output = input;
        const double result = operation.run(*table, n, output.data(), w.data());
        ASSERT_TRUE(same_bits(expected_result, result) && same_bits(expected, output))
            << table->name << " " << operation.name << " n " << n;
      }
    }
  }
}

TEST(VectorOps, AlignmentChangesNothing) {
  constexpr std::size_t kCacheLine = 16;  // floats
  constexpr std::int64_t n = 387;
  const std::vector<float> w = random_floats(n, 99);
  alignas(64) float inputs[n + kCacheLine], weights[n + kCacheLine];
  for (const Operation& operation : operations()) {
    const std::vector<float> input = random_floats(n, 3, operation.spread);
    std::vector<float> expected = input;
    const double expected_result = operation.run(scalar_table(), n, expected.data(), w.data());
    for (const KernelTable* table : exact_tables()) {
      for (std::size_t offset = 0; offset < kCacheLine; ++offset) {
        const std::size_t other = (offset * 7 + 3) % kCacheLine;  // of the second operand
        std::ranges::fill(inputs, NAN);
        std::ranges::fill(weights, NAN);
        std::ranges::copy(input, &inputs[offset]);
        std::ranges::copy(w, &weights[other]);
        const double result = operation.run(*table, n, &inputs[offset], &weights[other]);
        ASSERT_TRUE(same_bits(expected_result, result) && same_bits(expected, std::span(inputs).subspan(offset, n)))
            << table->name << " " << operation.name << " at " << offset << " and " << other;
        for (std::size_t i = 0; i < std::size(inputs); ++i) {
          ASSERT_TRUE((i >= offset && i < offset + n) || std::isnan(inputs[i])) << operation.name << " wrote past its end";
        }
      }
    }
  }
}

TEST(VectorOps, RmsNormMatchesItsDefinition) {
  for (const KernelTable* table : exact_tables()) {
    for (const std::int64_t n : sizes()) {
      const std::vector<float> x = random_floats(static_cast<std::size_t>(n), 1),
                               w = random_floats(x.size(), 2);
      double squares = 0;
      for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
      const double factor = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
      std::vector<float> y(x.size());
      for (const int variant : {0, 1, 2}) {
        table->rmsnorm(x.data(), variant == 2 ? nullptr : w.data(), variant == 1, 1e-5F, n, y.data());
        for (std::size_t i = 0; i < x.size(); ++i) {
          const double weight = variant == 2 ? 1.0 : static_cast<double>(w[i]) + (variant == 1 ? 1.0 : 0.0);
          const double expected = static_cast<double>(x[i]) * factor * weight;
          // Chains of n / 16 and three roundings; 1 + w may cancel.
          const double terms = static_cast<double>(n) / 16 + 10;
          ASSERT_NEAR(y[i], expected, terms * 0x1p-24 * (std::fabs(expected) + std::fabs(x[i] * factor)));
        }
      }
    }
  }
}

TEST(VectorOps, RopeRotatesPairsInBothLayouts) {
  const int heads = 3, d = 70;
  for (const int half : {1, 5, 12, 16, 17, 35}) {
    const std::vector<float> angles = random_floats(static_cast<std::size_t>(half), 4);
    std::vector<float> cos(angles.size()), sin(angles.size());
    for (std::size_t j = 0; j < angles.size(); ++j)
      cos[j] = std::cos(angles[j]), sin[j] = std::sin(angles[j]);
    for (const RopeLayout layout : {RopeLayout::half_split, RopeLayout::interleaved}) {
      const std::vector<float> x = random_floats(static_cast<std::size_t>(heads * d), 7);
      std::vector<float> expected = x;
      for (int h = 0; h < heads; ++h) {
        for (int j = 0; j < half; ++j) {
          const auto a = static_cast<std::size_t>(h * d + (layout == RopeLayout::half_split ? j : 2 * j));
          const std::size_t b = layout == RopeLayout::half_split ? a + 35 : a + 1;
          const auto i = static_cast<std::size_t>(j);
          expected[a] = x[a] * cos[i] - x[b] * sin[i];
          expected[b] = x[b] * cos[i] + x[a] * sin[i];
        }
      }
      for (const KernelTable* table : exact_tables()) {
        std::vector<float> y = x;
        table->rope(y.data(), heads, d, cos.data(), sin.data(), half, 35, layout);
        ASSERT_TRUE(same_bits(expected, y)) << table->name << " half " << half;
      }
    }
  }
}

TEST(VectorOps, ActivationsMatchDoubleReferences) {
  std::vector<float> x;
  for (float v = -30.0F; v <= 30.0F; v += 0.0137F) x.push_back(v);
  const std::vector<float> one(x.size(), 1.0F);
  const auto n = static_cast<std::int64_t>(x.size());
  std::vector<float> y(x.size());
  const auto expect = [&](const char* what, double relative, const std::function<double(double)>& reference) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = reference(x[i]);
      ASSERT_NEAR(y[i], expected, relative * std::fabs(expected) + 1e-37) << what << " at " << x[i];
    }
  };
  for (const KernelTable* table : exact_tables()) {
    table->silu_mul(x.data(), one.data(), n, y.data());
    expect("silu", 6 * 0x1p-24, [](double v) { return v / (1 + std::exp(-v)); });
    table->sigmoid(x.data(), n, y.data());
    expect("sigmoid", 6 * 0x1p-24, [](double v) { return 1 / (1 + std::exp(-v)); });
    table->softcap(x.data(), 5.0F, n, y.data());
    expect("softcap", 6 * 0x1p-24, [](double v) { return 5 * std::tanh(v / 5); });
    table->gelu_tanh_mul(x.data(), one.data(), n, y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double v = x[i], u = std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v);
      const double expected = v / (1 + std::exp(-2 * u));
      // An argument rounded to f32 costs the exponential |argument| eps.
      ASSERT_NEAR(y[i], expected, (8 + 6 * std::fabs(u)) * 0x1p-24 * std::fabs(expected) + 1e-36)
          << "gelu at " << v;
    }
    table->clamped_swiglu(x.data(), x.data(), 1.702F, 7.0F, n, y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double g = std::min<double>(x[i], 7), u = std::clamp<double>(x[i], -7, 7);
      const double expected = (u + 1) * g / (1 + std::exp(-1.702 * g));
      ASSERT_NEAR(y[i], expected, (10 + 2 * std::fabs(g)) * 0x1p-24 * std::fabs(expected) + 1e-30) << x[i];
    }
  }
}

// Every 1001st float of the range where exp is neither 0 nor infinite.
std::vector<float> exp_sweep() {
  std::vector<float> x;
  for (std::uint32_t bits = 0; bits < std::bit_cast<std::uint32_t>(kExpHigh); bits += 1001) {
    x.push_back(std::bit_cast<float>(bits));
    if (-x.back() > kExpLow) x.push_back(-x.back());
  }
  return x;
}

TEST(VectorOps, ExpIsWithinTwoUlp) {
  double worst = 0;
  for (const float v : exp_sweep()) {
    const double expected = std::exp(static_cast<double>(v));
    const double ulp = std::ldexp(1.0, std::max(-126, std::ilogb(expected)) - 23);
    worst = std::max(worst, std::fabs(static_cast<double>(exp_f32(v)) - expected) / ulp);
  }
  EXPECT_LT(worst, 2.0);
  RecordProperty("worst_ulp", std::to_string(worst));
  EXPECT_EQ(exp_f32(0.0F), 1.0F);
  EXPECT_EQ(exp_f32(-0.0F), 1.0F);
  EXPECT_EQ(exp_f32(kExpLow), std::exp(kExpLow));
  EXPECT_EQ(exp_f32(std::nextafter(kExpLow, -100.0F)), 0.0F);
  EXPECT_TRUE(std::isfinite(exp_f32(kExpHigh)));
  EXPECT_EQ(exp_f32(std::nextafter(kExpHigh, 100.0F)), INFINITY);
  EXPECT_EQ(std::exp(std::nextafter(kExpHigh, 100.0F)), INFINITY) << "no finite result is given up";
}

// exp of negative arguments is what softmax of (v, 0) gives but for one division; sigmoid shows it for
// positive ones.
TEST(VectorOps, ExpHasTheScalarBitsEverywhere) {
  std::vector<float> x = exp_sweep();
  for (const float v : {88.5F, 89.0F, 1000.0F, INFINITY, 87.0F, 87.4F, 88.0F, 1e-45F, 0.0F}) {
    x.push_back(v);
    x.push_back(-v);
  }
  const auto n = static_cast<std::int64_t>(x.size());
  std::vector<float> expected(x.size()), y(x.size());
  scalar_table().sigmoid(x.data(), n, expected.data());
  std::vector<float> expected_softmax = x;
  for (float& v : expected_softmax) v = v > 0 ? -v : v;
  const std::vector<float> nonpositive = expected_softmax;
  scalar_table().softmax(expected_softmax.data(), n);
  for (const KernelTable* table : exact_tables()) {
    table->sigmoid(x.data(), n, y.data());
    EXPECT_TRUE(same_bits(expected, y)) << table->name;
    y = nonpositive;
    table->softmax(y.data(), n);
    EXPECT_TRUE(same_bits(expected_softmax, y)) << table->name;
  }
}

TEST(VectorOps, SoftmaxSumsToOneAndMatches) {
  for (const KernelTable* table : exact_tables()) {
    for (const std::int64_t n : sizes()) {
      const std::vector<float> x = random_floats(static_cast<std::size_t>(n), 21, 8.0F);
      std::vector<float> y = x;
      table->softmax(y.data(), n);
      const double most = *std::max_element(x.begin(), x.end());
      double sum = 0, total = 0;
      for (const float v : x) sum += std::exp(v - most);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double expected = std::exp(x[i] - most) / sum;
        const double relative = (8 + 0.5 * std::fabs(x[i] - most) + static_cast<double>(n) / 16) * 0x1p-23;
        ASSERT_NEAR(y[i], expected, relative * expected + 1e-37);
        total += y[i];
      }
      EXPECT_NEAR(total, 1.0, 1e-5);
      EXPECT_NEAR(table->log_sum_exp(x.data(), n), most + std::log(sum), 1e-5);
    }
  }
}

TEST(VectorOps, SpecialValues) {
  const float inf = INFINITY;
  for (const KernelTable* table : exact_tables()) {
    std::vector<float> x = {-inf, 0.0F, -1000.0F};
    table->softmax(x.data(), 3);
    EXPECT_EQ(x, (std::vector<float>{0.0F, 1.0F, 0.0F})) << table->name;
    x = {1.0F, NAN, 2.0F};
    table->softmax(x.data(), 3);
    for (const float v : x) EXPECT_TRUE(std::isnan(v)) << table->name;
    x = {-inf, -inf};
    EXPECT_EQ(table->log_sum_exp(x.data(), 2), -inf);
    EXPECT_EQ(table->log_sum_exp(x.data(), 0), -inf);
    x = {inf, 0.0F};
    EXPECT_EQ(table->log_sum_exp(x.data(), 2), inf);
    x = {inf, NAN};
    EXPECT_TRUE(std::isnan(table->log_sum_exp(x.data(), 2)));
    x = {-inf, -200.0F, -88.0F, 0.0F, 89.0F, inf, NAN};
    std::vector<float> y(x.size());
    table->sigmoid(x.data(), 7, y.data());
    EXPECT_EQ(y[0], 0.0F);
    EXPECT_EQ(y[1], 0.0F);
    EXPECT_EQ(y[3], 0.5F);
    EXPECT_EQ(y[4], 1.0F);
    EXPECT_EQ(y[5], 1.0F);
    EXPECT_TRUE(std::isnan(y[6]));
    table->softcap(x.data(), 30.0F, 7, y.data());
    EXPECT_EQ(y[0], -30.0F);
    EXPECT_EQ(y[5], 30.0F);
    EXPECT_TRUE(std::isnan(y[6]));
    const std::vector<float> tiny = {1e-40F, -1e-40F};
    table->softcap(tiny.data(), 1.0F, 2, y.data());
    EXPECT_EQ(y[0], 1e-40F);
    EXPECT_EQ(y[1], -1e-40F);
  }
}

}  // namespace
}  // namespace moe::kernels::test

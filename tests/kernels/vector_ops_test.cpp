// Norms, rotations, activations, softmax: against double references, and every table bit for bit with scalar.
#include <algorithm>
#include <functional>

#include "kernels/scalar_math.h"
#include "tests/kernels/support.h"

namespace moe::kernels::test {
namespace {

const std::vector<std::int64_t>& sizes() {
  static const std::vector<std::int64_t> all = {1,  2,  3,  7,  8,  9,   15,  16,   17,
                                                24, 31, 32, 33, 64, 100, 257, 1024, 1531};
  return all;
}

// Runs `kernel(table, n, data)` (in place over data) on scalar and each table; outputs must be equal to the
// bit.
void expect_same_everywhere(
    const std::function<void(const KernelTable&, std::int64_t, std::vector<float>&)>& kernel,
    float spread = 3.0F) {
  for (const std::int64_t n : sizes()) {
    const std::vector<float> input =
        random_floats(static_cast<std::size_t>(n), static_cast<std::uint32_t>(n), spread);
    std::vector<float> expected = input;
    kernel(scalar_table(), n, expected);
    for (const KernelTable* table : exact_tables()) {
      std::vector<float> output = input;
      kernel(*table, n, output);
      ASSERT_TRUE(same_bits(expected, output)) << table->name << " n " << n;
    }
  }
}

TEST(VectorOps, EveryTableGivesTheScalarBits) {
  const std::vector<float> other = random_floats(4096, 99);
  const float* w = other.data();
  expect_same_everywhere([&](const KernelTable& t, std::int64_t n, std::vector<float>& v) {
    t.rmsnorm(v.data(), w, false, 1e-6F, n, v.data());
  });
  expect_same_everywhere([&](const KernelTable& t, std::int64_t n, std::vector<float>& v) {
    t.rmsnorm(v.data(), w, true, 1e-5F, n, v.data());
  });
  expect_same_everywhere([&](const KernelTable& t, std::int64_t n, std::vector<float>& v) {
    t.rmsnorm(v.data(), nullptr, false, 1e-6F, n, v.data());
  });
  expect_same_everywhere(
      [&](const KernelTable& t, std::int64_t n, std::vector<float>& v) { t.softmax(v.data(), n); });
  expect_same_everywhere([&](const KernelTable& t, std::int64_t n, std::vector<float>& v) {
    t.silu_mul(v.data(), w, n, v.data());
  });
  expect_same_everywhere([&](const KernelTable& t, std::int64_t n, std::vector<float>& v) {
    t.gelu_tanh_mul(v.data(), w, n, v.data());
  });
  expect_same_everywhere(
      [&](const KernelTable& t, std::int64_t n, std::vector<float>& v) {
        t.clamped_swiglu(v.data(), w, 1.702F, 7.0F, n, v.data());
      },
      6.0F);
  expect_same_everywhere(
      [&](const KernelTable& t, std::int64_t n, std::vector<float>& v) { t.sigmoid(v.data(), n, v.data()); });
  expect_same_everywhere([&](const KernelTable& t, std::int64_t n, std::vector<float>& v) {
    t.softcap(v.data(), 2.5F, n, v.data());
  });
  expect_same_everywhere(
      [&](const KernelTable& t, std::int64_t n, std::vector<float>& v) { t.add(v.data(), w, n, v.data()); });
  expect_same_everywhere([&](const KernelTable& t, std::int64_t n, std::vector<float>& v) {
    t.scale(v.data(), 0.3F, n, v.data());
  });
  expect_same_everywhere([&](const KernelTable& t, std::int64_t n, std::vector<float>& v) {
    t.scale_add(w, 0.3F, n, v.data());
  });
  expect_same_everywhere(
      [&](const KernelTable& t, std::int64_t n, std::vector<float>& v) { v[0] = t.dot(v.data(), w, n); });
  expect_same_everywhere([&](const KernelTable& t, std::int64_t n, std::vector<float>& v) {
    v[0] = static_cast<float>(t.log_sum_exp(v.data(), n));
  });
}

TEST(VectorOps, AlignmentChangesNothing) {
  const std::vector<float> input = random_floats(400, 3);
  for (const KernelTable* table : exact_tables()) {
    for (std::size_t offset = 0; offset < 16; ++offset) {
      std::vector<float> shifted(offset + 400);
      std::copy(input.begin(), input.end(), shifted.begin() + static_cast<std::ptrdiff_t>(offset));
      EXPECT_EQ(table->dot(&shifted[offset], &shifted[offset], 387),
                scalar_table().dot(input.data(), input.data(), 387));
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

// Selection of the largest: order, ties, NaN, every size class, equal on every table.
#include <algorithm>
#include <numeric>

#include "tests/kernels/support.h"

namespace moe::kernels::test {
namespace {

struct Selection {
  std::vector<float> values;
  std::vector<std::int32_t> indices;
};

Selection select_top(const KernelTable& table, const std::vector<float>& x, int k) {
  Selection s{std::vector<float>(static_cast<std::size_t>(k)),
              std::vector<std::int32_t>(static_cast<std::size_t>(k))};
  table.top_k(x.data(), static_cast<std::int64_t>(x.size()), k, s.values.data(), s.indices.data());
  return s;
}

std::vector<std::int32_t> sorted_indices(const std::vector<float>& x, int k) {
  std::vector<std::int32_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  const auto key = [&](std::int32_t i) { return std::isnan(x[static_cast<std::size_t>(i)]); };
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    if (key(a) != key(b)) return key(b);
    return !key(a) && x[static_cast<std::size_t>(a)] > x[static_cast<std::size_t>(b)];
  });
  order.resize(static_cast<std::size_t>(k));
  return order;
}

void expect_selection(const std::vector<float>& x, int k) {
  for (const KernelTable* table : exact_tables()) {
    const Selection s = select_top(*table, x, k);
    ASSERT_EQ(s.indices, sorted_indices(x, k)) << table->name << " n " << x.size() << " k " << k;
    for (std::size_t i = 0; i < s.values.size(); ++i) {
      const float expected = x[static_cast<std::size_t>(s.indices[i])];
      ASSERT_TRUE(s.values[i] == expected || (std::isnan(s.values[i]) && std::isnan(expected)));
    }
  }
}

TEST(TopK, AllSizesOfExpertsAndSelections) {
  for (const int n : {1, 2, 6, 8, 16, 17, 60, 64, 128, 256, 512, 1000, 1024}) {
    for (const int k : {0, 1, 2, 3, 4, 8, 10, 16, 64, 65, 200, n}) {
      if (k <= n)
        expect_selection(random_floats(static_cast<std::size_t>(n), static_cast<std::uint32_t>(n + k)), k);
    }
  }
}

TEST(TopK, AVocabulary) {
  const std::vector<float> x = random_floats(262144, 5);
  for (const int k : {1, 20, 50, 64, 100, 5000}) expect_selection(x, k);
}

TEST(TopK, TiesGoToTheLowestIndex) {
  std::vector<float> x(100, 1.0F);
  expect_selection(x, 8);
  expect_selection(x, 80);
  x[70] = 2.0F;
  x[71] = 2.0F;
  x[3] = -0.0F;
  x[2] = 0.0F;
  expect_selection(x, 5);
  expect_selection(x, 100);
}

TEST(TopK, NanIsSmallerThanEverything) {
  std::vector<float> x = random_floats(50, 6);
  x[0] = NAN;
  x[20] = NAN;
  x[21] = -INFINITY;
  x[22] = INFINITY;
  for (const int k : {1, 5, 47, 48, 49, 50}) expect_selection(x, k);
  expect_selection(std::vector<float>(70, NAN), 66);
  expect_selection(std::vector<float>(70, NAN), 3);
}

TEST(TopK, AscendingInputIsTheWorstCase) {
  std::vector<float> x(4096);
  std::iota(x.begin(), x.end(), 0.0F);
  for (const int k : {1, 8, 64, 65}) expect_selection(x, k);
}

}  // namespace
}  // namespace moe::kernels::test

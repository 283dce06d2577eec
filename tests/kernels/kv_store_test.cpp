// Several keys or values stored at once: the bytes that single ones leave, whatever the table.
#include <cmath>
#include <limits>

#include "tests/kernels/support.h"

namespace moe::kernels::test {
namespace {

using Bytes = std::vector<std::byte>;

// Numbers among which are ties of the rounding to bf16, denormals, and what is no number.
std::vector<float> some_floats(std::size_t n) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float special[] = {0x1.01p0F, 0x1.03p0F, -0x1.01p0F, 0x1p-140F, -0x1.8p-133F, 0.0F, -0.0F, 3.4e38F, kInfinity, -kInfinity,
                           std::numeric_limits<float>::quiet_NaN()};
  std::vector<float> x = random_floats(n, 91);
  for (std::size_t i = 0, at = 0; i < n; i += 7) x[i] = special[at++ % std::size(special)];
  return x;
}

struct Slots {
  int first, count;
};
constexpr Slots kSlots[] = {{0, 1}, {0, 16}, {16, 16}, {0, 32}, {0, 31}, {1, 31}, {15, 17}, {16, 15}, {5, 2}, {6, 2}, {7, 9}, {31, 1}};

TEST(KvStore, SeveralPositionsLeaveTheBytesOfSingleOnes) {
  constexpr std::int64_t kGap = 3;
  for (const KernelTable* table : exact_tables()) {
    for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8}) {
      for (const std::int64_t d : {1, 2, 15, 16, 17, 31, 32, 33, 48, 63, 64, 80, 128}) {
        const std::int64_t stride = d + kGap;
        const std::vector<float> x = some_floats(static_cast<std::size_t>(kKvBlock * stride));
        for (const auto& [first, count] : kSlots) {
          const auto check = [&](std::int64_t bytes, const char* what, auto one, auto several) {
            // Nothing else may change.
            Bytes expected(static_cast<std::size_t>(bytes), std::byte{0xA5}), got = expected;
            for (int i = 0; i < count; ++i) one(type, expected.data(), d, first + i, x.data() + i * stride);
            several(type, got.data(), d, first, count, x.data(), stride);
            ASSERT_EQ(expected, got) << table->name << " " << what << " " << kv_type_name(type) << " d " << d << " slots " << first
                                     << " + " << count;
          };
          check(key_block_bytes(type, d), "keys", store_key, table->store_keys);
          check(value_block_bytes(type, d), "values", store_value, table->store_values);
        }
      }
    }
  }
}

TEST(KvStore, AlignmentChangesNothing) {
  constexpr std::int64_t d = 37, stride = d + 3;
  alignas(64) float x[kKvBlock * stride + 16];
  const std::vector<float> numbers = some_floats(kKvBlock * stride);
  for (const KernelTable* table : exact_tables()) {
    for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8}) {
      Bytes keys(static_cast<std::size_t>(key_block_bytes(type, d))), values(static_cast<std::size_t>(value_block_bytes(type, d)));
      Bytes expected_keys = keys, expected_values = values;
      table->store_keys(type, expected_keys.data(), d, 0, kKvBlock, numbers.data(), stride);
      table->store_values(type, expected_values.data(), d, 0, kKvBlock, numbers.data(), stride);
      for (std::size_t offset = 0; offset < 16; ++offset) {
        std::copy(numbers.begin(), numbers.end(), &x[offset]);
        table->store_keys(type, keys.data(), d, 0, kKvBlock, &x[offset], stride);
        table->store_values(type, values.data(), d, 0, kKvBlock, &x[offset], stride);
        ASSERT_EQ(keys, expected_keys) << table->name << " " << kv_type_name(type) << " offset " << offset;
        ASSERT_EQ(values, expected_values) << table->name << " " << kv_type_name(type) << " offset " << offset;
      }
    }
  }
}

}  // namespace
}  // namespace moe::kernels::test

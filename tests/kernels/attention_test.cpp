// Attention over a paged cache: against a double reference, bit for bit with scalar, whatever the batch of
// rows.
#include <algorithm>

#include "tests/kernels/support.h"

namespace moe::kernels::test {
namespace {

struct Case {
  std::int64_t length = 70;  // positions in the cache
  int heads = 2, d_k = 24, d_v = 24;
  std::int64_t window = 0;
  float softcap = 0;
  bool sinks = false, alibi = false, latent = false;
};

// A cache of random keys and values, with garbage in the slots after the end.
struct Cache {
  std::vector<float> keys, values;  // [length][d]
  std::vector<std::vector<float>> key_storage, value_storage;
  std::vector<const float*> key_blocks, value_blocks;

  explicit Cache(const Case& c)
      : keys(random_floats(static_cast<std::size_t>(c.length * c.d_k), 31)),
        values(random_floats(static_cast<std::size_t>(c.length * c.d_v), 32)) {
    const std::int64_t blocks = (c.length + kKvBlock - 1) / kKvBlock;
    for (std::int64_t b = 0; b < blocks; ++b) {
      key_storage.emplace_back(static_cast<std::size_t>(key_block_floats(c.d_k)), NAN);
      value_storage.emplace_back(static_cast<std::size_t>(value_block_floats(c.d_v)), NAN);
    }
    for (std::int64_t t = 0; t < c.length; ++t) {
      const auto b = static_cast<std::size_t>(t / kKvBlock);
      const int slot = static_cast<int>(t % kKvBlock);
      store_key(key_storage[b].data(), c.d_k, slot, &keys[static_cast<std::size_t>(t * c.d_k)]);
      if (c.latent)
        std::copy_n(&keys[static_cast<std::size_t>(t * c.d_k)], c.d_v,
                    &values[static_cast<std::size_t>(t * c.d_v)]);
      store_value(value_storage[b].data(), c.d_v, slot, &values[static_cast<std::size_t>(t * c.d_v)]);
    }
    for (const auto& block : key_storage) key_blocks.push_back(block.data());
    for (const auto& block : value_storage) value_blocks.push_back(block.data());
  }
};

struct Problem {
  Case c;
  Cache cache;
  std::vector<float> q, sinks, slopes;

  explicit Problem(const Case& with)
      : c(with),
        cache(with),
        q(random_floats(static_cast<std::size_t>(with.length * with.heads * with.d_k), 33)),
        sinks(random_floats(static_cast<std::size_t>(with.heads), 34)),
        slopes(random_floats(static_cast<std::size_t>(with.heads), 35, 0.1F)) {}

  // Outputs [rows][heads][d_v] of positions [first, first + rows).
  std::vector<float> run(const KernelTable& table, std::int64_t first, std::int64_t rows) const {
    std::vector<float> out(static_cast<std::size_t>(rows * c.heads * c.d_v), -9.0F);
    AttentionArgs args;
    args.q = &q[static_cast<std::size_t>(first * c.heads * c.d_k)];
    args.q_row_stride = std::ptrdiff_t{c.heads} * c.d_k;
    args.q_head_stride = c.d_k;
    args.out = out.data();
    args.out_row_stride = std::ptrdiff_t{c.heads} * c.d_v;
    args.out_head_stride = c.d_v;
    args.rows = rows;
    args.first_position = first;
    args.heads = c.heads;
    args.d_k = c.d_k;
    args.d_v = c.d_v;
    // Blocks that no row can see are dropped.
    std::vector<const float*> keys = cache.key_blocks, values = cache.value_blocks;
    for (std::size_t b = 0; b < keys.size(); ++b) {
      const auto base = static_cast<std::int64_t>(b) * kKvBlock;
      const bool left = c.window > 0 && base + kKvBlock - 1 <= first - c.window;
      if (left || base > first + rows - 1) keys[b] = values[b] = nullptr;
    }
    args.key_blocks = keys.data();
    args.value_blocks = c.latent ? nullptr : values.data();
    args.scale = 1.0F / std::sqrt(static_cast<float>(c.d_k));
    args.window = c.window;
    args.softcap = c.softcap;
    args.sinks = c.sinks ? sinks.data() : nullptr;
    args.alibi_slopes = c.alibi ? slopes.data() : nullptr;
    table.attention(args);
    return out;
  }

  std::vector<double> reference(std::int64_t position, int head) const {
    std::vector<double> scores;
    const std::int64_t first = c.window > 0 ? std::max<std::int64_t>(0, position - c.window + 1) : 0;
    double most = c.sinks ? sinks[static_cast<std::size_t>(head)] : -INFINITY;
    for (std::int64_t t = first; t <= position; ++t) {
      double s = 0;
      for (int d = 0; d < c.d_k; ++d) {
        s += static_cast<double>(q[static_cast<std::size_t>((position * c.heads + head) * c.d_k + d)]) *
             static_cast<double>(cache.keys[static_cast<std::size_t>(t * c.d_k + d)]);
      }
      s /= std::sqrt(static_cast<double>(c.d_k));
      if (c.softcap > 0) s = c.softcap * std::tanh(s / c.softcap);
      if (c.alibi)
        s += static_cast<double>(slopes[static_cast<std::size_t>(head)]) * static_cast<double>(t - position);
      scores.push_back(s);
      most = std::max(most, s);
    }
    double sum = c.sinks ? std::exp(sinks[static_cast<std::size_t>(head)] - most) : 0;
    std::vector<double> out(static_cast<std::size_t>(c.d_v));
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const double p = std::exp(scores[i] - most);
      sum += p;
      for (std::size_t d = 0; d < out.size(); ++d) {
        out[d] +=
            p * static_cast<double>(cache.values[(static_cast<std::size_t>(first) + i) * out.size() + d]);
      }
    }
    for (double& v : out) v /= sum;
    return out;
  }
};

std::vector<Case> cases() {
  return {
      {},
      {.length = 1, .heads = 1, .d_k = 16, .d_v = 16},
      {.length = 33, .heads = 1, .d_k = 1, .d_v = 1},
      {.length = 130, .heads = 3, .d_k = 64, .d_v = 64},
      {.length = 97, .heads = 7, .d_k = 20, .d_v = 37},
      {.length = 150, .heads = 2, .window = 40},
      {.length = 150, .heads = 5, .window = 1},
      {.length = 150, .heads = 1, .window = 32},
      {.length = 90, .heads = 2, .softcap = 2.0F},
      {.length = 90, .heads = 4, .window = 50, .sinks = true},
      {.length = 90, .heads = 3, .alibi = true},
      {.length = 80, .heads = 60, .d_k = 40, .d_v = 32, .latent = true},
      {.length = 50,
       .heads = 4,
       .d_k = 44,
       .d_v = 36,
       .window = 20,
       .softcap = 5,
       .sinks = true,
       .alibi = true,
       .latent = true},
  };
}

TEST(Attention, MatchesTheDoubleReference) {
  for (const Case& c : cases()) {
    const Problem problem(c);
    for (const KernelTable* table : all_tables()) {
      const std::vector<float> out = problem.run(*table, 0, c.length);
      for (std::int64_t t = 0; t < c.length; ++t) {
        for (int h = 0; h < c.heads; ++h) {
          const std::vector<double> expected = problem.reference(t, h);
          for (int d = 0; d < c.d_v; ++d) {
            // Values are about 1; scores about 1 with d_k roundings each.
            ASSERT_NEAR(out[static_cast<std::size_t>((t * c.heads + h) * c.d_v + d)],
                        expected[static_cast<std::size_t>(d)], 3e-6)
                << table->name << " position " << t << " head " << h << " d_k " << c.d_k;
          }
        }
      }
    }
  }
}

TEST(Attention, EveryTableAndEveryChunkingGiveTheScalarBits) {
  for (const Case& c : cases()) {
    const Problem problem(c);
    const std::vector<float> expected = problem.run(scalar_table(), 0, c.length);
    for (const KernelTable* table : exact_tables()) {
      for (const std::int64_t chunk :
           {std::int64_t{1}, std::int64_t{2}, std::int64_t{5}, std::int64_t{31}, c.length}) {
        for (std::int64_t first = 0; first < c.length; first += chunk) {
          const std::int64_t rows = std::min(chunk, c.length - first);
          const std::vector<float> out = problem.run(*table, first, rows);
          ASSERT_EQ(std::memcmp(out.data(), &expected[static_cast<std::size_t>(first * c.heads * c.d_v)],
                                out.size() * sizeof(float)),
                    0)
              << table->name << " rows " << first << " + " << rows << " d_k " << c.d_k << " window "
              << c.window;
        }
      }
    }
  }
}

TEST(Attention, HugeScoresDoNotOverflow) {
  Case c;
  Problem problem(c);
  for (float& v : problem.q) v *= 300.0F;
  for (const KernelTable* table : exact_tables()) {
    for (const float v : problem.run(*table, 0, c.length)) ASSERT_TRUE(std::isfinite(v)) << table->name;
  }
}

TEST(Attention, BlocksGiveBackWhatWasStored) {
  for (const std::int64_t d : {1, 16, 37}) {
    std::vector<float> keys(static_cast<std::size_t>(key_block_floats(d)));
    std::vector<float> values(static_cast<std::size_t>(value_block_floats(d)));
    const std::vector<float> data = random_floats(static_cast<std::size_t>(kKvBlock * d), 8);
    for (int slot = 0; slot < kKvBlock; ++slot) {
      store_key(keys.data(), d, slot, &data[static_cast<std::size_t>(slot * d)]);
      store_value(values.data(), d, slot, &data[static_cast<std::size_t>(slot * d)]);
    }
    std::vector<float> back(static_cast<std::size_t>(d));
    for (int slot = 0; slot < kKvBlock; ++slot) {
      const std::vector<float> expected(data.begin() + slot * d, data.begin() + (slot + 1) * d);
      load_key(keys.data(), d, slot, back.data());
      EXPECT_EQ(back, expected);
      load_value(values.data(), d, slot, back.data());
      EXPECT_EQ(back, expected);
    }
  }
}

}  // namespace
}  // namespace moe::kernels::test

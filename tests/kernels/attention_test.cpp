// Attention over a paged cache: against a double reference, bit for bit with scalar, whatever the batch of
// rows.
#include <algorithm>
#include <span>

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

constexpr KvType kTypes[] = {KvType::f32, KvType::bf16, KvType::q8};

using Bytes = std::vector<std::byte>;

// Blocks of random keys and values, with garbage in the slots after the end and before what is cached.
struct Cache {
  KvType type;
  std::int64_t value_offset;
  std::vector<float> keys, values;  // [length][d], as cached
  std::vector<Bytes> storage;
  std::vector<const std::byte*> blocks;

  Cache(const Case& c, KvType of, std::uint32_t seed)
      : type(of),
        value_offset(key_block_bytes(of, c.d_k)),
        keys(random_floats(static_cast<std::size_t>(c.length * c.d_k), seed)),
        values(random_floats(static_cast<std::size_t>(c.length * c.d_v), seed + 1)) {
    const std::int64_t count = (c.length + kKvBlock - 1) / kKvBlock;
    // 0xFF is a NaN in both float types.
    storage.assign(
        static_cast<std::size_t>(count),
        Bytes(static_cast<std::size_t>(value_offset + value_block_bytes(of, c.d_v)), std::byte{0xFF}));
    for (std::int64_t t = 0; t < c.length; ++t) {
      std::byte* block = storage[static_cast<std::size_t>(t / kKvBlock)].data();
      const int slot = static_cast<int>(t % kKvBlock);
      float* key = &keys[static_cast<std::size_t>(t * c.d_k)];
      float* value = &values[static_cast<std::size_t>(t * c.d_v)];
      store_key(type, block, c.d_k, slot, key);
      store_value(type, block + value_offset, c.d_v, slot, value);
      const float key_scale = load_key(type, block, c.d_k, slot, key);
      for (int d = 0; d < c.d_k; ++d) key[d] *= key_scale;
      const float value_scale = load_value(type, block + value_offset, c.d_v, slot, value);
      for (int d = 0; d < c.d_v; ++d) value[d] *= value_scale;
      if (c.latent) std::copy_n(key, c.d_v, value);
    }
    for (const Bytes& block : storage) blocks.push_back(block.data());
  }
};

// To nearest, ties to even; as numbers of 8 bits, however small.
double rounded_to_bf16(double x) {
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
}

struct Problem {
  Case c;
  Cache cache;
  std::vector<float> q, sinks, slopes;

  explicit Problem(const Case& with, KvType type, std::uint32_t seed = 31)
      : c(with),
        cache(with, type, seed),
        q(random_floats(static_cast<std::size_t>(with.length * with.heads * with.d_k), seed + 2)),
        sinks(random_floats(static_cast<std::size_t>(with.heads), 34)),
        slopes(random_floats(static_cast<std::size_t>(with.heads), 35, 0.1F)) {}

  AttentionArgs args() const {
    AttentionArgs args;
    args.type = cache.type;
    args.q_row_stride = std::ptrdiff_t{c.heads} * c.d_k;
    args.q_head_stride = c.d_k;
    args.out_row_stride = std::ptrdiff_t{c.heads} * c.d_v;
    args.out_head_stride = c.d_v;
    args.heads = c.heads;
    args.d_k = c.d_k;
    args.d_v = c.d_v;
    args.value_offset = cache.value_offset;
    args.values_are_keys = c.latent;
    args.scale = 1.0F / std::sqrt(static_cast<float>(c.d_k));
    args.window = c.window;
    args.softcap = c.softcap;
    args.sinks = c.sinks ? sinks.data() : nullptr;
    args.alibi_slopes = c.alibi ? slopes.data() : nullptr;
    return args;
  }
  std::size_t outputs(std::int64_t rows) const { return static_cast<std::size_t>(rows * c.heads * c.d_v); }
  AttentionRun at(std::int64_t first, std::int64_t rows, const std::byte* const* blocks, float* out) const {
    return {&q[static_cast<std::size_t>(first * c.heads * c.d_k)], out, rows, first, blocks};
  }

  // Outputs [rows][heads][d_v] of positions [first, first + rows).
  std::vector<float> run(const KernelTable& table, std::int64_t first, std::int64_t rows) const {
    std::vector<float> out(outputs(rows), -9.0F);
    // Blocks that no row can see are dropped.
    std::vector<const std::byte*> blocks = cache.blocks;
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const auto base = static_cast<std::int64_t>(b) * kKvBlock;
      const bool left = c.window > 0 && base + kKvBlock - 1 <= first - c.window;
      if (left || base > first + rows - 1) blocks[b] = nullptr;
    }
    AttentionArgs all = args();
    const AttentionRun one = at(first, rows, blocks.data(), out.data());
    all.runs = &one;
    all.run_count = 1;
    table.attention(all);
    return out;
  }

  // What the definition (kernels/attention.h) gives for one row and head in exact sums, and how far the roundings of its steps
  // may lead from it. Those of a chain of n go up as often as down: some sqrt(n) of them are left.
  struct Expected {
    std::vector<double> out, tolerance;  // [d_v]
  };
  Expected reference(std::int64_t position, int head) const {
    constexpr double kEps = 0x1p-24;  // a rounding to f32 is half of its last place
    const bool bf16 = cache.type == KvType::bf16;
    const auto row = std::span(q).subspan(static_cast<std::size_t>((position * c.heads + head) * c.d_k));
    const auto width = static_cast<std::size_t>(c.d_v);
    const std::int64_t first = c.window > 0 ? std::max<std::int64_t>(0, position - c.window + 1) : 0;
    double most = c.sinks ? sinks[static_cast<std::size_t>(head)] : -INFINITY, sum = c.sinks ? 1 : 0;
    double worst_score = 0;  // the largest error of a score so far
    double errors = 0;       // of the weights together
    std::vector<double> out(width), magnitudes(width), value_errors(width);  // sums of p v, p |v| and (error of p) |v|
    for (std::int64_t begin = first; begin <= position;) {
      const std::int64_t end = std::min(position + 1, (begin / kKvBlock + 1) * kKvBlock);
      std::vector<double> scores, score_errors;
      double new_most = most;
      for (std::int64_t t = begin; t < end; ++t) {
        double s = 0, norm = 0;
        for (int d = 0; d < c.d_k; ++d) {
          const double x = row[static_cast<std::size_t>(d)];
          const double product =
              (bf16 ? rounded_to_bf16(x) : x) * static_cast<double>(cache.keys[static_cast<std::size_t>(t * c.d_k + d)]);
          s += product;
          norm += std::fabs(product);
        }
        const double scale = 1 / std::sqrt(static_cast<double>(c.d_k));
        s *= scale;
        double error = (std::sqrt(c.d_k) + 2) * kEps * norm * scale;
        if (c.softcap > 0) {
          s = c.softcap * std::tanh(s / c.softcap);
          error += 8 * kEps * std::fabs(s);
        }
        if (c.alibi) {
          const double bias = static_cast<double>(slopes[static_cast<std::size_t>(head)]) * static_cast<double>(t - position);
          s += bias;
          error += kEps * (std::fabs(bias) + std::fabs(s));
        }
        scores.push_back(s);
        score_errors.push_back(error);
        worst_score = std::max(worst_score, error);
        new_most = std::max(new_most, s);
      }
      // An exponential is two units off at most.
      const double alpha = std::exp(most - new_most);
      most = new_most;
      sum *= alpha;
      errors = errors * alpha + 4 * kEps * sum;
      for (std::size_t d = 0; d < width; ++d) {
        out[d] *= alpha;
        magnitudes[d] *= alpha;
        value_errors[d] = value_errors[d] * alpha + 4 * kEps * magnitudes[d];
      }
      for (std::int64_t t = begin; t < end; ++t) {
        const auto i = static_cast<std::size_t>(t - begin);
        const double below = scores[i] - most;
        // The largest score's own error divides out, as it is in all weights.
        double weight = std::exp(below), error = weight * (score_errors[i] + kEps * (std::fabs(below) + 4));
        if (bf16) {
          // As good as exact, unless it lies so near the middle of two that it may go to either.
          const double all = error + weight * worst_score;
          const double low = rounded_to_bf16(weight - all), high = rounded_to_bf16(weight + all);
          weight = rounded_to_bf16(weight);
          error = high - low;
        }
        sum += weight;
        errors += error;
        for (std::size_t d = 0; d < width; ++d) {
          const double value = cache.values[static_cast<std::size_t>(t) * width + d];
          out[d] += weight * value;
          magnitudes[d] += weight * std::fabs(value);
          value_errors[d] += error * std::fabs(value);
        }
      }
      begin = end;
    }
    Expected expected;
    const double terms = std::sqrt(static_cast<double>(position - first + 1)) + 4;  // of the chain for an output, and the division
    for (std::size_t d = 0; d < width; ++d) {
      const double result = out[d] / sum;
      expected.out.push_back(result);
      const double of_sums = terms * kEps * (magnitudes[d] + std::fabs(result) * sum);
      expected.tolerance.push_back((value_errors[d] + std::fabs(result) * errors + of_sums) / (sum - errors));
    }
    return expected;
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
  for (const KvType type : kTypes) {
    for (const Case& c : cases()) {
      const Problem problem(c, type);
      std::vector<std::vector<float>> outs;
      for (const KernelTable* table : all_tables()) outs.push_back(problem.run(*table, 0, c.length));
      for (std::int64_t t = 0; t < c.length; ++t) {
        for (int h = 0; h < c.heads; ++h) {
          const Problem::Expected expected = problem.reference(t, h);
          for (std::size_t i = 0; i < outs.size(); ++i) {
            for (std::size_t d = 0; d < expected.out.size(); ++d) {
              ASSERT_NEAR(outs[i][static_cast<std::size_t>(t * c.heads + h) * expected.out.size() + d], expected.out[d],
                          expected.tolerance[d])
                  << all_tables()[i]->name << " " << kv_type_name(type) << " position " << t << " head " << h << " d_k " << c.d_k;
            }
          }
        }
      }
    }
  }
}

// Tables with bf16 products of their own add in another order, which is within rounding of the definition; all others are
// equal to it.
bool dots_bf16(const KernelTable& table) { return table.bf16_input_bytes == 2; }

TEST(Attention, EveryTableGivesTheScalarBits) {
  for (const KvType type : kTypes) {
    for (const Case& c : cases()) {
      const Problem problem(c, type);
      const std::vector<float> expected = problem.run(scalar_table(), 0, c.length);
      for (const KernelTable* table : exact_tables()) {
        if (type == KvType::bf16 && dots_bf16(*table)) continue;  // MatchesTheDoubleReference says how near they are
        ASSERT_TRUE(same_bits(problem.run(*table, 0, c.length), expected))
            << table->name << " " << kv_type_name(type) << " d_k " << c.d_k << " window " << c.window;
      }
    }
  }
}

TEST(Attention, TheEmulatedDotProductsAreTheProcessors) {
  const std::vector<std::string_view> names = supported_kernel_names();
  int found = 0;
  for (const auto& [name, emulated] : {std::pair("avx512bf16", &kSimdeAvx512Bf16Table), std::pair("amx", &kSimdeAmxTable)}) {
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    ++found;
    for (const Case& c : cases()) {
      const Problem problem(c, KvType::bf16);
      EXPECT_TRUE(same_bits(problem.run(select_kernels(name), 0, c.length), problem.run(*emulated, 0, c.length))) << name;
    }
  }
  if (found == 0) GTEST_SKIP() << "no bf16 products here";
}

TEST(Attention, ChunkingChangesNothing) {
  for (const KvType type : kTypes) {
    for (const Case& c : cases()) {
      const Problem problem(c, type);
      for (const KernelTable* table : exact_tables()) {
        const std::vector<float> expected = problem.run(*table, 0, c.length);
        for (const std::int64_t chunk : {1, 2, 5, 31}) {
          for (std::int64_t first = 0; first < c.length; first += chunk) {
            const std::int64_t rows = std::min(chunk, c.length - first);
            const std::vector<float> out = problem.run(*table, first, rows);
            ASSERT_EQ(std::memcmp(out.data(), &expected[problem.outputs(first)], out.size() * sizeof(float)),
                      0)
                << table->name << " " << kv_type_name(type) << " rows " << first << " + " << rows << " d_k "
                << c.d_k << " window " << c.window;
          }
          if (is_emulated(table)) break;
        }
      }
    }
  }
}

// Sequences that share their first blocks, alone and together: the same bits.
TEST(Attention, SequencesThatShareAPrefixRunTogether) {
  for (const KvType type : kTypes) {
    for (const Case& c : cases()) {
      std::vector<Problem> problems;
      for (std::uint32_t s = 0; s < 9; ++s) problems.emplace_back(c, type, 100 * s);
      std::vector<std::vector<const std::byte*>> blocks;
      for (std::size_t s = 0; s < problems.size(); ++s) {
        blocks.push_back(problems[s].cache.blocks);
        // Two families, of different lengths of prefix, and one loner.
        const std::size_t parent = s < 5   ? 0
                                   : s < 8 ? 5
                                           : 8,
                          shared = std::min<std::size_t>(blocks[s].size(), s < 5 ? 2 : 1);
        for (std::size_t b = 0; b < shared; ++b) blocks[s][b] = problems[parent].cache.blocks[b];
      }
      for (const KernelTable* table : exact_tables()) {
        if (is_emulated(table) && c.length > 100) continue;
        std::vector<std::vector<float>> out;
        std::vector<AttentionRun> runs;
        AttentionArgs args = problems[0].args();
        for (std::size_t s = 0; s < problems.size(); ++s) {
          const std::int64_t rows = std::min<std::int64_t>(c.length, 1 + static_cast<std::int64_t>(s) % 3);
          out.emplace_back(problems[s].outputs(rows));
          runs.push_back(problems[s].at(c.length - rows, rows, blocks[s].data(), out.back().data()));
        }
        args.runs = runs.data();
        args.run_count = static_cast<std::int64_t>(runs.size());
        table->attention(args);
        const std::vector<std::vector<float>> together = out;
        args.run_count = 1;
        for (std::size_t s = 0; s < problems.size(); ++s) {
          args.runs = &runs[s];
          table->attention(args);
          ASSERT_TRUE(same_bits(out[s], together[s]))
              << table->name << " " << kv_type_name(type) << " sequence " << s;
        }
      }
    }
  }
}

// Kv heads of one call, and in calls of their own; read in one stream, and not.
TEST(Attention, KvHeadsWalkTogether) {
  constexpr int kKvHeads = 3;
  for (const KvType type : kTypes) {
    for (const Case& c : cases()) {
      std::vector<Problem> problems;  // one for each kv head; the first one's queries serve for all
      for (std::uint32_t j = 0; j < kKvHeads; ++j) problems.emplace_back(c, type, 100 * j);
      const std::size_t stride = (problems[0].cache.storage[0].size() + 63) / 64 * 64;
      std::vector<Bytes> storage(problems[0].cache.storage.size(), Bytes(kKvHeads * stride));
      std::vector<const std::byte*> blocks;
      for (std::size_t b = 0; b < storage.size(); ++b) {
        for (std::size_t j = 0; j < kKvHeads; ++j) {
          std::ranges::copy(problems[j].cache.storage[b], storage[b].begin() + static_cast<std::ptrdiff_t>(j * stride));
        }
        blocks.push_back(storage[b].data());
      }
      AttentionArgs args = problems[0].args();
      args.sinks = args.alibi_slopes = nullptr;
      args.kv_heads = kKvHeads;
      args.kv_head_stride = static_cast<std::int64_t>(stride);
      args.q_row_stride *= kKvHeads;
      args.out_row_stride *= kKvHeads;
      const std::vector<float> q = random_floats(static_cast<std::size_t>(c.length * args.q_row_stride), 7);
      for (const KernelTable* table : all_tables()) {
        for (const std::int64_t rows : {std::int64_t{1}, std::int64_t{2}, std::int64_t{17}, c.length}) {
          if (rows > c.length || (is_emulated(table) && rows > 2)) continue;
          const std::size_t outputs = static_cast<std::size_t>(rows * args.out_row_stride);
          std::vector<float> alone(outputs), together(outputs);
          AttentionRun run = {&q[static_cast<std::size_t>((c.length - rows) * args.q_row_stride)], alone.data(), rows,
                              c.length - rows, blocks.data()};
          args.runs = &run;
          args.run_count = 1;
          for (int j = 0; j < kKvHeads; ++j) {
            const AttentionArgs one = args.of_kv_head(j);
            table->attention(one);
          }
          run.out = together.data();
          for (const int streams : {8, 1}) {
            const AssumeStreams assumed(streams);
            std::ranges::fill(together, -9.0F);
            table->attention(args);
            ASSERT_TRUE(same_bits(alone, together)) << table->name << " " << kv_type_name(type) << " rows " << rows << " heads "
                                                    << c.heads << " d_k " << c.d_k << " streams: " << streams;
          }
        }
      }
    }
  }
}

TEST(Attention, ManyItemsAreCutIntoGroups) {
  const Case c = {.length = 200, .heads = 5, .d_k = 8, .d_v = 8, .window = 70};
  for (const KvType type : kTypes) {
    const Problem problem(c, type);
    for (const KernelTable* table : machine_tables()) {
      const std::vector<float> whole = problem.run(*table, 0, c.length);
      for (std::int64_t first = 0; first < c.length; first += 13) {
        const std::vector<float> out =
            problem.run(*table, first, std::min<std::int64_t>(13, c.length - first));
        ASSERT_EQ(std::memcmp(out.data(), &whole[problem.outputs(first)], out.size() * sizeof(float)), 0);
      }
    }
  }
}

TEST(Attention, AlignmentChangesNothing) {
  const Case c = {.length = 45, .heads = 3, .d_k = 21, .d_v = 19};
  for (const KvType type : kTypes) {
    const Problem problem(c, type);
    for (const KernelTable* table : exact_tables()) {
      for (const std::int64_t rows : {1, 5}) {
        const std::int64_t first = c.length - rows;
        const std::vector<float> expected = problem.run(*table, first, rows);
        for (std::size_t offset = 1; offset < 16; ++offset) {
          // Vectors begin at 16 bytes at least: all places within 64 bytes are met, if not in order.
          const auto queries = std::span(problem.q).subspan(static_cast<std::size_t>(first * c.heads * c.d_k));
          std::vector<float> q(offset + queries.size()), out(offset + expected.size());
          std::ranges::copy(queries, q.begin() + static_cast<std::ptrdiff_t>(offset));
          AttentionArgs args = problem.args();
          const AttentionRun run = {&q[offset], &out[offset], rows, first, problem.cache.blocks.data()};
          args.runs = &run;
          args.run_count = 1;
          table->attention(args);
          ASSERT_TRUE(same_bits(std::span(out).subspan(offset), expected))
              << table->name << " " << kv_type_name(type) << " rows " << rows << " offset " << offset;
        }
      }
    }
  }
}

TEST(Attention, HugeScoresDoNotOverflow) {
  Case c;
  for (const KvType type : kTypes) {
    Problem problem(c, type);
    for (float& v : problem.q) v *= 300.0F;
    for (const KernelTable* table : exact_tables()) {
      for (const float v : problem.run(*table, 0, c.length)) ASSERT_TRUE(std::isfinite(v)) << table->name;
    }
  }
}

TEST(Attention, ANaNKeySpoilsOnlyRowsThatSeeIt) {
  const Case c = {.length = 64};
  for (const KvType type : kTypes) {
    const Problem unspoilt(c, type);
    Problem problem(c, type);
    std::vector<float> bad(static_cast<std::size_t>(c.d_k), NAN);
    store_key(type, problem.cache.storage[1].data(), c.d_k, 5, bad.data());
    store_value(type, problem.cache.storage[1].data() + problem.cache.value_offset, c.d_v, 5, bad.data());
    for (const KernelTable* table : exact_tables()) {
      const std::vector<float> out = problem.run(*table, 0, c.length);
      for (std::int64_t t = 0; t < c.length; ++t) {
        ASSERT_EQ(std::isnan(out[problem.outputs(t)]), t >= 37)
            << table->name << " " << kv_type_name(type) << " " << t;
      }
      // The others keep the bits they have beside a good key.
      const std::vector<float> good = unspoilt.run(*table, 0, c.length);
      ASSERT_EQ(0, std::memcmp(out.data(), good.data(), problem.outputs(37) * sizeof(float)))
          << table->name << " " << kv_type_name(type);
    }
  }
}

TEST(KvBlock, GivesBackWhatWasStored) {
  for (const KvType type : kTypes) {
    for (const std::int64_t d : {1, 16, 37}) {
      Bytes keys(static_cast<std::size_t>(key_block_bytes(type, d)));
      Bytes values(static_cast<std::size_t>(value_block_bytes(type, d)));
      EXPECT_EQ(keys.size() % 64, 0U);
      EXPECT_EQ(values.size() % 64, 0U);
      const std::vector<float> data = random_floats(static_cast<std::size_t>(kKvBlock * d), 8);
      for (int slot = 0; slot < kKvBlock; ++slot) {
        store_key(type, keys.data(), d, slot, &data[static_cast<std::size_t>(slot * d)]);
        store_value(type, values.data(), d, slot, &data[static_cast<std::size_t>(slot * d)]);
      }
      std::vector<float> back(static_cast<std::size_t>(d));
      for (int slot = 0; slot < kKvBlock; ++slot) {
        const float* stored = &data[static_cast<std::size_t>(slot * d)];
        float most = 0;
        for (std::int64_t i = 0; i < d; ++i) most = std::max(most, std::fabs(stored[i]));
        for (const bool key : {true, false}) {
          const float scale = key ? load_key(type, keys.data(), d, slot, back.data())
                                  : load_value(type, values.data(), d, slot, back.data());
          for (std::int64_t i = 0; i < d; ++i) {
            const float error = std::fabs(back[static_cast<std::size_t>(i)] * scale - stored[i]);
            const float allowed = type == KvType::f32    ? 0.0F
                                  : type == KvType::bf16 ? 0x1p-8F * std::fabs(stored[i])
                                                         : most / 254.0F * 1.001F;
            EXPECT_LE(error, allowed) << kv_type_name(type) << " slot " << slot << " component " << i;
          }
        }
      }
    }
  }
}

TEST(KvBlock, Int8KeepsZerosAndExtremes) {
  const std::vector<float> zeros(16, 0.0F);
  std::vector<float> tiny(16, 0.0F), back(16);
  tiny[3] = -1e-42F;
  Bytes block(static_cast<std::size_t>(key_block_bytes(KvType::q8, 16)), std::byte{0xFF});
  store_key(KvType::q8, block.data(), 16, 7, zeros.data());
  EXPECT_EQ(load_key(KvType::q8, block.data(), 16, 7, back.data()), 0.0F);
  EXPECT_EQ(back, zeros);
  store_key(KvType::q8, block.data(), 16, 8, tiny.data());
  EXPECT_TRUE(std::isfinite(load_key(KvType::q8, block.data(), 16, 8, back.data())));
  std::vector<float> expected = zeros;
  expected[3] = -127.0F;
  EXPECT_EQ(back, expected) << "an inverse that overflows stays in range";
}

}  // namespace
}  // namespace moe::kernels::test

// Caches of every type: a row's bits do not depend on company, chunks or threads; and how far from f32 they lead.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

#include "engine/runtime/executor.h"
#include "models/registry.h"
#include "tests/support/paths.h"
#include "tests/support/same_bits.h"

namespace moe {
namespace {

using kernels::KvType;

struct Case {
  const char* model;
  KvType type;
  double most;  // largest difference of a logit to f32, in standard deviations of the logits
};

std::vector<std::int32_t> random_tokens(int count, std::int32_t vocab, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(std::int32_t(generator() % unsigned(vocab)));
  return tokens;
}

class KvTypes : public testing::TestWithParam<Case> {
 protected:
  std::shared_ptr<const Model> model_ =
      models::load_model(test::fixture("golden/models") / GetParam().model);
  std::int32_t vocab_ = model_->spec().vocab;

  std::unique_ptr<Executor> executor(kernels::ThreadTeam& team, KvType type) const {
    Executor::Options options;
    options.kv_type = type;
    return std::make_unique<Executor>(model_, team, options);
  }
  // The last logits after `tokens`, fed `chunk` at a time.
  static std::vector<float> feed(Executor& executor, Sequence& sequence, std::span<const std::int32_t> tokens,
                                 std::size_t chunk) {
    std::vector<float> last;
    for (std::size_t at = 0; at < tokens.size(); at += chunk) {
      const Feed one{&sequence, tokens.subspan(at, std::min(chunk, tokens.size() - at))};
      const std::span<const float> row = executor.forward({&one, 1});
      last.assign(row.begin(), row.end());
    }
    return last;
  }
};

TEST_P(KvTypes, CompanyChunksAndThreadsChangeNoBit) {
  kernels::ThreadTeam one(1), three(3);
  const auto alone = executor(one, GetParam().type), together = executor(three, GetParam().type);
  const std::vector<std::int32_t> prompt = random_tokens(75, vocab_, 1);
  // Continuations of one prompt, of a second one, and a loner: forks share blocks, and so do forks of forks.
  const std::vector<std::int32_t> other = random_tokens(40, vocab_, 2);
  std::vector<std::vector<std::int32_t>> histories(7);
  std::vector<Sequence> sequences;
  Sequence first = together->new_sequence(), second = together->new_sequence();
  feed(*together, first, prompt, 19);
  feed(*together, second, other, 100);
  for (std::size_t s = 0; s < histories.size(); ++s) {
    sequences.push_back(s < 4 ? first : s < 6 ? second : together->new_sequence());
    if (s < 6) histories[s] = s < 4 ? prompt : other;
  }
  std::vector<std::vector<float>> logits(histories.size());
  for (unsigned step = 0; step < 3; ++step) {
    std::vector<std::vector<std::int32_t>> tokens;
    std::vector<Feed> feeds;
    for (std::size_t s = 0; s < histories.size(); ++s) {
      tokens.push_back(random_tokens(1 + int(s + step) % 3, vocab_, 10 * step + unsigned(s)));
      histories[s].insert(histories[s].end(), tokens[s].begin(), tokens[s].end());
    }
    for (std::size_t s = 0; s < histories.size(); ++s) feeds.push_back({&sequences[s], tokens[s]});
    const std::span<const float> rows = together->forward(feeds);
    for (std::size_t s = 0; s < histories.size(); ++s) {
      logits[s].assign(rows.begin() + std::ptrdiff_t(s) * vocab_, rows.begin() + std::ptrdiff_t(s + 1) * vocab_);
    }
  }
  for (std::size_t s = 0; s < histories.size(); ++s) {
    for (const std::size_t chunk : {1U, 33U}) {
      Sequence fresh = alone->new_sequence();
      ASSERT_TRUE(test::same_bits(feed(*alone, fresh, histories[s], chunk), logits[s]))
          << "sequence " << s << ", chunks of " << chunk;
    }
  }
}

TEST_P(KvTypes, AreCloseToF32) {
  kernels::ThreadTeam team(1);
  const auto exact = executor(team, KvType::f32), rounded = executor(team, GetParam().type);
  const std::vector<std::int32_t> prompt = random_tokens(90, vocab_, 3);
  Sequence a = exact->new_sequence(), b = rounded->new_sequence();
  const std::vector<float> expected = feed(*exact, a, prompt, 90), found = feed(*rounded, b, prompt, 90);
  double sum = 0, squares = 0, worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    sum += expected[i];
    squares += double(expected[i]) * expected[i];
    worst = std::max(worst, std::fabs(double(expected[i]) - found[i]));
  }
  const auto n = double(expected.size());
  const double deviation = std::sqrt(squares / n - sum / n * sum / n);
  EXPECT_LE(worst, GetParam().most * deviation);
  if (GetParam().type != KvType::f32) {
    EXPECT_GT(worst, 0) << "the type was not used";
  }
  EXPECT_LE(rounded->pool().bytes_in_use(), exact->pool().bytes_in_use());
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* model : {"llama-f32", "llama-odd-sizes", "qwen3-window-v4", "gemma3_text-softcap-f16", "gemma4_text-shared-f32",
                            "gemma4_text-k-eq-v", "olmoe-clip-bf16", "gpt_oss-f32", "moe_alibi-f32", "deepseek_v3-f32"}) {
    for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8}) {
      // A rounded key may send a token to another expert; and where keys are the values they count twice.
      const std::string_view name = model;
      const bool routes = name.starts_with("gpt_oss"), twice = name.ends_with("k-eq-v");
      const double most = twice ? 0.5 : type == KvType::bf16 ? 0.05 : routes ? 0.5 : 0.1;
      all.push_back({model, type, type == KvType::f32 ? 0 : most});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Models, KvTypes, testing::ValuesIn(cases()), [](const auto& parameter) {
  std::string name = std::string(parameter.param.model) + "_" + kernels::kv_type_name(parameter.param.type);
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace moe

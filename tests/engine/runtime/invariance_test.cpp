// A token's logits depend on its own context alone, to the bit, in every compute type: not on the batch's size and what else
// is in it, the cuts of a prompt, the threads, or whether sequences share the cache of what they have in common. In f32 and int8
// they do not depend on the instruction set either.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "engine/runtime/executor.h"
#include "tests/engine/runtime/small_models.h"
#include "tests/support/same_bits.h"

namespace moe {
namespace {

using kernels::Compute;
using kernels::KvType;
using test::Architecture;
using test::same_bits;
using Tokens = std::vector<std::int32_t>;

constexpr std::int32_t kVocab = 300;
constexpr int kThreads[] = {1, 2, 3, 5, 8};

struct Form {
  Architecture architecture;
  Compute compute;
  std::string_view weights;
  KvType cache;
};

// Every pair of compute type and weights for every architecture; the cache's type goes round, so that each meets each compute
// type and each architecture. Native weights are bf16 here, for which int8 is bf16 by definition.
std::vector<Form> forms() {
  std::vector<Form> all;
  for (const Architecture architecture : {Architecture::dense, Architecture::experts, Architecture::latent}) {
    for (const Compute compute : {Compute::f32, Compute::bf16, Compute::int8}) {
      int turn = int(architecture) + int(compute);
      for (const std::string_view weights : {"native", "q8", "q4"}) {
        const KvType caches[] = {KvType::f32, KvType::bf16, KvType::q8};
        const KvType cache = caches[turn++ % 3];
        if (compute == Compute::int8 && weights == "native") continue;
        all.push_back({architecture, compute, weights, cache});
      }
    }
  }
  return all;
}

std::string form_text(const testing::TestParamInfo<Form>& info) {
  const Form& form = info.param;
  return std::string(name(form.architecture)) + "_" + compute_name(form.compute) + "_" + std::string(form.weights) + "_kv_" +
         kv_type_name(form.cache);
}

Tokens random_tokens(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  Tokens tokens;
  for (std::size_t i = 0; i < count; ++i) tokens.push_back(std::int32_t(generator() % kVocab));
  return tokens;
}

// A sequence: what it has in common with others, its whole text, and the logits of each of its tokens when it runs alone.
struct Line {
  std::size_t stem = 0, shared = 0;  // its first `shared` tokens are those of stem `stem`
  Tokens tokens;
  std::vector<float> logits;  // [tokens, V]; nothing where the line is no more than company
};

constexpr std::size_t kLines = 256, kLongLine = 1;
// The texts that lines begin with, and how much of them they take: nothing, ends before, at and behind a cache block's.
constexpr std::size_t kStems = 2, kShared[] = {0, 5, 32, 45, 70};
constexpr std::size_t kDecoded = 2;  // tokens that a line alone reads one by one

// Others are company. So many that they have all stems, prefixes and places in tiles of rows.
constexpr std::size_t kCompared = 11;
bool is_compared(std::size_t line) { return line == kLongLine || line % kCompared == 0; }

Tokens stem_tokens(std::size_t stem) { return random_tokens(kShared[std::size(kShared) - 1], 1000 + unsigned(stem)); }

// The long one has chunks of more rows than a layer takes at once.
std::vector<Line> make_lines() {
  std::vector<Line> lines(kLines);
  for (std::size_t i = 0; i < kLines; ++i) {
    const bool is_long = i == kLongLine;
    lines[i].stem = i % kStems;
    lines[i].shared = is_long ? 45 : kShared[i / kStems % std::size(kShared)];
    const Tokens stem = stem_tokens(lines[i].stem), own = random_tokens(is_long ? 312 : kDecoded + 1 + i * 5 % 17, unsigned(i));
    lines[i].tokens.assign(stem.begin(), stem.begin() + std::ptrdiff_t(lines[i].shared));
    lines[i].tokens.insert(lines[i].tokens.end(), own.begin(), own.end());
  }
  return lines;
}

std::unique_ptr<Executor> make_executor(const std::shared_ptr<const Model>& model, kernels::ThreadTeam& team, const Form& form,
                                        std::string_view table = "") {
  Executor::Options options;
  options.compute = form.compute;
  options.kv_type = form.cache;
  if (!table.empty()) options.kernels = &kernels::select_kernels(table);
  return std::make_unique<Executor>(model, team, options);
}

// Logits of all tokens: of the prompt in one chunk, of the last tokens one by one.
std::vector<float> logits_alone(Executor& executor, std::span<const std::int32_t> tokens) {
  std::vector<float> logits;
  Sequence sequence = executor.new_sequence();
  for (std::size_t at = 0; at < tokens.size();) {
    const std::size_t count = at == 0 ? tokens.size() - kDecoded : 1;
    const Feed feed{&sequence, tokens.subspan(at, count), LogitsWanted::all};
    const std::span<const float> rows = executor.forward({&feed, 1});
    logits.insert(logits.end(), rows.begin(), rows.end());
    at += count;
  }
  return logits;
}

class Invariance : public testing::TestWithParam<Form> {
 protected:
  void SetUp() override {
    kernels::ThreadTeam team(1);
    const auto executor = make_executor(model_, team, GetParam());
    for (std::size_t i = 0; i < kLines; ++i) {
      if (is_compared(i)) lines_[i].logits = logits_alone(*executor, lines_[i].tokens);
    }
  }

  // Whether `rows` are the logits that `line` has alone, from position `first` on.
  bool as_alone(std::size_t line, std::size_t first, std::span<const float> rows) const {
    return !is_compared(line) || same_bits(rows, std::span(lines_[line].logits).subspan(first * kVocab, rows.size()));
  }

  // Sequences of all lines that hold what those share: forks of the stems, taken while these are read.
  std::vector<Sequence> fork(Executor& executor) const {
    std::vector<Sequence> sequences(kLines, executor.new_sequence());
    for (std::size_t stem = 0; stem < kStems; ++stem) {
      const Tokens tokens = stem_tokens(stem);
      Sequence reader = executor.new_sequence();
      for (const std::size_t shared : kShared) {
        if (shared > 0) {
          const auto at = std::size_t(reader.length());
          const Feed feed{&reader, std::span(tokens).subspan(at, shared - at), LogitsWanted::none};
          executor.forward({&feed, 1});
        }
        for (std::size_t i = 0; i < kLines; ++i) {
          if (lines_[i].stem == stem && lines_[i].shared == shared) sequences[i] = reader;
        }
      }
    }
    return sequences;
  }

  // Reads the lines of `sequences` to their ends together. By turns a line goes on by 300, 1 or 31 tokens, so that a pass holds
  // rows that decode beside chunks of prompts; and it wants all, one or none of their logits.
  void expect_together_as_alone(Executor& executor, std::span<Sequence> sequences) const {
    constexpr std::size_t kChunks[] = {300, 1, 31};
    constexpr LogitsWanted kWanted[] = {LogitsWanted::all, LogitsWanted::last, LogitsWanted::all, LogitsWanted::none};
    for (std::size_t pass = 0;; ++pass) {
      std::vector<Feed> feeds;
      std::vector<std::size_t> owners;
      for (std::size_t i = 0; i < sequences.size(); ++i) {
        const auto at = std::size_t(sequences[i].length());
        const std::size_t chunk = std::min(kChunks[(i + pass) % 3], lines_[i].tokens.size() - at);
        if (chunk == 0) continue;
        feeds.push_back({&sequences[i], std::span(lines_[i].tokens).subspan(at, chunk), kWanted[(i / 3 + pass) % 4]});
        owners.push_back(i);
      }
      if (feeds.empty()) break;
      std::span<const float> rows = executor.forward(feeds);
      for (std::size_t f = 0; f < feeds.size(); ++f) {
        const std::size_t fed = feeds[f].tokens.size();
        const std::size_t wanted = feeds[f].logits == LogitsWanted::all ? fed : feeds[f].logits == LogitsWanted::last ? 1 : 0;
        const auto end = std::size_t(feeds[f].sequence->length());
        ASSERT_TRUE(as_alone(owners[f], end - wanted, rows.first(wanted * kVocab)))
            << sequences.size() << " sequences, " << executor.threads() << " threads, pass " << pass << ": the last of " << fed
            << " tokens of sequence " << owners[f] << " is its " << end << "th";
        rows = rows.subspan(wanted * kVocab);
      }
      ASSERT_TRUE(rows.empty());
    }
  }

  // A prompt in chunks, and its tokens one by one across a place where a cache block begins and the window has moved on.
  void expect_chunks_as_whole(Executor& executor) const {
    const Tokens& tokens = lines_[kLongLine].tokens;
    const std::size_t singles = std::size_t(executor.threads()) * 32 - 5, singles_end = singles + 10;
    for (const std::size_t chunk : {1U, 31U, 300U}) {
      Sequence sequence = executor.new_sequence();
      for (std::size_t at = 0; at < tokens.size(); at = std::size_t(sequence.length())) {
        std::size_t count = std::min(chunk, tokens.size() - at);
        if (chunk == 1 && at < singles) count = singles;
        if (chunk == 1 && at >= singles_end) break;
        const Feed feed{&sequence, std::span(tokens).subspan(at, count), LogitsWanted::all};
        ASSERT_TRUE(as_alone(kLongLine, at, executor.forward({&feed, 1})))
            << executor.threads() << " threads, " << count << " tokens at " << at;
      }
    }
  }

  // Sequences that decode one token each: around the sizes at which kernels change their ways.
  void expect_decoding_batches_as_alone() const {
    kernels::ThreadTeam one(1), two(2);
    const auto executor = make_executor(model_, one, GetParam());
    Executor other(*executor, two);
    std::vector<Sequence> forks = fork(*executor);
    std::vector<Feed> feeds;
    for (std::size_t i = 0; i < kLines; ++i) {
      const std::span<const std::int32_t> rest = std::span(lines_[i].tokens).subspan(std::size_t(forks[i].length()));
      feeds.push_back({&forks[i], rest.first(rest.size() - 1), LogitsWanted::none});
    }
    executor->forward(feeds);
    for (const std::size_t size : {1,  2,  3,  4,  5,  6,  7,  8,  9,  11,  12,  13,  15,  16,  17,  24,  25,  31,
                                   32, 33, 48, 49, 63, 64, 65, 96, 97, 127, 128, 129, 191, 192, 223, 224, 225, 255, 256}) {
      std::vector<Sequence> sequences = forks;
      feeds.clear();
      // One that is compared, at a row that depends on the size, and its neighbours.
      const std::size_t first = size % (kLines / kCompared) * kCompared + kLines - size / 2;
      const auto line_of = [&](std::size_t row) { return (first + row) % kLines; };
      for (std::size_t row = 0; row < size; ++row) {
        const std::size_t line = line_of(row);
        feeds.push_back({&sequences[line], std::span(lines_[line].tokens).last(1), LogitsWanted::last});
      }
      const std::span<const float> rows = (size % 2 == 0 ? other : *executor).forward(feeds);
      for (std::size_t row = 0; row < size; ++row) {
        ASSERT_TRUE(as_alone(line_of(row), lines_[line_of(row)].tokens.size() - 1, rows.subspan(row * kVocab, kVocab)))
            << "row " << row << " of " << size;
      }
    }
  }

  // Loading makes the same model every time: SyntheticWeights.GiveTheSameModelEveryTime.
  std::shared_ptr<const Model> model_ = test::small_model(GetParam().architecture, GetParam().weights);
  std::vector<Line> lines_ = make_lines();
};

TEST_P(Invariance, BatchesForksChunksAndThreadsChangeNoBit) {
  for (const int threads : kThreads) {
    kernels::ThreadTeam team(threads);
    const auto executor = make_executor(model_, team, GetParam());
    expect_chunks_as_whole(*executor);
    if (HasFatalFailure()) return;
    const std::vector<Sequence> forks = fork(*executor);
    for (const std::ptrdiff_t count : {2, 33, 256}) {
      std::vector<Sequence> sequences(forks.begin(), forks.begin() + count);
      expect_together_as_alone(*executor, sequences);
      if (HasFatalFailure()) return;
    }
  }
  expect_decoding_batches_as_alone();
}

INSTANTIATE_TEST_SUITE_P(Forms, Invariance, testing::ValuesIn(forms()), form_text);

class InstructionSets : public testing::TestWithParam<Form> {};

TEST_P(InstructionSets, EveryTableGivesTheScalarLogits) {
  const Form& form = GetParam();
  const auto model = test::small_model(form.architecture, form.weights);
  const Tokens tokens = random_tokens(39, 5);
  kernels::ThreadTeam team(1);
  const std::vector<float> expected = logits_alone(*make_executor(model, team, form, "scalar"), tokens);
  for (const std::string_view name : kernels::supported_kernel_names()) {
    if (name == "scalar" || name == "openblas") continue;  // the comparator's sums are its own
    // So are those of tables with bf16 dot products, where these come in.
    const bool dots_bf16 = kernels::select_kernels(name).bf16_input_bytes == 2;
    if (dots_bf16 && (form.compute == Compute::bf16 || form.cache == KvType::bf16)) continue;
    EXPECT_TRUE(same_bits(logits_alone(*make_executor(model, team, form, name), tokens), expected)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, InstructionSets, testing::ValuesIn(forms()), form_text);

}  // namespace
}  // namespace moe

// Batches of items through the real engine: to the bit what one item after the other gives, at every batch size, with
// and without a shared prefix; costs equal the closed forms and add up.
#include <fmt/format.h>

#include <atomic>
#include <set>
#include <stdexcept>

#include "engine/model/closed_form.h"
#include "engine/runtime/generate.h"
#include "engine/runtime/score.h"
#include "eval/run/generate_batch.h"
#include "eval/run/record.h"
#include "eval/run/score_batch.h"
#include "models/registry.h"
#include "tests/eval/fixtures.h"
#include "tests/support/paths.h"
#include "tests/support/same_bits.h"

namespace moe::eval {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<const Model> model_named(const std::string& name) {
  return models::load_model(test::fixture("golden/models") / name);
}

// Each id is a word: text tells the ids.
std::shared_ptr<const Tokenizer> word_tokenizer(int vocab) {
  std::string words;
  for (int i = 0; i < vocab; ++i) words += fmt::format("{}\"w{}\": {}", i == 0 ? "" : ", ", i, i);
  return Tokenizer::parse(R"({"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": null, "decoder": null, "model": {"type": "WordLevel", "unk_token": "w0", "vocab": {)" + words + "}}}", "words");
}

TokenIds some_ids(int count, int salt, int vocab) {
  TokenIds ids;
  for (int i = 0; i < count; ++i) ids.push_back((i * 37 + salt * 101 + 11) % vocab);
  return ids;
}

TokenIds joined(TokenIds first, const TokenIds& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

std::vector<JobResult> collect(std::size_t count, const std::function<void(const std::function<void(std::size_t, JobResult)>&)>& work) {
  std::vector<JobResult> results(count);
  std::vector<int> seen(count);
  work([&](std::size_t index, JobResult result) {
    ++seen.at(index);
    results[index] = std::move(result);
  });
  for (const int times : seen) EXPECT_EQ(times, 1);
  return results;
}

// A context once, and what continuations need beyond it: every distinct beginning once, or each continuation by itself.
Costs work_of(const ModelSpec& spec, const ScoreJob& job, bool beginnings_once) {
  const auto length = static_cast<std::int64_t>(job.context.size());
  Costs work = closed_form(spec, 0, length, 1);
  std::set<TokenIds> seen;
  for (const TokenIds& one : job.continuations) {
    for (std::size_t fed = 1; fed < one.size(); ++fed) {
      const TokenIds beginning(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(fed));
      if (beginnings_once && !seen.insert(beginning).second) continue;
      work.add(closed_form(spec, length + static_cast<std::int64_t>(fed) - 1, 1, 1));
    }
  }
  return work;
}

// least_own 1: every thread writes replies of its own wherever the model allows it.
BatchOptions options_of(std::size_t sequences, bool share, std::size_t least_own = 1) {
  BatchOptions options;
  options.sequences = sequences;
  options.least_own = least_own;
  options.share_prefix = share;
  options.interrupted = [] { return false; };
  return options;
}

class Batch : public ::testing::TestWithParam<const char*> {};

TEST_P(Batch, ScoresEqualOneByOneToTheBitAndCostsAddUp) {
  const auto model = model_named(GetParam());
  const int vocab = model->spec().vocab;
  std::vector<Job> jobs;
  const TokenIds head = some_ids(21, 0, vocab);
  for (int j = 0; j < 9; ++j) {
    ScoreJob job;
    job.context = joined(head, some_ids(1 + 7 * j, j + 1, vocab));
    for (int c = 0; c < 2 + j % 4; ++c) job.continuations.push_back(some_ids(1 + (j + c) % 6, 50 + j * 7 + c, vocab));
    // Some begin alike: one is the beginning of another, one parts from it midway, one stands there twice.
    const TokenIds common = some_ids(4, 90 + j, vocab);
    job.continuations.push_back(common);
    job.continuations.push_back(joined(common, some_ids(1 + j % 3, 95 + j, vocab)));
    job.continuations.push_back(joined(some_ids(2, 90 + j, vocab), some_ids(2, 99 + j, vocab)));
    job.continuations.push_back(common);
    jobs.push_back(job);
  }
  std::vector<std::vector<double>> expected;
  for (const int threads : {1, 2}) {
    kernels::ThreadTeam team(threads);
    Executor executor(model, team);
    for (const std::size_t sequences : {1, 7, 64}) {
      for (const bool share : {false, true}) {
        const auto results = collect(jobs.size(), [&](const auto& done) {
          score_batch(executor, team, jobs, options_of(sequences, share), done);
        });
        if (expected.empty()) {
          for (const JobResult& result : results) expected.push_back(result.loglikelihoods);
        }
        Costs executed, expected_work;
        std::uint64_t shared = 0;
        for (std::size_t j = 0; j < jobs.size(); ++j) {
          ASSERT_EQ(results[j].error, "");
          EXPECT_TRUE(test::same_bits(results[j].loglikelihoods, expected[j])) << j << " of " << sequences;
          const auto& job = std::get<ScoreJob>(jobs[j]);
          Costs form;
          for (std::size_t c = 0; c < job.continuations.size(); ++c) {
            const auto length = static_cast<std::int64_t>(job.context.size());
            const auto rest = static_cast<std::int64_t>(job.continuations[c].size()) - 1;
            form.add(closed_form(model->spec(), 0, length, 1));
            if (rest > 0) form.add(closed_form(model->spec(), length, rest, rest));
          }
          EXPECT_EQ(results[j].alone_prefill.components, form.components) << j;
          // Latent attention runs in a form of its own; else the component formula is the exact class A.
          if (model->spec().layers[0].attention.kind == AttentionSpec::Kind::grouped) {
            EXPECT_EQ(item_proxies(CostProxies(model->spec()), jobs[j], results[j]).by_component, form.total().class_a);
          }
          executed.add(results[j].prefill);
          executed.add(closed_form(model->spec(), 0, static_cast<std::int64_t>(results[j].shared_tokens), 0));
          expected_work.add(work_of(model->spec(), job, share));
          shared += results[j].shared_tokens;
        }
        EXPECT_EQ(executed.components, expected_work.components) << "executed and shared work add up";
        // Shared tokens are all but the first job's share of the head.
        const bool shares = share && sequences > 1;
        EXPECT_EQ(shared > 0, shares && !std::ranges::any_of(model->spec().ropes, &RopeSpec::depends_on_length));
      }
    }
    // And scoring by the engine's own function agrees, but for the order of one sum.
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      const auto& job = std::get<ScoreJob>(jobs[j]);
      const ScoreResult one = moe::score(executor, job.context, job.continuations);
      for (std::size_t c = 0; c < job.continuations.size(); ++c) {
        EXPECT_NEAR(one.scores[c].loglikelihood, expected[j][c], 1e-5 * static_cast<double>(job.continuations[c].size()));
      }
    }
  }
}

TEST_P(Batch, RepliesEqualOneByOneToTheBitAndCostsAddUp) {
  const auto model = model_named(GetParam());
  const int vocab = model->spec().vocab;
  ReplyRules rules;
  rules.tokenizer = word_tokenizer(vocab);
  const TokenIds head = some_ids(18, 3, vocab);
  std::vector<Job> jobs;
  for (int j = 0; j < 9; ++j) {
    GenerateJob job;
    job.prompt = joined(head, some_ids(1 + 5 * j, j + 1, vocab));
    job.max_tokens = 1 + 3 * j;
    if (j % 3 == 1) job.sampling.temperature = 0.9, job.sampling.seed = static_cast<std::uint64_t>(j);
    jobs.push_back(job);
  }
  std::vector<std::string> expected;
  std::vector<std::vector<std::int32_t>> expected_ids;
  for (const auto& [threads, least_own] : {std::pair<int, std::size_t>{1, 1}, {2, 64}, {2, 1}, {3, 1}}) {
    kernels::ThreadTeam team(threads);
    Executor executor(model, team);
    if (expected.empty()) {
      for (const Job& any : jobs) {
        const auto& job = std::get<GenerateJob>(any);
        GenerateOptions options;
        options.max_new_tokens = job.max_tokens;
        options.sampling = {};
        options.sampling.temperature = static_cast<float>(job.sampling.temperature);
        options.sampling.top_k = 0;
        options.sampling.top_p = 1;
        options.sampling.min_p = 0;
        options.sampling.seed = job.sampling.seed;
        std::vector<std::int32_t> ids;
        for (const GeneratedToken& token : generate(executor, job.prompt, options).tokens) ids.push_back(token.id);
        expected.push_back(rules.tokenizer->decode(ids));
        expected_ids.push_back(ids);
      }
    }
    for (const std::size_t sequences : {1, 7, 64}) {
      for (const bool share : {false, true}) {
        const auto results = collect(jobs.size(), [&](const auto& done) {
          generate_batch(executor, team, jobs, rules, options_of(sequences, share, least_own), done);
        });
        Costs executed, alone;
        for (std::size_t j = 0; j < jobs.size(); ++j) {
          const auto& job = std::get<GenerateJob>(jobs[j]);
          EXPECT_EQ(results[j].response, expected[j]) << j << " of " << sequences;
          EXPECT_EQ(results[j].response_tokens, expected_ids[j]);
          EXPECT_EQ(results[j].finish_reason, "length");
          EXPECT_EQ(results[j].answer_tokens, static_cast<std::uint64_t>(job.max_tokens));
          const auto length = static_cast<std::int64_t>(job.prompt.size());
          EXPECT_EQ(results[j].alone_prefill.components, closed_form(model->spec(), 0, length, 1).components);
          Costs decode;
          for (int t = 0; t + 1 < job.max_tokens; ++t) decode.add(closed_form(model->spec(), length + t, 1, 1));
          EXPECT_EQ(results[j].decode.components, decode.components);
          executed.add(results[j].prefill);
          alone.add(results[j].alone_prefill);
          // Executed plus what others computed is what it costs alone.
          if (results[j].shared_tokens > 0) {
            executed.add(closed_form(model->spec(), 0, static_cast<std::int64_t>(results[j].shared_tokens), 0));
          }
        }
        EXPECT_EQ(executed.components, alone.components);
      }
    }
  }
}

// Samples of one question: its prompt is computed once, and every sample is what it would be alone.
TEST_P(Batch, SamplesOfOnePromptShareIt) {
  const auto model = model_named(GetParam());
  const int vocab = model->spec().vocab;
  ReplyRules rules;
  rules.tokenizer = word_tokenizer(vocab);
  std::vector<Job> jobs;
  for (int j = 0; j < 12; ++j) {
    GenerateJob job;
    job.prompt = some_ids(23 + j / 5, 1 + j / 5, vocab);  // 5, 5 and 2 samples of three prompts
    job.max_tokens = 1 + j % 4;
    job.sampling.temperature = 0.8;
    job.sampling.seed = static_cast<std::uint64_t>(j);
    jobs.push_back(job);
  }
  kernels::ThreadTeam team(2);
  Executor executor(model, team);
  std::vector<JobResult> alone;
  for (const auto& [sequences, least_own] : {std::pair<std::size_t, std::size_t>{1, 64}, {3, 64}, {64, 64}, {3, 1}, {64, 1}, {64, 3}}) {
    const auto results = collect(jobs.size(), [&](const auto& done) {
      generate_batch(executor, team, jobs, rules, options_of(sequences, true, least_own), done);
    });
    if (alone.empty()) alone = results;
    Costs executed, expected;
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      EXPECT_EQ(results[j].response, alone[j].response) << j << " of " << sequences;
      EXPECT_EQ(results[j].alone_prefill.components, alone[j].prefill.components);
      EXPECT_EQ(results[j].decode.components, alone[j].decode.components);
      const bool first = j % 5 == 0 || sequences == 1;
      EXPECT_EQ(results[j].shared_tokens, first ? 0 : std::get<GenerateJob>(jobs[j]).prompt.size()) << j << " of " << sequences;
      EXPECT_EQ(results[j].prefill.tokens, first ? std::get<GenerateJob>(jobs[j]).prompt.size() : 0);
    }
  }
}

// For measuring time: a reply runs to its cap whatever it says.
TEST(BatchStops, MayBeIgnored) {
  const auto model = model_named("llama-f32");
  kernels::ThreadTeam team(1);
  Executor executor(model, team);
  ReplyRules rules;
  rules.tokenizer = word_tokenizer(model->spec().vocab);
  for (int id = 0; id < model->spec().vocab; ++id) rules.stop_ids.push_back(id);
  GenerateJob job;
  job.prompt = some_ids(7, 1, 100);
  job.max_tokens = 5;
  std::vector<Job> jobs = {job, job};
  std::get<GenerateJob>(jobs[1]).ignore_stops = true;
  const auto results = collect(
      2, [&](const auto& done) { generate_batch(executor, team, jobs, rules, options_of(2, false), done); });
  EXPECT_EQ(results[0].finish_reason, "stop");
  EXPECT_EQ(results[0].answer_tokens, 1U);
  EXPECT_EQ(results[1].finish_reason, "length");
  EXPECT_EQ(results[1].answer_tokens, 5U);
}

// Work that does not fit waits; what can never fit is refused by itself.
TEST(BatchMemory, AdmitsWorkInsteadOfDying) {
  const auto model = model_named("llama-f32");
  kernels::ThreadTeam team(1);
  Executor executor(model, team);
  const std::size_t block = KvBudget(executor, {}).need(0, 1);
  EXPECT_EQ(KvBudget(executor, {}).need(30, 3), 2 * block) << "the last block of what is shared is copied";
  std::vector<Job> jobs;
  for (int j = 0; j < 12; ++j) jobs.push_back(ScoreJob{some_ids(30, j, 100), {some_ids(3, 20 + j, 100), some_ids(2, 40 + j, 100)}});
  jobs.push_back(ScoreJob{some_ids(200, 9, 100), {{1}}});
  BatchOptions options = options_of(64, true);
  const auto free = collect(jobs.size(), [&](const auto& done) { score_batch(executor, team, jobs, options, done); });
  options.kv_bytes = 6 * block;  // two of them: a context, and a copy of its block for each choice
  options.kv_most = 4 * block;
  Executor small(model, team);
  const auto tight = collect(jobs.size(), [&](const auto& done) { score_batch(small, team, jobs, options, done); });
  for (std::size_t j = 0; j + 1 < jobs.size(); ++j) {
    EXPECT_TRUE(test::same_bits(tight[j].loglikelihoods, free[j].loglikelihoods)) << j;
  }
  EXPECT_EQ(free.back().error, "");
  EXPECT_THAT(tight.back().error, HasSubstr("memory for keys and values"));
  EXPECT_LT(small.pool().peak_bytes(), executor.pool().peak_bytes() / 2);
}

// Threads with replies of their own: memory is shared, an interruption ends all, an error comes out.
TEST(BatchThreads, ShareMemoryAndEndTogether) {
  const auto model = model_named("llama-f32");
  ReplyRules rules;
  rules.tokenizer = word_tokenizer(model->spec().vocab);
  std::vector<Job> jobs;
  for (int j = 0; j < 40; ++j) {
    GenerateJob job;
    job.prompt = some_ids(20 + j % 7, j, 100);
    job.max_tokens = 3 + j % 11;
    jobs.push_back(job);
  }
  kernels::ThreadTeam team(4);
  Executor executor(model, team);
  const BatchOptions options = options_of(20, true);
  const auto free = collect(jobs.size(), [&](const auto& done) { generate_batch(executor, team, jobs, rules, options, done); });

  BatchOptions tight = options;
  const std::size_t block = KvBudget(executor, {}).need(0, 1);
  tight.kv_bytes = 6 * block;
  Executor small(model, team);
  const auto waited = collect(jobs.size(), [&](const auto& done) { generate_batch(small, team, jobs, rules, tight, done); });
  for (std::size_t j = 0; j < jobs.size(); ++j) EXPECT_EQ(waited[j].response_tokens, free[j].response_tokens) << j;
  EXPECT_LE(small.pool().peak_bytes(), tight.kv_bytes + 2 * block) << "and a copied block of two replies at most";
  EXPECT_EQ(small.pool().bytes_in_use(), 0u);

  std::atomic<int> reported = 0;
  BatchOptions cut = options;
  cut.interrupted = [&] { return reported >= 3; };
  generate_batch(executor, team, jobs, rules, cut, [&](std::size_t, const JobResult&) { ++reported; });
  EXPECT_GE(reported, 3);
  EXPECT_LT(reported, 40);
  EXPECT_EQ(executor.pool().bytes_in_use(), 0u);

  const auto full_disk = [](std::size_t, const JobResult&) { throw std::runtime_error("no space left"); };
  EXPECT_THROW(generate_batch(executor, team, jobs, rules, options, full_disk), std::runtime_error);
  EXPECT_EQ(executor.pool().bytes_in_use(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Models, Batch, ::testing::Values("llama-f32", "qwen3_moe-f32", "gemma3_text-f32", "deepseek_v2-f32"));

TEST(BatchFaults, FailOneJobAndNoOther) {
  const auto model = model_named("llama-f32");
  kernels::ThreadTeam team(1);
  Executor executor(model, team);
  BatchOptions options = options_of(8, true);
  options.context = 40;
  std::vector<Job> jobs = {ScoreJob{some_ids(60, 1, 100), {{1}}}, ScoreJob{some_ids(10, 1, 100), {{1}, {2, 3}}},
                           ScoreJob{{1, 1 << 29}, {{1}}}, ScoreJob{some_ids(10, 2, 100), {{1}, {}}}};
  const auto scored = collect(jobs.size(), [&](const auto& done) { score_batch(executor, team, jobs, options, done); });
  EXPECT_THAT(scored[0].error, HasSubstr("expected at most 40 tokens, found 60"));
  EXPECT_EQ(scored[1].error, "");
  EXPECT_EQ(scored[1].loglikelihoods.size(), 2u);
  EXPECT_THAT(scored[2].error, HasSubstr("token ids below"));
  EXPECT_THAT(scored[3].error, HasSubstr("without tokens"));

  ReplyRules rules;
  rules.tokenizer = word_tokenizer(model->spec().vocab);
  options.kv_bytes = 1;  // one at a time then, and still all of them
  std::vector<Job> writes;
  for (const int length : {60, 10, 39, 12}) {
    GenerateJob job;
    job.prompt = some_ids(length, length, 100);
    job.max_tokens = 5;
    writes.push_back(job);
  }
  const auto written = collect(writes.size(), [&](const auto& done) { generate_batch(executor, team, writes, rules, options, done); });
  EXPECT_THAT(written[0].error, HasSubstr("expected 1 to 40 tokens, found 60"));
  EXPECT_EQ(written[1].finish_reason, "length");
  EXPECT_EQ(written[2].finish_reason, "context");
  EXPECT_EQ(written[3].finish_reason, "length");
}

}  // namespace
}  // namespace moe::eval

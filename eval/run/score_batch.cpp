// Scores many contexts and their continuations in passes over many rows.
#include "eval/run/score_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>

#include "engine/base/error.h"
#include "engine/runtime/sampler.h"
#include "eval/run/shared_prefix.h"

namespace moe::eval {
namespace {

using Clock = std::chrono::steady_clock;

// Logits of one pass: rows are few for large vocabularies.
constexpr std::size_t kLogitBytes = std::size_t{64} << 20;

// Where one row's token stands: which continuation, and how likely it turned out.
struct Target {
  std::int32_t token = 0;
  double logprob = 0;
  bool greedy = false;
};

struct Continuation {
  std::vector<Target> targets;  // one a token
  std::size_t measured = 0;
};

struct Active {
  std::size_t index = 0;
  const ScoreJob* job = nullptr;
  Sequence sequence;
  CostMeter meter;        // the context's own tokens
  CostMeter tails;        // the continuations beyond their first tokens
  std::vector<Continuation> continuations;
  Costs own_context;
  bool charged = false;   // pays for the shared prefix
};

// A feed that may be cut over several passes, and the tokens its rows of logits speak of.
struct Work {
  Sequence* sequence = nullptr;
  std::span<const std::int32_t> tokens;
  CostMeter* meter = nullptr;
  // Exactly one of the two: the last row tells every continuation's first token, or row i tells token i + 1.
  Active* first_tokens = nullptr;
  Continuation* tail = nullptr;
  bool wants_logits() const { return tail != nullptr; }
};

class Scorer {
 public:
  Scorer(Executor& executor, kernels::ThreadTeam& team) : executor_(executor), team_(team) {
    const auto row = static_cast<std::size_t>(executor.model().spec().vocab) * sizeof(float);
    logit_rows_ = std::clamp<std::size_t>(kLogitBytes / row, 1, kPassRows);
  }

  // Feeds everything, in passes; sequences of `works` must differ.
  void feed_all(std::deque<Work> works) {
    while (!works.empty()) {
      std::vector<Feed> feeds;
      std::vector<Work> taken;
      std::size_t rows = 0, logits = 0;
      while (!works.empty() && rows < kPassRows && logits < logit_rows_) {
        Work& work = works.front();
        std::size_t count = std::min(work.tokens.size(), kPassRows - rows);
        if (work.wants_logits()) count = std::min(count, logit_rows_ - logits);
        Work part = work;
        part.tokens = work.tokens.first(count);
        work.tokens = work.tokens.subspan(count);
        const bool last = work.tokens.empty();
        if (!last) part.first_tokens = nullptr;  // its last row is still to come
        const LogitsWanted wanted = part.wants_logits() ? LogitsWanted::all : part.first_tokens != nullptr ? LogitsWanted::last : LogitsWanted::none;
        logits += wanted == LogitsWanted::all ? count : wanted == LogitsWanted::last ? 1 : 0;
        rows += count;
        feeds.push_back({part.sequence, part.tokens, wanted, part.meter});
        taken.push_back(part);
        if (last) works.pop_front();
        // A sequence may stand only once in a pass.
        if (!last) break;
      }
      measure(executor_.forward(feeds), taken);
    }
  }

 private:
  void measure(std::span<const float> logits, const std::vector<Work>& works) {
    const auto vocab = static_cast<std::size_t>(executor_.model().spec().vocab);
    struct Row {
      std::span<const float> values;
      std::vector<Target*> targets;
    };
    std::vector<Row> rows;
    std::size_t at = 0;
    for (const Work& work : works) {
      if (work.tail != nullptr) {
        for (std::size_t i = 0; i < work.tokens.size(); ++i) {
          rows.push_back({logits.subspan(at++ * vocab, vocab), {&work.tail->targets[++work.tail->measured]}});
        }
      } else if (work.first_tokens != nullptr) {
        rows.push_back({logits.subspan(at++ * vocab, vocab), {}});
        for (Continuation& one : work.first_tokens->continuations) rows.back().targets.push_back(&one.targets[0]);
      }
    }
    team_.parallel_for(static_cast<std::int64_t>(rows.size()), 1, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t r = begin; r < end; ++r) {
        const Row& row = rows[static_cast<std::size_t>(r)];
        const double total = executor_.kernels().log_sum_exp(row.values.data(), static_cast<std::int64_t>(vocab));
        const std::int32_t best = argmax(row.values);
        for (Target* target : row.targets) {
          target->logprob = row.values[static_cast<std::size_t>(target->token)] - total;
          target->greedy = target->token == best;
        }
      }
    });
  }

  Executor& executor_;
  kernels::ThreadTeam& team_;
  std::size_t logit_rows_;
};

// Nothing, or why this job cannot run.
std::string fault_of(const ScoreJob& job, const ModelSpec& spec, std::int64_t context) {
  const auto bad_id = [&](const TokenIds& ids) {
    return std::ranges::any_of(ids, [&](std::int32_t id) { return id < 0 || id >= spec.vocab; });
  };
  if (job.context.empty() || job.continuations.empty()) return "expected a context and continuations, found none";
  bool bad = bad_id(job.context);
  for (const TokenIds& one : job.continuations) {
    if (one.empty()) return "a continuation without tokens";
    bad = bad || bad_id(one);
    const auto length = static_cast<std::int64_t>(job.context.size() + one.size()) - 1;
    if (length > context) {
      return fmt::format("context and continuation: expected at most {} tokens, found {}", context, length);
    }
  }
  return bad ? fmt::format("expected token ids below {}, found one beyond", spec.vocab) : "";
}

JobResult result_of(const Active& active, SharedPrefix& prefix, double seconds) {
  JobResult result;
  result.finish_reason = "scored";
  result.prompt_tokens = active.job->context.size();
  result.prefill = active.own_context;
  CostMeter tails = active.tails;
  result.prefill.add(tails.read());
  result.prefill.params_touched = std::max(active.own_context.params_touched, tails.read().params_touched);
  result.alone_prefill = tails.read();
  for (const Continuation& one : active.continuations) {
    double sum = 0;
    bool greedy = true;
    for (const Target& target : one.targets) {
      sum += target.logprob;
      greedy = greedy && target.greedy;
    }
    result.loglikelihoods.push_back(sum);
    result.greedy.push_back(greedy);
    result.prompt_tokens += one.targets.size();
    // Alone, each continuation has the whole context to compute.
    result.alone_prefill.add(active.own_context);
    result.alone_prefill.add(prefix.cost());
  }
  result.alone_prefill.params_touched = std::max(result.prefill.params_touched, prefix.cost().params_touched);
  if (active.charged) {
    result.prefill.add(prefix.cost());
    result.prefill.params_touched = result.alone_prefill.params_touched;
  } else {
    result.shared_tokens = prefix.length();
  }
  result.prefill_s = seconds;
  return result;
}

}  // namespace

void score_batch(Executor& executor, kernels::ThreadTeam& team, std::span<const Job> jobs, const BatchOptions& options,
                 const std::function<void(std::size_t, JobResult)>& done) {
  const ModelSpec& spec = executor.model().spec();
  const std::int64_t context = options.context > 0 ? options.context : spec.max_positions;
  const bool lengths_matter = std::ranges::any_of(spec.ropes, &RopeSpec::depends_on_length);
  SharedPrefix prefix(executor, jobs, options.share_prefix && options.sequences > 1);
  Scorer scorer(executor, team);
  std::size_t next = 0;
  while (next < jobs.size() && !options.interrupted()) {
    const auto start = Clock::now();
    std::vector<Active> group;
    std::size_t rows = 0;
    while (next < jobs.size() && group.size() < options.sequences && rows < kPassRows) {
      const auto& job = std::get<ScoreJob>(jobs[next]);
      const std::string fault = fault_of(job, spec, context);
      if (!fault.empty()) {
        JobResult result;
        result.error = fault;
        done(next++, std::move(result));
        continue;
      }
      Active active{next++, &job, prefix.fork(), CostMeter(spec), CostMeter(spec), {}, {}, prefix.take_charge()};
      for (const TokenIds& one : job.continuations) {
        Continuation continuation;
        for (const std::int32_t token : one) continuation.targets.push_back({token});
        active.continuations.push_back(std::move(continuation));
      }
      rows += job.context.size() - prefix.length();
      group.push_back(std::move(active));
    }
    // Contexts; rotations that depend on the length belong to each continuation, so there the context is not shared.
    std::deque<Work> works;
    std::deque<Sequence> sequences;
    std::deque<TokenIds> inputs;
    if (!lengths_matter) {
      for (Active& active : group) {
        works.push_back({&active.sequence, std::span(active.job->context).subspan(prefix.length()), &active.meter, &active, nullptr});
      }
      scorer.feed_all(std::move(works));
      works.clear();
    }
    for (Active& active : group) {
      active.own_context = active.meter.read();
      for (std::size_t c = 0; c < active.continuations.size(); ++c) {
        const TokenIds& tokens = active.job->continuations[c];
        Continuation& continuation = active.continuations[c];
        if (lengths_matter) {
          sequences.push_back(executor.new_sequence());
          sequences.back().expect_length(static_cast<std::int32_t>(active.job->context.size() + tokens.size()) - 1);
          Active alone{0, active.job, sequences.back(), CostMeter(spec), CostMeter(spec), {}, {}, false};
          alone.continuations.resize(1);
          alone.continuations[0].targets = {{tokens[0]}};
          std::deque<Work> one;
          one.push_back({&sequences.back(), active.job->context, &active.tails, &alone, nullptr});
          scorer.feed_all(std::move(one));
          continuation.targets[0] = alone.continuations[0].targets[0];
        } else if (tokens.size() > 1) {
          sequences.push_back(active.sequence);
        }
        if (tokens.size() > 1) {
          inputs.emplace_back(tokens.begin(), tokens.end() - 1);
          works.push_back({&sequences.back(), inputs.back(), &active.tails, nullptr, &continuation});
        }
      }
    }
    scorer.feed_all(std::move(works));
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count() / static_cast<double>(std::max<std::size_t>(group.size(), 1));
    for (const Active& active : group) done(active.index, result_of(active, prefix, seconds));
  }
}

}  // namespace moe::eval

// Scores many contexts and their continuations in passes over many rows.
#include "eval/run/score_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <numeric>

#include "engine/base/clock.h"
#include "engine/runtime/sampler.h"
#include "eval/run/shared_prefix.h"

namespace moe::eval {
namespace {

// Logits of one pass: rows are few for large vocabularies.
constexpr std::size_t kLogitBytes = std::size_t{64} << 20;

// One token of a continuation, and how likely it turned out.
struct Target {
  std::int32_t token = 0;
  double logprob = 0;
  bool greedy = false;
};

using Continuation = std::vector<Target>;

// A job under way.
struct Active {
  Active(std::size_t place, const ScoreJob& asked, const CostMeter& blank)
      : index(place), job(&asked), executed(blank) {
    for (const TokenIds& one : asked.continuations) {
      Continuation targets;
      for (const std::int32_t token : one) targets.push_back({token});
      continuations.push_back(std::move(targets));
    }
  }

  std::size_t index;
  const ScoreJob* job;
  std::vector<Continuation> continuations;
  std::size_t open = 0;      // lanes that still have something to feed
  CostMeter executed;        // lanes that are finished
  Costs alone;               // the same, each lane once for every continuation that it serves
  std::size_t reserved = 0;  // bytes of keys and values
  bool charged = false;      // pays for the shared prefix
  double seconds = 0;
};

// A run of tokens that one or more continuations of a job have in common, fed piece by piece. Lanes make a
// tree: the context, then what continuations share, then what each has to itself.
struct Lane {
  std::list<Active>::iterator owner;
  Sequence sequence;
  std::span<const std::int32_t> tokens;    // still to be fed
  std::vector<std::size_t> continuations;  // that it serves
  // Tokens of these continuations that stand before `tokens`. A row of logits tells each of them its next
  // token.
  std::size_t depth = 0;
  bool context = false;  // the context itself: only its last row tells anything
  CostMeter meter;
};

// Nothing, or why this job cannot run.
std::string fault_of(const ScoreJob& job, const ModelSpec& spec, std::size_t context) {
  const auto bad_id = [&](const TokenIds& ids) {
    return std::ranges::any_of(ids, [&](std::int32_t id) { return id < 0 || id >= spec.vocab; });
  };
  if (job.context.empty() || job.continuations.empty())
    return "expected a context and continuations, found none";
  bool bad = bad_id(job.context);
  for (const TokenIds& one : job.continuations) {
    if (one.empty()) return "a continuation without tokens";
    bad = bad || bad_id(one);
    const std::size_t length = job.context.size() + one.size() - 1;
    if (length > context) {
      return fmt::format("context and continuation: expected at most {} tokens, found {}", context, length);
    }
  }
  return bad ? fmt::format("expected token ids below {}, found one beyond", spec.vocab) : "";
}

class Scheduler {
 public:
  Scheduler(Executor& executor, kernels::ThreadTeam& team, std::span<const Job> jobs,
            const BatchOptions& options, const std::function<void(std::size_t, JobResult)>& done)
      : executor_(executor),
        team_(team),
        jobs_(jobs),
        options_(options),
        done_(done),
        budget_(executor, options),
        prefix_(executor, jobs, options.share_prefix && options.sequences > 1,
                options.context_of(executor.model().spec())),
        blank_(executor.model().spec()) {
    const ModelSpec& spec = executor.model().spec();
    // Rotations that depend on a sequence's length belong to each continuation, so there the context is not
    // shared.
    own_contexts_ = std::ranges::any_of(spec.ropes, &RopeSpec::depends_on_length);
    logit_rows_ = std::clamp<std::size_t>(
        kLogitBytes / (static_cast<std::size_t>(spec.vocab) * sizeof(float)), 1, kPassRows);
  }

  void run() {
    while (!options_.interrupted()) {
      fill_pass();
      if (taken_.empty()) return;
      const auto start = Clock::now();
      measure(executor_.forward(feeds_));
      const double seconds = seconds_since(start);
      for (const Taken& part : taken_)
        part.lane->owner->seconds += seconds * static_cast<double>(part.count) / static_cast<double>(rows_);
      for (const Taken& part : taken_) advance(part);
    }
  }

 private:
  // A lane's share of a pass.
  struct Taken {
    std::list<Lane>::iterator lane;
    std::size_t count = 0;
    bool last = false;  // of the lane's tokens
    std::size_t logit_rows() const { return lane->context ? (last ? 1 : 0) : count; }
  };

  // Lanes in their order, then new jobs, until the pass is full. Lanes of the oldest jobs stand first.
  void fill_pass() {
    feeds_.clear();
    taken_.clear();
    rows_ = logits_ = 0;
    for (auto lane = lanes_.begin(); rows_ < kPassRows; ++lane) {
      if (lane == lanes_.end()) {
        const std::size_t before = lanes_.size();
        admit();
        if (lanes_.size() == before) return;
        lane = std::prev(lanes_.end(), static_cast<std::ptrdiff_t>(lanes_.size() - before));
      }
      take(lane);
    }
  }

  void take(std::list<Lane>::iterator lane) {
    Taken part{lane, std::min(lane->tokens.size(), kPassRows - rows_)};
    if (!lane->context) part.count = std::min(part.count, logit_rows_ - logits_);
    part.last = part.count == lane->tokens.size();
    // A context's last token waits for a pass that has room for its logits.
    if (lane->context && part.last && logits_ == logit_rows_) {
      part.last = false;
      --part.count;
    }
    if (part.count == 0) return;
    const LogitsWanted wanted = !lane->context ? LogitsWanted::all
                                : part.last    ? LogitsWanted::last
                                               : LogitsWanted::none;
    feeds_.push_back({&lane->sequence, lane->tokens.first(part.count), wanted, &lane->meter});
    rows_ += part.count;
    logits_ += part.logit_rows();
    taken_.push_back(part);
  }

  // Starts the next job that can run; reports those before it that cannot.
  void admit() {
    const ModelSpec& spec = executor_.model().spec();
    const std::size_t context = options_.context_of(spec);
    while (next_ < jobs_.size() && active_.size() < std::max<std::size_t>(options_.sequences, 1)) {
      const auto& job = std::get<ScoreJob>(jobs_[next_]);
      std::string fault = fault_of(job, spec, context);
      const std::size_t need = fault.empty() ? need_of(job) : 0;
      if (fault.empty()) fault = budget_.fault(need);
      if (!fault.empty()) {
        JobResult result;
        result.error = fault;
        done_(next_++, std::move(result));
        continue;
      }
      if (!budget_.fits(need)) return;
      budget_.reserve(need);
      active_.emplace_back(next_++, job, blank_);
      start(std::prev(active_.end()), need);
      return;
    }
  }

  // Bytes of keys and values a job holds at most.
  std::size_t need_of(const ScoreJob& job) const {
    std::size_t need =
        own_contexts_ ? 0 : budget_.need(prefix_.length(), job.context.size() - prefix_.length());
    for (const TokenIds& one : job.continuations) {
      need += own_contexts_ ? budget_.need(0, job.context.size() + one.size() - 1)
                            : budget_.need(job.context.size(), one.size() - 1);
    }
    return need;
  }

  void start(std::list<Active>::iterator active, std::size_t need) {
    active->reserved = need;
    const ScoreJob& job = *active->job;
    if (!own_contexts_) {
      Sequence sequence = prefix_.fork();
      active->charged = prefix_.take_charge();
      std::vector<std::size_t> all(job.continuations.size());
      std::iota(all.begin(), all.end(), 0);
      add_lane(lanes_.end(), {active, std::move(sequence), std::span(job.context).subspan(prefix_.length()),
                              std::move(all), 0, true, blank_});
      return;
    }
    for (std::size_t c = 0; c < job.continuations.size(); ++c) {
      Sequence sequence = executor_.new_sequence();
      sequence.expect_length(static_cast<std::int32_t>(job.context.size() + job.continuations[c].size()) - 1);
      add_lane(lanes_.end(), {active, std::move(sequence), job.context, {c}, 0, true, blank_});
    }
  }

  void add_lane(std::list<Lane>::iterator before, Lane lane) {
    ++lane.owner->open;
    lanes_.insert(before, std::move(lane));
  }

  // The lanes that go on behind a finished one. The last token of a continuation is never fed: nothing
  // follows it.
  void branch(std::list<Lane>::iterator lane) {
    const ScoreJob& job = *lane->owner->job;
    const std::size_t depth = lane->depth;
    std::vector<std::vector<std::size_t>> groups;
    for (const std::size_t c : lane->continuations) {
      const TokenIds& one = job.continuations[c];
      if (depth + 1 >= one.size()) continue;
      const auto same = std::ranges::find_if(
          groups, [&](const auto& group) { return job.continuations[group[0]][depth] == one[depth]; });
      if (options_.share_prefix && same != groups.end()) {
        same->push_back(c);
      } else {
        groups.push_back({c});
      }
    }
    for (std::vector<std::size_t>& group : groups) {
      const TokenIds& first = job.continuations[group[0]];
      std::size_t end = first.size() - 1;
      for (const std::size_t c : group) {
        const TokenIds& one = job.continuations[c];
        end = std::min(end, one.size() - 1);
        end = static_cast<std::size_t>(
            std::mismatch(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(end), one.begin())
                .first -
            first.begin());
      }
      add_lane(lane, {lane->owner, lane->sequence, std::span(first).subspan(depth, end - depth),
                      std::move(group), depth, false, blank_});
    }
  }

  void measure(std::span<const float> logits) {
    const auto vocab = static_cast<std::size_t>(executor_.model().spec().vocab);
    struct Row {
      const Lane* lane;
      std::size_t token;  // of the continuations, that it tells
    };
    std::vector<Row> rows;
    for (const Taken& part : taken_) {
      const Lane& lane = *part.lane;
      for (std::size_t i = 0; i < part.logit_rows(); ++i)
        rows.push_back({&lane, lane.context ? 0 : lane.depth + i + 1});
    }
    team_.parallel_for(
        static_cast<std::int64_t>(rows.size()), 1, [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            const Row& row = rows[static_cast<std::size_t>(r)];
            const std::span<const float> values = logits.subspan(static_cast<std::size_t>(r) * vocab, vocab);
            const double total =
                executor_.kernels().log_sum_exp(values.data(), static_cast<std::int64_t>(vocab));
            const std::int32_t best = argmax(values);
            for (const std::size_t c : row.lane->continuations) {
              Target& target = row.lane->owner->continuations[c][row.token];
              target.logprob = values[static_cast<std::size_t>(target.token)] - total;
              target.greedy = target.token == best;
            }
          }
        });
  }

  // What was fed is done with; a lane that has come to its end gives way to those behind it.
  void advance(const Taken& part) {
    Lane& lane = *part.lane;
    lane.tokens = lane.tokens.subspan(part.count);
    if (!lane.context) lane.depth += part.count;
    if (!lane.tokens.empty()) return;
    const auto owner = lane.owner;
    owner->executed.add(lane.meter);
    for (std::size_t i = 0; i < lane.continuations.size(); ++i) owner->alone.add(lane.meter.read());
    branch(part.lane);
    lanes_.erase(part.lane);
    if (--owner->open > 0) return;
    budget_.release(owner->reserved);
    JobResult result = result_of(*owner);
    const std::size_t index = owner->index;
    active_.erase(owner);
    done_(index, std::move(result));
  }

  JobResult result_of(Active& active) {
    JobResult result;
    result.finish_reason = "scored";
    result.prompt_tokens = active.job->context.size();
    result.prefill = active.executed.read();
    result.alone_prefill = active.alone;
    for (const Continuation& one : active.continuations) {
      double sum = 0;
      bool greedy = true;
      for (const Target& target : one) {
        sum += target.logprob;
        greedy = greedy && target.greedy;
      }
      result.loglikelihoods.push_back(sum);
      result.greedy.push_back(greedy);
      result.prompt_tokens += one.size();
      // Alone, each continuation has the whole context to compute.
      result.alone_prefill.add(prefix_.cost());
    }
    result.alone_prefill.params_touched =
        std::max(result.prefill.params_touched, prefix_.cost().params_touched);
    result.prefill_s = active.seconds;
    if (active.charged) {
      result.prefill.add(prefix_.cost());
      result.prefill.params_touched = result.alone_prefill.params_touched;
      result.prefill_s += prefix_.seconds();
    } else {
      result.shared_tokens = prefix_.length();
    }
    return result;
  }

  Executor& executor_;
  kernels::ThreadTeam& team_;
  std::span<const Job> jobs_;
  const BatchOptions& options_;
  const std::function<void(std::size_t, JobResult)>& done_;
  KvBudget budget_;
  SharedPrefix prefix_;
  bool own_contexts_ = false;
  std::size_t logit_rows_ = 1;
  const CostMeter blank_;  // copied: making one walks over all weights

  std::size_t next_ = 0;
  std::list<Active> active_;
  std::list<Lane> lanes_;
  // Of the pass that is made up.
  std::vector<Feed> feeds_;
  std::vector<Taken> taken_;
  std::size_t rows_ = 0, logits_ = 0;
};

}  // namespace

void score_batch(Executor& executor, kernels::ThreadTeam& team, std::span<const Job> jobs,
                 const BatchOptions& options, const std::function<void(std::size_t, JobResult)>& done) {
  Scheduler(executor, team, jobs, options, done).run();
}

}  // namespace moe::eval

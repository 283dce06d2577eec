// Writes many replies at once.
#include "eval/run/generate_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <optional>

#include "engine/base/clock.h"
#include "engine/runtime/sampler.h"
#include "eval/run/reply.h"
#include "eval/run/shared_prefix.h"

namespace moe::eval {
namespace {

SamplingOptions sampling_of(const Sampling& s) {
  SamplingOptions options;
  options.temperature = static_cast<float>(s.temperature);
  options.top_k = s.top_k;
  options.top_p = static_cast<float>(s.top_p);
  options.min_p = static_cast<float>(s.min_p);
  options.frequency_penalty = static_cast<float>(s.frequency_penalty);
  options.penalty_last_n = -1;
  options.seed = s.seed;
  return options;
}

struct Active {
  Active(std::size_t place, const GenerateJob& asked, Sequence forked, const CostMeter& blank,
         const ReplyRules& rules)
      : index(place),
        job(&asked),
        sequence(std::move(forked)),
        prefill(blank),
        decode(blank),
        sampler(sampling_of(asked.sampling), rules.allowed),
        reply(rules.tokenizer, rules.reasoning, asked.prompt_text, asked.stop) {}

  std::size_t index;
  const GenerateJob* job;
  Sequence sequence;
  CostMeter prefill, decode;
  Sampler sampler;
  Reply reply;
  std::size_t fed = 0;     // prompt tokens that are in the sequence
  std::size_t shared = 0;  // those of them another job computed
  Costs shared_cost;       // what that took
  std::int32_t token = 0;  // drawn, not fed yet
  std::vector<std::int32_t> drawn;
  std::size_t reserved = 0;  // bytes of keys and values it may come to hold
  bool charged = false;      // pays for the shared prefix
  std::string end;           // why it ended; empty: it goes on
  Clock::time_point start, first;

  bool in_prompt() const { return fed < job->prompt.size(); }
};

// A prompt as it stands behind its last token, for the jobs behind that ask the same again.
struct AskedPrompt {
  const TokenIds* prompt = nullptr;
  std::optional<Sequence> sequence;  // nothing: it is still being fed
  std::vector<float> logits;
  Costs cost;  // as if alone
};

class Scheduler {
 public:
  Scheduler(Executor& executor, kernels::ThreadTeam& team, std::span<const Job> jobs, const ReplyRules& rules,
            const BatchOptions& options, const std::function<void(std::size_t, JobResult)>& done)
      : executor_(executor),
        team_(team),
        spec_(executor.model().spec()),
        jobs_(jobs),
        rules_(rules),
        options_(options),
        done_(done),
        share_(options.share_prefix && options.sequences > 1),
        context_(options.context_of(spec_)),
        budget_(executor, options),
        prefix_(executor, jobs, share_, context_),
        blank_(spec_) {}

  void run() {
    while (!options_.interrupted()) {
      admit();
      if (active_.empty()) return;
      step();
    }
  }

 private:
  using Place = std::list<Active>::iterator;

  std::string fault_of(const GenerateJob& job, std::size_t need) const {
    if (job.prompt.empty() || job.prompt.size() > context_) {
      return fmt::format("prompt: expected 1 to {} tokens, found {}", context_, job.prompt.size());
    }
    if (std::ranges::any_of(job.prompt, [&](std::int32_t id) { return id < 0 || id >= spec_.vocab; })) {
      return fmt::format("prompt: expected token ids below {}, found one beyond", spec_.vocab);
    }
    return budget_.fault(need);
  }

  void admit() {
    while (next_ < jobs_.size() && active_.size() < std::max<std::size_t>(options_.sequences, 1)) {
      const auto& job = std::get<GenerateJob>(jobs_[next_]);
      const bool again = asked_.prompt != nullptr && *asked_.prompt == job.prompt;
      if (again && !asked_.sequence) return;  // a pass or two, and its prompt is there
      const std::size_t length =
          std::min(context_, job.prompt.size() + static_cast<std::size_t>(job.max_tokens));
      const std::size_t need = budget_.need(prefix_.length(), length - std::min(length, prefix_.length()));
      const std::string fault = fault_of(job, need);
      if (!fault.empty()) {
        JobResult result;
        result.error = fault;
        done_(next_++, std::move(result));
        continue;
      }
      if (!budget_.fits(need)) return;
      budget_.reserve(need);
      start(job, again, need);
    }
  }

  void start(const GenerateJob& job, bool again, std::size_t need) {
    const auto now = Clock::now();
    active_.emplace_back(next_++, job, again ? *asked_.sequence : prefix_.fork(), blank_, rules_);
    const Place one = std::prev(active_.end());
    one->reserved = need;
    one->start = now;
    if (again) {
      one->fed = one->shared = job.prompt.size();
      one->shared_cost = asked_.cost;
      draw(*one, asked_.logits);
      if (!one->end.empty()) finish(one);
      return;
    }
    asked_ = {};
    if (share_ && next_ < jobs_.size() && std::get<GenerateJob>(jobs_[next_]).prompt == job.prompt)
      asked_.prompt = &job.prompt;
    one->charged = prefix_.take_charge();
    one->sequence.expect_length(static_cast<std::int32_t>(job.prompt.size()));
    one->fed = one->shared = prefix_.length();
    one->shared_cost = prefix_.cost();
  }

  // One pass: a token of each reply under way, then prompts as far as there is room.
  void step() {
    std::vector<Feed> feeds;
    std::vector<Place> fed;
    std::size_t rows = 0;
    for (Place one = active_.begin(); one != active_.end(); ++one) {
      if (one->in_prompt()) continue;
      feeds.push_back({&one->sequence, {&one->token, 1}, LogitsWanted::last, &one->decode});
      fed.push_back(one);
      ++rows;
    }
    for (Place one = active_.begin(); one != active_.end() && rows < kPassRows; ++one) {
      if (!one->in_prompt()) continue;
      const std::size_t count = std::min(one->job->prompt.size() - one->fed, kPassRows - rows);
      const auto chunk = std::span(one->job->prompt).subspan(one->fed, count);
      one->fed += count;
      feeds.push_back(
          {&one->sequence, chunk, one->in_prompt() ? LogitsWanted::none : LogitsWanted::last, &one->prefill});
      fed.push_back(one);
      rows += count;
    }
    const std::span<const float> logits = executor_.forward(feeds);
    const auto vocab = static_cast<std::size_t>(spec_.vocab);
    std::size_t row = 0;
    std::vector<std::pair<Place, std::span<const float>>> draws;
    for (std::size_t i = 0; i < feeds.size(); ++i) {
      if (feeds[i].logits == LogitsWanted::none) continue;
      draws.emplace_back(fed[i], logits.subspan(row++ * vocab, vocab));
      if (fed[i]->drawn.empty() && &fed[i]->job->prompt == asked_.prompt)
        keep_for_repeats(*fed[i], draws.back().second);
    }
    // Each reply has a sampler and a text of its own; over a large vocabulary a draw is work worth sharing.
    team_.parallel_for(
        static_cast<std::int64_t>(draws.size()), 1, [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t i = begin; i < end; ++i)
            draw(*draws[static_cast<std::size_t>(i)].first, draws[static_cast<std::size_t>(i)].second);
        });
    for (const auto& [one, unused] : draws) {
      if (!one->end.empty()) finish(one);
    }
  }

  void keep_for_repeats(Active& one, std::span<const float> logits) {
    asked_.sequence = one.sequence;
    asked_.logits.assign(logits.begin(), logits.end());
    asked_.cost = alone_prefill(one);
  }

  // Draws the next token.
  void draw(Active& one, std::span<const float> logits) const {
    one.token = one.sampler.next(logits, one.sequence.tokens());
    if (one.drawn.empty()) one.first = Clock::now();
    one.drawn.push_back(one.token);
    if (!one.job->ignore_stops && std::ranges::find(rules_.stop_ids, one.token) != rules_.stop_ids.end()) {
      one.reply.push_end();
      one.end = "stop";
    } else if (!one.reply.push(one.token)) {
      one.end = "stop";
    } else if (static_cast<int>(one.drawn.size()) >= one.job->max_tokens) {
      one.end = "length";
    } else if (static_cast<std::size_t>(one.sequence.length()) >= context_) {
      one.end = "context";
    }
  }

  static Costs alone_prefill(Active& one) {
    Costs costs = one.prefill.read();
    costs.add(one.shared_cost);
    costs.params_touched = std::max(costs.params_touched, one.shared_cost.params_touched);
    return costs;
  }

  void finish(Place one) {
    const auto now = Clock::now();
    JobResult result;
    one->reply.finish(one->end, result);
    result.response_tokens = std::move(one->drawn);
    result.prompt_tokens = one->job->prompt.size();
    result.alone_prefill = alone_prefill(*one);
    result.prefill = one->charged ? result.alone_prefill : one->prefill.read();
    result.shared_tokens = one->charged ? 0 : one->shared;
    result.decode = result.alone_decode = one->decode.read();
    result.prefill_s = result.ttft_s = seconds_between(one->start, one->first);
    result.decode_s = seconds_between(one->first, now);
    if (one->charged) result.prefill_s += prefix_.seconds();
    budget_.release(one->reserved);
    const std::size_t index = one->index;
    active_.erase(one);
    done_(index, std::move(result));
  }

  Executor& executor_;
  kernels::ThreadTeam& team_;
  const ModelSpec& spec_;
  std::span<const Job> jobs_;
  const ReplyRules& rules_;
  const BatchOptions& options_;
  const std::function<void(std::size_t, JobResult)>& done_;
  bool share_;
  std::size_t context_;
  KvBudget budget_;
  SharedPrefix prefix_;
  const CostMeter blank_;  // copied: making one walks over all weights
  AskedPrompt asked_;
  std::list<Active> active_;
  std::size_t next_ = 0;
};

}  // namespace

void generate_batch(Executor& executor, kernels::ThreadTeam& team, std::span<const Job> jobs,
                    const ReplyRules& rules, const BatchOptions& options,
                    const std::function<void(std::size_t, JobResult)>& done) {
  Scheduler(executor, team, jobs, rules, options, done).run();
}

}  // namespace moe::eval

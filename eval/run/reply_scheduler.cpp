#include "eval/run/reply_scheduler.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/base/error.h"

namespace moe::eval {

SamplingOptions sampling_options(const Sampling& s) {
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

struct ReplyScheduler::Active {
  Active(std::size_t place, const GenerateJob& asked, Sequence forked, const CostMeter& blank,
         const ReplyRules& rules)
      : index(place),
        job(&asked),
        sequence(std::move(forked)),
        prefill(blank),
        decode(blank),
        sampler(sampling_options(asked.sampling), rules.allowed),
        reply(rules.tokenizer, rules.reasoning, asked.prompt_text, asked.stop) {}

  bool in_prompt() const { return fed < job->prompt.size(); }
  Costs alone_prefill();

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
  std::string error;         // where `end` is "error"
  Clock::time_point start, first;
};

Costs ReplyScheduler::Active::alone_prefill() {
  Costs costs = prefill.read();
  costs.add(shared_cost);
  costs.params_touched = std::max(costs.params_touched, shared_cost.params_touched);
  return costs;
}

ReplyScheduler::ReplyScheduler(Executor& executor, kernels::ThreadTeam& team, ReplyQueue& queue,
                               const ReplyRules& rules, const BatchOptions& options, std::size_t sequences)
    : executor_(executor),
      team_(team),
      spec_(executor.model().spec()),
      queue_(queue),
      rules_(rules),
      options_(options),
      sequences_(std::max<std::size_t>(sequences, 1)),
      blank_(spec_) {}

ReplyScheduler::~ReplyScheduler() = default;

void ReplyScheduler::run() {
  while (!options_.interrupted()) {
    admit();
    if (active_.empty()) return;
    step();
  }
}

void ReplyScheduler::run_while_full(std::size_t least, std::atomic<bool>& stop) {
  while (!stop && !options_.interrupted()) {
    admit();
    if (active_.size() < least) break;
    step();
  }
  stop = true;
}

void ReplyScheduler::adopt(ReplyScheduler&& other) {
  active_.splice(active_.end(), other.active_);
  taken_.insert(taken_.end(), std::move_iterator(other.taken_.begin()), std::move_iterator(other.taken_.end()));
  other.taken_.clear();
}

// Whether there is one, at the beginning of the last run in taken_.
bool ReplyScheduler::next_job() {
  while (!taken_.empty() && taken_.back().jobs.empty()) taken_.pop_back();
  if (taken_.empty()) taken_.emplace_back().jobs = queue_.take();
  return !taken_.back().jobs.empty();
}

void ReplyScheduler::admit() {
  while (active_.size() < sequences_ && next_job()) {
    Taken& from = taken_.back();
    const GenerateJob& job = queue_.job(from.jobs.begin);
    if (from.prompt != nullptr && !from.sequence) return;  // a pass or two, and its prompt is there
    const std::size_t need = queue_.need(job);
    const std::string fault = queue_.fault_of(job, need);
    if (!fault.empty()) {
      JobResult result;
      result.error = fault;
      queue_.report(from.jobs.begin++, std::move(result));
      continue;
    }
    if (!queue_.reserve(need)) return;
    start(from, job, need);
  }
}

void ReplyScheduler::start(Taken& from, const GenerateJob& job, std::size_t need) {
  const auto now = Clock::now();
  const bool again = from.sequence.has_value();
  active_.emplace_back(from.jobs.begin++, job, again ? *from.sequence : queue_.prefix().fork(), blank_, rules_);
  const Place one = std::prev(active_.end());
  one->reserved = need;
  one->start = now;
  if (again) {
    one->fed = one->shared = job.prompt.size();
    one->shared_cost = from.cost;
    draw(*one, from.logits);
    if (!one->end.empty()) finish(one);
    return;
  }
  if (!from.jobs.empty()) from.prompt = &job.prompt;
  one->charged = queue_.take_charge();
  one->sequence.expect_length(static_cast<std::int32_t>(job.prompt.size()));
  one->fed = one->shared = queue_.prefix().length();
  one->shared_cost = queue_.prefix().cost();
}

// One pass: a token of each reply under way, then prompts as far as there is room.
void ReplyScheduler::step() {
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
    if (fed[i]->drawn.empty()) keep_for_repeats(*fed[i], draws.back().second);
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

void ReplyScheduler::keep_for_repeats(Active& one, std::span<const float> logits) {
  for (Taken& taken : taken_) {
    if (taken.prompt != &one.job->prompt) continue;
    taken.sequence = one.sequence;
    taken.logits.assign(logits.begin(), logits.end());
    taken.cost = one.alone_prefill();
  }
}

// Draws the next token.
void ReplyScheduler::draw(Active& one, std::span<const float> logits) const {
  try {
    one.token = one.sampler.next(logits, one.sequence.tokens());
  } catch (const Error& error) {  // this reply's own fault, as a context that is too long is
    one.error = error.what();
    one.end = "error";
    return;
  }
  if (one.drawn.empty()) one.first = Clock::now();
  one.drawn.push_back(one.token);
  if (!one.job->ignore_stops && std::ranges::find(rules_.stop_ids, one.token) != rules_.stop_ids.end()) {
    one.reply.push_end();
    one.end = "stop";
  } else if (!one.reply.push(one.token)) {
    one.end = "stop";
  } else if (static_cast<int>(one.drawn.size()) >= one.job->max_tokens) {
    one.end = "length";
  } else if (static_cast<std::size_t>(one.sequence.length()) >= queue_.context()) {
    one.end = "context";
  }
}

void ReplyScheduler::finish(Place one) {
  const auto now = Clock::now();
  JobResult result;
  one->reply.finish(one->end, result);
  result.error = one->error;
  result.response_tokens = std::move(one->drawn);
  result.prompt_tokens = one->job->prompt.size();
  result.alone_prefill = one->alone_prefill();
  result.prefill = one->charged ? result.alone_prefill : one->prefill.read();
  result.shared_tokens = one->charged ? 0 : one->shared;
  result.decode = result.alone_decode = one->decode.read();
  result.prefill_s = result.ttft_s = seconds_between(one->start, one->first);
  result.decode_s = seconds_between(one->first, now);
  if (one->charged) result.prefill_s += queue_.prefix().seconds();
  queue_.release(one->reserved);
  const std::size_t index = one->index;
  active_.erase(one);
  queue_.report(index, std::move(result));
}

}  // namespace moe::eval

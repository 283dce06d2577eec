// Writes many replies at once.
#include "eval/run/generate_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <list>

#include "engine/base/error.h"
#include "engine/runtime/sampler.h"
#include "eval/run/reply.h"
#include "eval/run/shared_prefix.h"

namespace moe::eval {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point from, Clock::time_point to) { return std::chrono::duration<double>(to - from).count(); }

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
  Active(std::size_t place, const GenerateJob& asked, Sequence forked, const ModelSpec& spec, const ReplyRules& rules)
      : index(place), job(&asked), sequence(std::move(forked)), prefill(spec), decode(spec), sampler(sampling_of(asked.sampling), rules.allowed),
        reply(rules.tokenizer, rules.reasoning, asked.prompt_text, asked.stop) {}

  std::size_t index;
  const GenerateJob* job;
  Sequence sequence;
  CostMeter prefill, decode;
  Sampler sampler;
  Reply reply;
  std::size_t fed = 0;       // prompt tokens fed
  std::int32_t token = 0;    // drawn, not fed yet
  int drawn = 0;
  std::size_t reserved = 0;  // bytes of keys and values it may come to hold
  bool charged = false;
  Clock::time_point start, first;

  bool in_prompt() const { return fed < job->prompt.size(); }
};

// Bytes a position keeps over all layers. Window layers free what they leave behind, so this is an upper bound.
std::size_t kv_bytes_per_token(const KvLayout& layout) {
  std::size_t bytes = 0;
  for (const KvLayout::Group& group : layout.groups()) bytes += group.block_bytes / kKvBlockTokens;
  return bytes;
}

}  // namespace

void generate_batch(Executor& executor, std::span<const Job> jobs, const ReplyRules& rules, const BatchOptions& options,
                    const std::function<void(std::size_t, JobResult)>& done) {
  const ModelSpec& spec = executor.model().spec();
  const auto context = static_cast<std::size_t>(options.context > 0 ? options.context : spec.max_positions);
  const auto vocab = static_cast<std::size_t>(spec.vocab);
  const std::size_t token_bytes = kv_bytes_per_token(executor.pool().layout());
  SharedPrefix prefix(executor, jobs, options.share_prefix && options.sequences > 1);
  std::list<Active> active;
  std::size_t next = 0, reserved = 0;

  const auto admit = [&] {
    while (next < jobs.size() && active.size() < std::max<std::size_t>(options.sequences, 1)) {
      const auto& job = std::get<GenerateJob>(jobs[next]);
      std::string fault;
      if (job.prompt.empty() || job.prompt.size() > context) {
        fault = fmt::format("prompt: expected 1 to {} tokens, found {}", context, job.prompt.size());
      } else if (std::ranges::any_of(job.prompt, [&](std::int32_t id) { return id < 0 || id >= spec.vocab; })) {
        fault = fmt::format("prompt: expected token ids below {}, found one beyond", spec.vocab);
      }
      const std::size_t length = std::min(context, job.prompt.size() + static_cast<std::size_t>(job.max_tokens));
      const std::size_t bytes = token_bytes * (length - std::min(length, prefix.length()));
      // The first always goes, so that a small budget slows a run and does not stop it.
      if (fault.empty() && options.kv_bytes > 0 && !active.empty() && reserved + bytes > options.kv_bytes) return;
      if (!fault.empty()) {
        JobResult result;
        result.error = fault;
        done(next++, std::move(result));
        continue;
      }
      active.emplace_back(next++, job, prefix.fork(), spec, rules);
      Active& one = active.back();
      one.charged = prefix.take_charge();
      one.sequence.expect_length(static_cast<std::int32_t>(job.prompt.size()));
      one.fed = prefix.length();
      one.reserved = bytes;
      one.start = Clock::now();
      reserved += bytes;
    }
  };

  const auto finish = [&](std::list<Active>::iterator one, const std::string& reason) {
    const auto now = Clock::now();
    JobResult result;
    one->reply.finish(reason, result);
    result.prompt_tokens = one->job->prompt.size();
    result.prefill = result.alone_prefill = one->prefill.read();
    result.decode = result.alone_decode = one->decode.read();
    result.alone_prefill.add(prefix.cost());
    result.alone_prefill.params_touched = std::max(result.alone_prefill.params_touched, prefix.cost().params_touched);
    if (one->charged) {
      result.prefill = result.alone_prefill;
    } else {
      result.shared_tokens = prefix.length();
    }
    result.prefill_s = result.ttft_s = seconds_between(one->start, one->first);
    result.decode_s = seconds_between(one->first, now);
    if (one->charged) result.prefill_s += prefix.seconds();
    reserved -= one->reserved;
    const std::size_t index = one->index;
    active.erase(one);
    done(index, std::move(result));
  };

  // Draws the next token; false: the reply has come to its end, for this reason.
  const auto draw = [&](Active& one, std::span<const float> logits, std::string& reason) {
    one.token = one.sampler.next(logits, one.sequence.tokens());
    if (one.drawn++ == 0) one.first = Clock::now();
    reason = "stop";
    if (std::ranges::find(rules.stop_ids, one.token) != rules.stop_ids.end()) {
      one.reply.push_end();
      return false;
    }
    if (!one.reply.push(one.token)) return false;
    reason = "length";
    if (one.drawn >= one.job->max_tokens) return false;
    reason = "context";
    return static_cast<std::size_t>(one.sequence.length()) < context;
  };

  for (;;) {
    if (options.interrupted()) return;
    admit();
    if (active.empty()) return;
    std::vector<Feed> feeds;
    std::vector<std::list<Active>::iterator> fed;
    std::size_t rows = 0;
    for (auto one = active.begin(); one != active.end(); ++one) {
      if (one->in_prompt()) continue;
      feeds.push_back({&one->sequence, {&one->token, 1}, LogitsWanted::last, &one->decode});
      fed.push_back(one);
      ++rows;
    }
    for (auto one = active.begin(); one != active.end() && rows < kPassRows; ++one) {
      if (!one->in_prompt()) continue;
      const std::size_t count = std::min(one->job->prompt.size() - one->fed, kPassRows - rows);
      const auto chunk = std::span(one->job->prompt).subspan(one->fed, count);
      one->fed += count;
      feeds.push_back({&one->sequence, chunk, one->in_prompt() ? LogitsWanted::none : LogitsWanted::last, &one->prefill});
      fed.push_back(one);
      rows += count;
    }
    const std::span<const float> logits = executor.forward(feeds);
    std::size_t row = 0;
    std::vector<std::pair<std::list<Active>::iterator, std::string>> ended;
    for (std::size_t i = 0; i < feeds.size(); ++i) {
      if (feeds[i].logits == LogitsWanted::none) continue;
      std::string reason;
      if (!draw(*fed[i], logits.subspan(row++ * vocab, vocab), reason)) ended.emplace_back(fed[i], reason);
    }
    for (const auto& [one, reason] : ended) finish(one, reason);
  }
}

}  // namespace moe::eval

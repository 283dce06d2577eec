#include "engine/runtime/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "engine/base/clock.h"
#include "engine/base/error.h"

namespace moe {
namespace {

// FNV-1a over the bits of one row: equal rows, equal hash, on every machine.
std::uint64_t hash_row(std::span<const float> row) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const float v : row) {
    std::uint32_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    for (int i = 0; i < 4; ++i) hash = (hash ^ ((bits >> (8 * i)) & 0xffU)) * 0x100000001b3ULL;
  }
  return hash;
}

}  // namespace

std::string_view name(FinishReason reason) noexcept {
  switch (reason) {
    case FinishReason::stop: return "stop";
    case FinishReason::length: return "length";
    case FinishReason::context: return "context";
    case FinishReason::interrupted: return "interrupted";
  }
  return "";
}

Generation generate(Executor& executor, std::span<const std::int32_t> prompt, const GenerateOptions& options,
                    const GenerateHooks& hooks) {
  Sequence sequence = executor.new_sequence();
  return generate(executor, sequence, prompt, options, hooks);
}

Generation generate(Executor& executor, Sequence& sequence, std::span<const std::int32_t> prompt,
                    const GenerateOptions& options, const GenerateHooks& hooks) {
  const ModelSpec& spec = executor.model().spec();
  const std::int32_t context = options.context > 0 ? options.context : spec.max_positions;
  if (prompt.empty()) throw Error(ErrorKind::usage, Fault{"", "prompt", "at least one token", "none"});
  if (const std::int64_t length = sequence.length() + std::int64_t(prompt.size()); length > context) {
    throw Error(ErrorKind::limit, Fault{"", "prompt", fmt::format("at most the context's {} tokens", context), std::to_string(length)});
  }
  validate(options.sampling);

  const auto start = Clock::now();
  const auto stopped = [&] { return hooks.interrupted && hooks.interrupted(); };
  const std::size_t vocab = spec.vocab;
  const auto chunk = std::size_t(std::max(options.chunk, 1));
  Generation out;
  CostMeter prefill(spec), decode(spec);
  sequence.expect_length(sequence.length() + std::int32_t(prompt.size()));
  std::span<const float> last;  // the row the next token is drawn from; the executor's, until the next pass

  const auto keep = [&](std::span<const float> rows) {
    if (rows.empty()) return;
    if (hooks.on_logits) hooks.on_logits(rows);
    last = rows.last(vocab);
  };
  const auto finish = [&](FinishReason reason) {
    out.finish = reason;
    if (out.prefill_s == 0) out.prefill_s = seconds_since(start);  // stopped before the prompt was read
    if (!last.empty()) out.logits_hash = hash_row(last);
    out.prefill = prefill.read();
    out.decode = decode.read();
    return out;
  };

  for (std::size_t at = 0; at < prompt.size(); at += chunk) {
    const std::size_t count = std::min(chunk, prompt.size() - at);
    const bool is_last = at + count == prompt.size();
    const LogitsWanted wanted = options.all_prompt_logits ? LogitsWanted::all : is_last ? LogitsWanted::last : LogitsWanted::none;
    const Feed feed{&sequence, prompt.subspan(at, count), wanted, &prefill};
    keep(executor.forward({&feed, 1}));
    if (hooks.on_prefill) hooks.on_prefill(std::int32_t(at + count));
    if (!is_last && stopped()) return finish(FinishReason::interrupted);
  }
  out.prefill_s = seconds_since(start);
  if (options.max_new_tokens <= 0) return finish(FinishReason::length);

  Sampler sampler(options.sampling, hooks.allowed ? hooks.allowed() : std::vector<bool>());
  const auto decode_start = Clock::now();
  for (;;) {
    if (stopped()) return finish(FinishReason::interrupted);
    GeneratedToken token;
    token.id = sampler.next(last, sequence.tokens());
    if (options.logprobs >= 0) {
      token.logprob = last[token.id] - log_sum_exp(last);
      token.top = top_logprobs(last, options.logprobs);
    }
    if (out.tokens.empty()) out.ttft_s = seconds_since(start);
    out.tokens.push_back(token);
    const bool stop_id = std::ranges::find(options.stop_ids, token.id) != options.stop_ids.end();
    const bool go_on = !hooks.on_token || hooks.on_token(token.id);
    out.decode_s = seconds_since(decode_start);
    if (stop_id || !go_on) return finish(FinishReason::stop);
    if (std::int64_t(out.tokens.size()) >= options.max_new_tokens) return finish(FinishReason::length);
    if (sequence.length() >= context) return finish(FinishReason::context);
    const Feed feed{&sequence, {&token.id, 1}, LogitsWanted::last, &decode};
    keep(executor.forward({&feed, 1}));
  }
}

}  // namespace moe

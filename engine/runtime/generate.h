// Writing with a model: one prompt in, tokens out, with what it took.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/model/costs.h"
#include "engine/runtime/executor.h"
#include "engine/runtime/sampler.h"

namespace moe {

enum class FinishReason : std::uint8_t { stop, length, context, interrupted };
std::string_view name(FinishReason reason) noexcept;

struct GenerateOptions {
  std::int32_t max_new_tokens = 128;
  std::int32_t context = 0;   // most tokens a sequence may hold; 0: what the model was made for
  std::int32_t chunk = 512;   // prompt tokens a forward pass takes
  SamplingOptions sampling;
  std::vector<std::int32_t> stop_ids;
  std::int32_t logprobs = -1;  // alternatives listed for each token; -1: no log-probabilities
  bool all_prompt_logits = false;
};

struct GenerateHooks {
  // After each new token; false ends with FinishReason::stop (a stop string was seen).
  std::function<bool(std::int32_t id)> on_token;
  // Rows of logits [n, V] of fed tokens, in order: all of them if all_prompt_logits, else those that were computed.
  std::function<void(std::span<const float> rows)> on_logits;
  // Prompt tokens computed so far.
  std::function<void(std::int32_t done)> on_prefill;
  // Ids that may be drawn; none (empty): all. Asked once, when the prompt has been computed.
  std::function<std::vector<bool>()> allowed;
  // True ends with FinishReason::interrupted.
  std::function<bool()> interrupted;
};

struct GeneratedToken {
  std::int32_t id = 0;
  double logprob = 0;
  std::vector<TokenLogprob> top;
};

struct Generation {
  std::vector<GeneratedToken> tokens;
  FinishReason finish = FinishReason::length;
  double prefill_s = 0, decode_s = 0, ttft_s = 0;  // ttft: from the call to the first new token
  Costs prefill, decode;
  std::uint64_t logits_hash = 0;  // of the last row computed; 0 if there was none
};

// Continues `prompt` (at least one token) from an empty sequence. Throws Error(limit) where the prompt does not fit
// the context, Error(usage) for ids outside the vocabulary.
Generation generate(Executor& executor, std::span<const std::int32_t> prompt, const GenerateOptions& options,
                    const GenerateHooks& hooks = {});

// The same from a sequence that has read the beginning of the text already: a conversation's next turn. Afterwards the
// sequence holds everything that was fed, which is all but the last new token.
Generation generate(Executor& executor, Sequence& sequence, std::span<const std::int32_t> prompt,
                    const GenerateOptions& options, const GenerateHooks& hooks = {});

}  // namespace moe

// Choosing the next token from logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace moe {

// The order is llama.cpp's: penalties, top-k, top-p, min-p, then temperature and the draw. Each step is off at the
// value named.
struct SamplingOptions {
  float temperature = 0.8F;       // 0: greedy, the highest logit, ties to the lowest id
  std::int32_t top_k = 40;        // 0: all
  float top_p = 0.95F;            // 1
  float min_p = 0.05F;            // 0
  float repeat_penalty = 1.0F;    // 1; divides positive and multiplies negative logits of tokens seen lately
  float frequency_penalty = 0.0F; // 0; subtracted once a time a token was seen
  float presence_penalty = 0.0F;  // 0; subtracted from tokens that were seen
  std::int32_t penalty_last_n = 64;  // tokens looked back at; -1: all
  std::uint64_t seed = 0;
};

// Throws Error(usage) naming the option that is out of range.
void validate(const SamplingOptions& options);

struct TokenLogprob {
  std::int32_t id = 0;
  double logprob = 0;
};

// Log of the sum of exponentials, as the kernels add it (kernels/numerics.h): within about 1e-6.
double log_sum_exp(std::span<const float> logits);
// The id of the highest logit; ties go to the lowest id.
std::int32_t argmax(std::span<const float> logits);
// The n most likely tokens with their log-probabilities under the plain softmax.
std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, std::int32_t n);

// Draws are a function of the seed and the number of draws so far, so that a run can be repeated anywhere. A vocabulary
// is gone over a few times at most and ranked only as far as a draw looks.
class Sampler {
 public:
  // Ids from `allowed`'s size on, and those it marks false, are never chosen; an empty `allowed` permits all.
  explicit Sampler(const SamplingOptions& options, const std::vector<bool>& allowed = {});

  // `history` is everything the model has read, for the penalties. Logits are not changed.
  std::int32_t next(std::span<const float> logits, std::span<const std::int32_t> history);

 private:
  class Ranking;
  double uniform();  // [0, 1)
  std::span<const float> scores_of(std::span<const float> logits, std::span<const std::int32_t> history);
  std::int32_t draw_from_all(std::span<const float> scores);
  std::size_t kept(Ranking& ranking, std::size_t count, double total) const;

  SamplingOptions options_;
  std::size_t limit_;                    // ids from here on are forbidden,
  std::vector<std::int32_t> forbidden_;  // and these
  std::uint64_t draws_ = 0;
  std::vector<float> scores_, scaled_, values_;
  std::vector<std::int32_t> ids_;
};

}  // namespace moe

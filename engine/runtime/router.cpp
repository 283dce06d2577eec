#include "engine/runtime/router.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace moe {
namespace {


// Group scores: the largest choice, or the sum of the two largest; then every choice outside the best groups is
// put out of reach (or to zero, which DeepSeek-V2 does).
void keep_best_groups(const RouterSpec& spec, const kernels::KernelTable& kernels, std::span<float> choice) {
  const std::size_t size = choice.size() / std::size_t(spec.groups);
  std::vector<float> score(spec.groups);
  for (std::int32_t g = 0; g < spec.groups; ++g) {
    float first = -std::numeric_limits<float>::infinity(), second = first;
    for (const float c : choice.subspan(g * size, size)) {
      if (c > first) {
        second = first;
        first = c;
      } else if (c > second) {
        second = c;
      }
    }
    const bool pair = spec.group_score == RouterSpec::GroupScore::top2_sum && size > 1;
    score[g] = pair ? first + second : first;
  }
  std::vector<float> best(spec.groups_kept);
  std::vector<std::int32_t> kept(spec.groups_kept);
  kernels.top_k(score.data(), spec.groups, spec.groups_kept, best.data(), kept.data());
  const float out = spec.dropped_group_is_zero ? 0.0F : -std::numeric_limits<float>::infinity();
  for (std::int32_t g = 0; g < spec.groups; ++g) {
    if (std::ranges::find(kept, g) == kept.end()) std::ranges::fill(choice.subspan(g * size, size), out);
  }
}

}  // namespace

void route(const RouterSpec& spec, const kernels::KernelTable& kernels, std::span<float> logits,
           std::span<const float> bias, std::span<const float> choice_bias, std::span<const float> expert_scale,
           std::span<float> choice, std::span<std::int32_t> experts, std::span<float> weights) {
  const auto count = static_cast<std::int64_t>(logits.size());
  const int k = spec.top_k;
  if (!bias.empty()) kernels.add(logits.data(), bias.data(), count, logits.data());
  if (spec.score == RouterSpec::Score::softmax) kernels.softmax(logits.data(), count);
  if (spec.score == RouterSpec::Score::sigmoid) kernels.sigmoid(logits.data(), count, logits.data());

  if (choice_bias.empty()) {
    std::ranges::copy(logits, choice.begin());
  } else {
    kernels.add(logits.data(), choice_bias.data(), count, choice.data());
  }
  if (spec.group_score != RouterSpec::GroupScore::none) keep_best_groups(spec, kernels, choice);
  kernels.top_k(choice.data(), count, k, weights.data(), experts.data());

  // The weights are the scores themselves, whatever helped to choose.
  for (int i = 0; i < k; ++i) weights[i] = logits[experts[i]];
  if (spec.score == RouterSpec::Score::softmax_of_chosen) kernels.softmax(weights.data(), k);
  if (spec.renormalise) {
    float sum = 0;
    for (int i = 0; i < k; ++i) sum += weights[i];
    sum += spec.renormalise_eps;
    for (int i = 0; i < k; ++i) weights[i] /= sum;
  }
  for (int i = 0; i < k; ++i) {
    if (!expert_scale.empty()) weights[i] *= expert_scale[experts[i]];
    if (spec.weight_scale != 1) weights[i] *= spec.weight_scale;
  }

  // Insertion sort: k is small, and the order of expert ids is the order of the sum.
  for (int i = 1; i < k; ++i) {
    for (int j = i; j > 0 && experts[j] < experts[j - 1]; --j) {
      std::swap(experts[j], experts[j - 1]);
      std::swap(weights[j], weights[j - 1]);
    }
  }
}

std::uint64_t routing_flops(const RouterSpec& spec) {
  const auto e = static_cast<std::uint64_t>(spec.experts), k = static_cast<std::uint64_t>(spec.top_k);
  std::uint64_t flops = 0;
  switch (spec.score) {
    case RouterSpec::Score::softmax: flops += 5 * e; break;
    case RouterSpec::Score::sigmoid: flops += 3 * e; break;
    case RouterSpec::Score::softmax_of_chosen: flops += 5 * k; break;
  }
  if (spec.bias) flops += e;
  if (spec.choice_bias) flops += e;
  if (spec.group_score == RouterSpec::GroupScore::top2_sum) flops += static_cast<std::uint64_t>(spec.groups);
  if (spec.renormalise) flops += 2 * k;
  if (spec.per_expert_scale) flops += k;
  if (spec.counts_scale) flops += k;
  return flops;
}

}  // namespace moe

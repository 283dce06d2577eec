// What the forward pass counts on the golden models: class A as torch's counter has it, both classes as the closed
// forms have them, and parameters.
#include <cstring>

#include "engine/model/closed_form.h"
#include "engine/model/weights.h"
#include "tests/models/golden_support.h"

namespace moe::test {
namespace {

class GoldenCosts : public GoldenTest {};

// transformers expands MLA's latent into keys and values; this engine multiplies the latent itself. The products of
// weights are as many, the attention's differ by 2 n (2 r - d_n - d_v) a visible pair.
std::int64_t latent_difference(const ModelSpec& spec, std::int64_t pairs) {
  std::int64_t sum = 0;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = layer.attention;
    if (a.kind == AttentionSpec::Kind::latent) sum += pairs * 2 * a.heads * (2 * a.kv_rank - a.nope_dim - a.value_dim);
  }
  return sum;
}

Costs run(Executor& executor, Sequence& sequence, std::span<const std::int32_t> ids, LogitsWanted wanted) {
  CostMeter meter(executor.model().spec());
  const Feed feed{&sequence, ids, wanted, &meter};
  executor.forward({&feed, 1});
  return meter.read();
}

void expect_same(const Costs& counted, const Costs& expected, const std::string& what) {
  for (std::size_t c = 0; c < kComponents; ++c) {
    EXPECT_EQ(counted.components[c].class_a, expected.components[c].class_a) << what << ", class A of " << name(Component(c));
    EXPECT_EQ(counted.components[c].class_b, expected.components[c].class_b) << what << ", class B of " << name(Component(c));
  }
}

TEST_P(GoldenCosts, ClassAEqualsTorchAndBothEqualTheClosedForms) {
  kernels::ThreadTeam team(1);
  Executor executor(model_, team);
  const ModelSpec& spec = model_->spec();
  for (const GoldenPrompt& prompt : golden_.prompts) {
    const auto n = std::int64_t(prompt.ids.size());
    const std::string what = std::to_string(n) + " tokens";
    for (const bool all : {true, false}) {
      Sequence sequence = executor.new_sequence();
      const Costs counted = run(executor, sequence, prompt.ids, all ? LogitsWanted::all : LogitsWanted::last);
      const auto torch = std::int64_t(all ? prompt.prefill_all_rows : prompt.prefill_last_row);
      EXPECT_EQ(std::int64_t(counted.total().class_a), torch + latent_difference(spec, n * (n + 1) / 2)) << what << (all ? ", all rows" : ", last row");
      expect_same(counted, closed_form(spec, 0, n, all ? n : 1), what + (all ? ", all rows" : ", last row"));

      const Costs step = run(executor, sequence, std::span(prompt.ids).first(1), LogitsWanted::last);
      // A step in which LongRoPE changes its frequencies computes everything again, from the first token on.
      const bool again = std::int64_t(step.tokens) > 1;
      EXPECT_EQ(std::int64_t(step.total().class_a),
                std::int64_t(prompt.decode_step) + latent_difference(spec, again ? (n + 1) * (n + 2) / 2 : n + 1))
          << "step after " << what;
      if (!again) expect_same(step, closed_form(spec, n, 1, 1), "step after " + what);
    }
  }
}

TEST_P(GoldenCosts, ChunksAddUpToTheWhole) {
  kernels::ThreadTeam team(1);
  Executor executor(model_, team);
  for (const GoldenPrompt& prompt : golden_.prompts) {
    Sequence sequence = executor.new_sequence();
    sequence.expect_length(std::int32_t(prompt.ids.size()));
    CostMeter meter(model_->spec());
    const std::span<const std::int32_t> ids = prompt.ids;
    for (std::size_t at = 0; at < ids.size(); at += 5) {
      const auto part = ids.subspan(at, std::min<std::size_t>(5, ids.size() - at));
      const bool is_last = at + part.size() == ids.size();
      const Feed feed{&sequence, part, is_last ? LogitsWanted::last : LogitsWanted::none, &meter};
      executor.forward({&feed, 1});
    }
    EXPECT_EQ(meter.read().tokens, ids.size());
    EXPECT_EQ(std::int64_t(meter.read().total().class_a),
              std::int64_t(prompt.prefill_last_row) +
                  latent_difference(model_->spec(), std::int64_t(ids.size() * (ids.size() + 1) / 2)));
  }
}

// What the last layer would do for rows whose logits nobody wants is left out and not counted; the others keep their bits.
TEST_P(GoldenCosts, FastPrefillLeavesOutWhatNoWantedLogitsNeed) {
  kernels::ThreadTeam team(2);
  Executor whole(model_, team);
  Executor::Options options;
  options.fast_prefill = true;
  Executor fast(model_, team, options);
  const ModelSpec& spec = model_->spec();
  const AttentionSpec& last = spec.layers.back().attention;
  const bool leaves_out = last.kind != AttentionSpec::Kind::latent && last.owns_cache();
  ModelSpec others = spec;
  others.layers.pop_back();
  for (const GoldenPrompt& prompt : golden_.prompts) {
    const auto n = std::int64_t(prompt.ids.size());
    const std::string what = std::to_string(n) + " tokens";
    const std::span<const std::int32_t> ids = prompt.ids;
    // Two sequences of different lengths in one pass, one of which wants all of its logits; then chunks; then a step.
    const auto logits_of = [&](Executor& executor) {
      std::vector<float> logits;
      const auto add = [&](std::span<const float> more) { logits.insert(logits.end(), more.begin(), more.end()); };
      Sequence a = executor.new_sequence(), b = executor.new_sequence(), c = executor.new_sequence();
      const Feed both[] = {{&a, ids, LogitsWanted::last, nullptr}, {&b, ids.first((ids.size() + 1) / 2), LogitsWanted::all, nullptr}};
      add(executor.forward(both));
      const Feed apart[] = {{&a, ids.first(1), LogitsWanted::last, nullptr}, {&c, ids, LogitsWanted::none, nullptr}};
      add(executor.forward(apart));
      const Feed next[] = {{&c, ids.first(1), LogitsWanted::last, nullptr}};
      add(executor.forward(next));
      return logits;
    };
    const std::vector<float> expected = logits_of(whole), logits = logits_of(fast);
    ASSERT_EQ(logits.size(), expected.size());
    EXPECT_EQ(std::memcmp(logits.data(), expected.data(), logits.size() * sizeof(float)), 0) << what;

    Sequence sequence = fast.new_sequence();
    const Costs counted = run(fast, sequence, ids, LogitsWanted::last), all = closed_form(spec, 0, n, 1);
    if (!leaves_out) {
      if (last.owns_cache()) expect_same(counted, all, what);
      continue;
    }
    const Costs rest = closed_form(others, 0, n, 1);
    const auto class_a = [](const Costs& costs, Component c) { return costs.components[std::size_t(c)].class_a; };
    for (const Component c : {Component::router, Component::experts, Component::shared_expert, Component::dense_mlp}) {
      EXPECT_EQ(class_a(counted, c), class_a(rest, c) + (class_a(all, c) - class_a(rest, c)) / std::uint64_t(n)) << what << ", " << name(c);
    }
    const auto heads = std::uint64_t(last.heads);
    EXPECT_EQ(class_a(counted, Component::attn_proj),
              class_a(all, Component::attn_proj) - std::uint64_t(n - 1) * 2 * std::uint64_t(spec.hidden) * heads * std::uint64_t(last.value_dim));
    const std::int64_t seen = last.window > 0 ? std::min<std::int64_t>(n, last.window) : n;
    EXPECT_EQ(class_a(counted, Component::attn_core),
              class_a(rest, Component::attn_core) + 2 * heads * std::uint64_t(last.key_dim + last.value_dim) * std::uint64_t(seen));
  }
}

TEST_P(GoldenCosts, ParametersAreTheReferences) {
  const ParameterCount count = count_parameters(model_->spec());
  EXPECT_EQ(count.total(), golden_.parameters);
  // A prompt of every token touches every weight but the experts nobody chose.
  kernels::ThreadTeam team(1);
  Executor executor(model_, team);
  CostMeter meter(model_->spec());
  for (std::int32_t id = 0; id < golden_.vocab; ++id) {
    Sequence sequence = executor.new_sequence();
    const Feed feed{&sequence, {&id, 1}, LogitsWanted::last, &meter};
    executor.forward({&feed, 1});
  }
  EXPECT_LE(std::int64_t(meter.read().params_touched), golden_.parameters);
  EXPECT_GE(std::int64_t(meter.read().params_touched), golden_.parameters - count.experts - (count.vectors - count.vectors_active));
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenCosts, ::testing::ValuesIn(golden_names()), case_name);

}  // namespace
}  // namespace moe::test

#include "tools/moe_bench/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "engine/base/error.h"

namespace moe::tools {
namespace {

constexpr double kBandwidthSeconds = 0.4, kPeakSeconds = 0.015;
constexpr std::array kComputes{kernels::Compute::f32, kernels::Compute::bf16, kernels::Compute::int8};

// "512,128"
std::pair<std::int32_t, std::int32_t> parse_pair(const std::string& text) {
  std::int32_t values[2] = {0, 0};
  const char* at = text.data();
  const char* end = at + text.size();
  for (int i = 0; i < 2; ++i) {
    const auto [next, error] = std::from_chars(at, end, values[i]);
    const bool last = i == 1;
    if (error != std::errc{} || values[i] < 1 || (last ? next != end : next == end || *next != ',')) {
      throw Error(ErrorKind::usage, Fault{"", "-pg", "two numbers like 512,128", '"' + text + '"'});
    }
    at = next + 1;
  }
  return {values[0], values[1]};
}

bool is_layer_product(Component part) {
  switch (part) {
    case Component::attn_proj:
    case Component::router:
    case Component::experts:
    case Component::shared_expert:
    case Component::dense_mlp:
    case Component::per_layer_embedding:
      return true;
    default:
      return false;
  }
}

// Weights of less than 64 MiB may lie in the caches when their turn comes, and of more than a GiB a part tells enough.
kernels::ReadBandwidth bandwidth_beside(const kernels::KernelTable& table, kernels::ThreadTeam& team, const Model& model) {
  constexpr std::int64_t kLeast = std::int64_t{64} << 20, kMost = std::int64_t{1} << 30;
  const std::span<const std::byte> weights = model.resident_weights();
  if (model.place() == WeightPlace::memory && std::ssize(weights) >= std::max(kLeast, kernels::ReadBandwidth::least_bytes(team))) {
    return {table, team, weights.first(std::min(weights.size(), std::size_t{kMost}))};
  }
  return {table, team, std::clamp(model.weight_bytes(), kLeast, kMost)};
}

template <typename Value>
double median_of(const std::vector<Sample>& samples, Value value) {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(value(sample));
  return spread(std::move(values)).median;
}

// Operations of a component a second at most.
double peak_of(const BenchResult& result, const Limits& limits, Component part) {
  if (part == Component::router) return limits.peak(kernels::Compute::f32);
  if (part != Component::attn_core) return limits.peak(result.products);
  const double floats = result.attention_in_f32;
  return 1 / (floats / limits.peak(kernels::Compute::f32) + (1 - floats) / limits.peak(kernels::Compute::bf16));
}

}  // namespace

std::string BenchTest::name() const {
  std::string name;
  if (prompt > 0) name += fmt::format("pp{}", prompt);
  if (generated > 0) name += fmt::format("{}tg{}", name.empty() ? "" : "+", generated);
  if (depth > 0) name += fmt::format(" @ d{}", depth);
  if (batch > 1) name += fmt::format(" x{}", batch);
  return name;
}

std::vector<BenchTest> planned_tests(const BenchOptions& o) {
  std::vector<BenchTest> tests;
  for (const std::int32_t depth : o.depths) {
    for (const std::int32_t batch : o.batches) {
      for (const std::int32_t n : o.prompts) {
        if (n > 0) tests.push_back({n, 0, depth, batch});
      }
      for (const std::int32_t n : o.generated) {
        if (n > 0) tests.push_back({0, n, depth, batch});
      }
      for (const std::string& text : o.prompt_and_generated) {
        const auto [prompt, generated] = parse_pair(text);
        tests.push_back({prompt, generated, depth, batch});
      }
    }
  }
  return tests;
}

Limits mean(const Limits& a, const Limits& b) {
  Limits mean;
  mean.read_bandwidth = (a.read_bandwidth + b.read_bandwidth) / 2;
  for (std::size_t i = 0; i < mean.peaks.size(); ++i) mean.peaks[i] = (a.peaks[i] + b.peaks[i]) / 2;
  return mean;
}

LimitsMeter::LimitsMeter(const kernels::KernelTable& table, kernels::ThreadTeam& team, const Model& model)
    : table_(table), team_(team), bandwidth_(bandwidth_beside(table, team, model)) {
  bandwidth_.measure(kBandwidthSeconds);
}

Limits LimitsMeter::now() {
  Limits limits;
  limits.read_bandwidth = bandwidth_.again();
  for (const kernels::Compute compute : kComputes) {
    limits.peaks[std::size_t(compute)] = kernels::measure_compute_peak(table_, team_, compute, kPeakSeconds);
  }
  return limits;
}

Spread spread(std::vector<double> values) {
  std::ranges::sort(values);
  const auto n = values.size();
  Spread s;
  s.min = values.front();
  s.max = values.back();
  s.median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  s.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(n);
  double squares = 0;
  for (const double v : values) squares += (v - s.mean) * (v - s.mean);
  s.deviation = n > 1 ? std::sqrt(squares / static_cast<double>(n - 1)) : 0;
  return s;
}

Spread BenchResult::tokens_per_second() const {
  std::vector<double> rates;
  for (const Sample& sample : samples) rates.push_back(static_cast<double>(test.tokens()) / sample.seconds);
  return spread(std::move(rates));
}

double BenchResult::median_seconds() const {
  return static_cast<double>(test.tokens()) / tokens_per_second().median;
}

Limits BenchResult::limits() const {
  Limits limits;
  limits.read_bandwidth = median_of(samples, [](const Sample& s) { return s.limits.read_bandwidth; });
  for (const kernels::Compute c : kComputes) {
    limits.peaks[std::size_t(c)] = median_of(samples, [c](const Sample& s) { return s.limits.peak(c); });
  }
  return limits;
}

double BenchResult::of_peak() const {
  double flops = 0;
  for (std::size_t i = 0; i < kComponents; ++i) {
    const auto part = static_cast<Component>(i);
    if (is_layer_product(part)) flops += static_cast<double>(costs[part].class_a);
  }
  return median_of(samples, [&](const Sample& s) { return flops / s.seconds / s.limits.peak(products); });
}

double BenchResult::of_bandwidth() const {
  const auto bytes = static_cast<double>(costs.weight_bytes + costs.kv_bytes);
  return median_of(samples, [&](const Sample& s) { return bytes / s.seconds / s.limits.read_bandwidth; });
}

double attention_in_f32(const ModelSpec& spec, const kernels::KernelTable& table, kernels::KvType type) {
  if (attention_compute(table, type) == kernels::Compute::f32) return 1;
  double all = 0, floats = 0;  // as if every layer saw as many keys: those of latent attention do
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = layer.attention;
    const bool latent = a.kind == AttentionSpec::Kind::latent;
    const double values = latent ? a.kv_rank : a.value_dim;
    all += a.heads * (a.cached_key_dim() + values);
    if (latent) floats += a.heads * values;
  }
  return floats / all;
}

PartRates rates(const BenchResult& result, Component part) {
  const auto repetitions = static_cast<double>(result.samples.size());
  double total = 0;
  for (std::size_t i = 0; i < kComponents; ++i) total += result.profile[static_cast<Component>(i)].seconds;
  PartRates r;
  r.seconds = result.profile[part].seconds / repetitions;
  if (r.seconds <= 0) return r;
  r.share = result.profile[part].seconds / total;
  r.flops_per_second = static_cast<double>(result.costs[part].class_a) / r.seconds;
  r.bytes_per_second = static_cast<double>(result.profile[part].bytes) / repetitions / r.seconds;
  const Limits limits = result.limits();
  r.of_peak = r.flops_per_second / peak_of(result, limits, part);
  r.of_bandwidth = r.bytes_per_second / limits.read_bandwidth;
  return r;
}

}  // namespace moe::tools

// What moe-bench measures: a test, the limits of the machine beside it, and the result.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/model/spec.h"
#include "engine/runtime/executor.h"
#include "kernels/roofline.h"

namespace moe::tools {

struct BenchOptions {
  std::vector<std::string> models;
  std::optional<std::int32_t> layers;
  bool random = false;
  std::uint64_t seed = 1;
  std::vector<std::int32_t> prompts{512}, generated{128}, depths{0}, batches{1}, threads;
  std::vector<std::string> prompt_and_generated;  // "P,N"
  std::vector<std::string> weights{"native"};
  std::vector<kernels::Compute> computes;  // empty: what is usual beside the weights
  std::int32_t chunk = 512;
  std::int32_t repetitions = 5;
  bool fast_prefill = false;  // Executor::Options
  bool shared_prefix = false, warm_up = true, breakdown = false;
  std::string output = "md";
};

// `batch` sequences that hold `depth` tokens each read `prompt` tokens and write `generated` ones.
struct BenchTest {
  std::int32_t prompt = 0, generated = 0, depth = 0, batch = 1;

  std::string name() const;  // "pp512", "tg128 @ d4096", "pp512+tg128 x32"
  std::int64_t tokens() const { return std::int64_t{batch} * (prompt + generated); }
};
// Every test that the options ask for. Throws Error(usage) for a pair that is none.
std::vector<BenchTest> planned_tests(const BenchOptions& options);

// What this machine can do at most with one table of kernels and one team: bytes and operations a second.
struct Limits {
  double read_bandwidth = 0;
  std::array<double, 3> peaks{};  // by Compute; a multiply-add is 2 operations

  double peak(kernels::Compute compute) const { return peaks[std::size_t(compute)]; }
};
Limits mean(const Limits& a, const Limits& b);

// Measures the limits beside every repetition: a virtual machine's change by half within minutes, and a fraction of
// what was measured in another minute says nothing. Table and team outlive it.
class LimitsMeter {
 public:
  // The bandwidth is that of the weights where they lie, which outlive this: pages differ in speed. Of those that are not in
  // memory, and of few, that of as much memory of its own; std::bad_alloc where it is refused.
  LimitsMeter(const kernels::KernelTable& table, kernels::ThreadTeam& team, const Model& model);
  // The limits of this moment, in about 0.1 s.
  Limits now();

 private:
  const kernels::KernelTable& table_;
  kernels::ThreadTeam& team_;
  kernels::ReadBandwidth bandwidth_;
};

struct Sample {
  double seconds = 0;
  double processor_seconds = 0;  // of the process: below threads * seconds where others had the processor
  Limits limits;                 // means of before and after
};

struct Spread {
  double median = 0, min = 0, max = 0, mean = 0, deviation = 0;
};
Spread spread(std::vector<double> values);  // at least one

struct BenchResult {
  // what ran
  std::string model;
  std::int64_t parameters = 0, weight_bytes = 0;
  std::int32_t layers = 0;
  bool random = false;
  std::string weights, kernels;
  kernels::Compute compute = kernels::Compute::f32;   // as asked for
  kernels::KvType cache = kernels::KvType::f32;       // what keys and values are kept as
  kernels::Compute products = kernels::Compute::f32;  // what the layers' matrices really compute in
  double attention_in_f32 = 1;                        // attention_in_f32() of the model, its kernels and its cache
  int threads = 0;
  std::int32_t chunk = 0;
  bool fast_prefill = false;
  BenchTest test;
  // what came out
  std::vector<Sample> samples;
  Costs costs;      // of one repetition
  Profile profile;  // of all repetitions

  Spread tokens_per_second() const;
  double median_seconds() const;
  Limits limits() const;  // medians of the repetitions'
  // Multiply-adds of the layers' products (attention over keys and the head apart), and bytes of weights and
  // cache that were read, as fractions of the limits: medians of each repetition's fraction of its own limits.
  double of_peak() const;
  double of_bandwidth() const;
};

// The share of attention's multiply-adds over a cache of `type` that are those of floats. All of them, but for a cache of
// bf16 where the table multiplies bf16 itself: then the values that latent attention makes of its keys alone.
double attention_in_f32(const ModelSpec& spec, const kernels::KernelTable& table, kernels::KvType type);

// Operations of one component, a second, and the peak they are held against: of f32 for routing, of what they are done in
// for attention over keys and values.
struct PartRates {
  double seconds = 0, share = 0;  // of one repetition
  double flops_per_second = 0, bytes_per_second = 0;
  double of_peak = 0, of_bandwidth = 0;
};
PartRates rates(const BenchResult& result, Component part);

}  // namespace moe::tools

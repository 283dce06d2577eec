// Products of packed weights: decode (one row) against the bandwidth, prefill against the FP32 FMA peak.
#include "benchmarks/bench_support.h"

namespace moe::kernels::bench {
namespace {

PackedMatrix random_matrix(WeightType type, std::int64_t rows, std::int64_t cols) {
  const std::vector<float> block = random_floats(64 * cols);
  std::vector<std::uint16_t> halves(block.size());
  for (std::size_t i = 0; i < block.size(); ++i) {
    // Sign and mantissa of anything, exponents near one in both 16-bit formats.
    const auto bits = static_cast<std::uint16_t>(block[i] * 30000);
    halves[i] = static_cast<std::uint16_t>(type == WeightType::bf16 ? (bits & 0x807F) | 0x3F00
                                                                    : (bits & 0x83FF) | 0x3800);
  }
  const void* data = type == WeightType::f32 ? static_cast<const void*>(block.data()) : halves.data();
  std::vector<MatrixView> parts;
  for (std::int64_t done = 0; done < rows; done += 64) {
    parts.push_back(row_major(type, data, std::min<std::int64_t>(64, rows - done), cols));
  }
  return pack(parts);
}

void multiply(benchmark::State& state, const KernelTable& table, WeightType type, std::int64_t outputs,
              std::int64_t inputs, std::int64_t rows) {
  // Few rows: enough copies of the weights that none is found in a cache.
  const std::int64_t bytes = outputs * inputs * weight_bytes(type);
  const std::int64_t copies = rows > 8 ? 1 : std::max<std::int64_t>(1, (std::int64_t{192} << 20) / bytes);
  std::vector<PackedMatrix> weights;
  for (std::int64_t c = 0; c < copies; ++c) weights.push_back(random_matrix(type, outputs, inputs));
  const std::vector<float> x = random_floats(rows * inputs);
  std::vector<float> y(static_cast<std::size_t>(rows * outputs));
  BestTime time;
  std::size_t next = 0;
  for (auto _ : state) {
    time.start();
    // Short products are timed over all copies.
    for (std::int64_t c = 0; c < copies; ++c) {
      table.matmul(weights[next], x.data(), inputs, rows, y.data(), outputs, 0, outputs);
      next = (next + 1) % weights.size();
    }
    time.stop(state);
    benchmark::DoNotOptimize(y.data());
  }
  const double products = static_cast<double>(outputs * inputs * copies);
  time.report_flops(state, 2 * products * static_cast<double>(rows), table);
  if (rows <= 8) time.report_bytes(state, products * static_cast<double>(weight_bytes(type)));
}

}  // namespace
}  // namespace moe::kernels::bench

int main(int argc, char** argv) {
  using namespace moe::kernels;
  struct Shape {
    std::int64_t outputs, inputs;
  };
  for (const WeightType type : {WeightType::bf16, WeightType::f16, WeightType::f32}) {
    for (const Shape shape : {Shape{3072, 1024}, Shape{1024, 3072}, Shape{768, 2048}, Shape{4096, 4096}}) {
      for (const std::int64_t rows : {1, 2, 4, 6, 8, 16, 32, 64, 128, 512}) {
        const std::string name = std::string("matmul/") + weight_type_name(type) + "/" +
                                 std::to_string(shape.outputs) + "x" + std::to_string(shape.inputs) +
                                 "/rows:" + std::to_string(rows);
        bench::for_each_table(name, rows == 1, [=](benchmark::State& state, const KernelTable& table) {
          bench::multiply(state, table, type, shape.outputs, shape.inputs, rows);
        });
      }
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

// Products of packed weights: few rows (decode) against the bandwidth, many (prefill) against the peak of
// what they compute in.
#include "benchmarks/bench_main.h"
#include "benchmarks/bench_support.h"

namespace moe::kernels::bench {
namespace {

PackedMatrix random_matrix(WeightType type, std::int64_t rows, std::int64_t cols) {
  const std::vector<float> block = random_floats(64 * cols);
  std::vector<std::uint16_t> halves(block.size());
  for (std::size_t i = 0; i < block.size(); ++i) {
    // Sign and mantissa of anything, exponents near one in both 16-bit formats.
    const auto bits = static_cast<std::uint16_t>(static_cast<int>(block[i] * 30000));
    halves[i] = static_cast<std::uint16_t>(type == WeightType::bf16 ? (bits & 0x807F) | 0x3F00
                                                                    : (bits & 0x83FF) | 0x3800);
  }
  const bool is_half = type == WeightType::bf16 || type == WeightType::f16;
  const void* data = is_half ? static_cast<const void*>(halves.data()) : block.data();
  std::vector<MatrixView> parts;
  for (std::int64_t done = 0; done < rows; done += 64) {
    parts.push_back(
        row_major(is_half ? type : WeightType::f32, data, std::min<std::int64_t>(64, rows - done), cols));
  }
  PackedMatrix matrix(type, rows, cols);
  // The same 64 rows over and over: packed once, copied from tile to tile.
  pack_tiles(matrix, parts, 0, std::min<std::int64_t>(4, matrix.tiles()));
  for (std::int64_t t = 4; t < matrix.tiles(); ++t) {
    std::memcpy(matrix.tile(t), matrix.tile(t % 4), static_cast<std::size_t>(matrix.tile_bytes()));
  }
  return matrix;
}

void multiply(benchmark::State& state, const KernelTable& table, WeightType type, Compute compute,
              std::int64_t outputs, std::int64_t inputs, std::int64_t rows) {
  // Few rows: enough copies of the weights that none is found in a cache.
  const std::int64_t bytes = stored_bytes(type, outputs, inputs);
  const std::int64_t copies = rows > 8 ? 1 : std::max<std::int64_t>(1, cold_bytes() / bytes);
  std::vector<PackedMatrix> weights;
  for (std::int64_t c = 0; c < copies; ++c) weights.push_back(random_matrix(type, outputs, inputs));
  const std::vector<float> x = random_floats(rows * inputs);
  std::vector<float> y(static_cast<std::size_t>(rows * outputs));
  PackedInput input;
  BestTime time;
  for (auto _ : state) {
    time.start();
    input.bind(table, compute, x.data(), inputs, rows, inputs);
    table.prepare(input, 0, rows);
    // Short products are timed over all copies.
    for (const PackedMatrix& w : weights) table.matmul(w, input.all(), {}, y.data(), outputs, 0, outputs);
    time.stop(state);
    benchmark::DoNotOptimize(y.data());
  }
  const double products = static_cast<double>(outputs * inputs * copies);
  time.report_flops(state, 2 * products * static_cast<double>(rows), table, compute);
  if (rows <= 8) time.report_bytes(state, static_cast<double>(bytes * copies), table);
}

}  // namespace
}  // namespace moe::kernels::bench

int main(int argc, char** argv) {
  using namespace moe::kernels;
  struct Shape {
    std::int64_t outputs, inputs;
  };
  struct Kind {
    WeightType type;
    Compute compute;
  };
  const Kind kinds[] = {{WeightType::bf16, Compute::f32}, {WeightType::f16, Compute::f32},
                        {WeightType::f32, Compute::f32},  {WeightType::bf16, Compute::bf16},
                        {WeightType::q8, Compute::int8},  {WeightType::q4, Compute::int8}};
  for (const Kind kind : kinds) {
    for (const Shape shape : {Shape{4096, 1024}, Shape{1024, 3072}, Shape{1536, 2048}, Shape{4096, 4096}}) {
      for (const std::int64_t rows : {1, 2, 4, 8, 16, 32, 64, 128, 512}) {
        const std::string name = std::string("matmul/") + weight_type_name(kind.type) + "/" +
                                 compute_name(kind.compute) + "/" + std::to_string(shape.outputs) + "x" +
                                 std::to_string(shape.inputs) + "/rows:" + std::to_string(rows);
        bench::for_each_table(name, false, [=](benchmark::State& state, const KernelTable& table) {
          bench::multiply(state, table, kind.type, kind.compute, shape.outputs, shape.inputs, rows);
        });
      }
    }
  }
  return moe::bench::run_registered(argc, argv);
}

// Attention by context, heads a group and rows: prefill against the FP32 FMA peak, decode against the
// bandwidth.
#include "benchmarks/bench_support.h"

namespace moe::kernels::bench {
namespace {

struct Shape {
  std::int64_t context, rows;
  int heads, d_k, d_v;
  bool latent;
};

void attend(benchmark::State& state, const KernelTable& table, const Shape& shape) {
  const std::int64_t blocks = (shape.context + kKvBlock - 1) / kKvBlock;
  // Caches of as many kv heads and layers as it takes to be out of every processor cache.
  const std::int64_t block_floats =
      key_block_floats(shape.d_k) + (shape.latent ? 0 : value_block_floats(shape.d_v));
  const std::int64_t cache_bytes = blocks * block_floats * 4;
  const std::int64_t copies =
      shape.rows > 1 ? 1 : std::max<std::int64_t>(1, (std::int64_t{128} << 20) / cache_bytes);
  const std::vector<float> memory = random_floats(blocks * block_floats * copies);
  std::vector<const float*> keys, values;
  for (std::int64_t b = 0; b < blocks * copies; ++b) {
    keys.push_back(memory.data() + b * block_floats);
    values.push_back(keys.back() + key_block_floats(shape.d_k));
  }
  const std::vector<float> q = random_floats(shape.rows * shape.heads * shape.d_k);
  std::vector<float> out(static_cast<std::size_t>(shape.rows * shape.heads * shape.d_v));
  AttentionArgs args;
  args.q = q.data();
  args.q_row_stride = std::ptrdiff_t{shape.heads} * shape.d_k;
  args.q_head_stride = shape.d_k;
  args.out = out.data();
  args.out_row_stride = std::ptrdiff_t{shape.heads} * shape.d_v;
  args.out_head_stride = shape.d_v;
  args.rows = shape.rows;
  args.first_position = shape.context - shape.rows;
  args.heads = shape.heads;
  args.d_k = shape.d_k;
  args.d_v = shape.d_v;
  args.scale = 0.1F;
  BestTime time;
  for (auto _ : state) {
    time.start();
    for (std::int64_t c = 0; c < copies; ++c) {
      args.key_blocks = keys.data() + c * blocks;
      args.value_blocks = shape.latent ? nullptr : values.data() + c * blocks;
      table.attention(args);
    }
    time.stop(state);
    benchmark::DoNotOptimize(out.data());
  }
  double pairs = 0;
  for (std::int64_t r = 0; r < shape.rows; ++r) pairs += static_cast<double>(args.first_position + r + 1);
  time.report_flops(state, 2 * pairs * shape.heads * (shape.d_k + shape.d_v) * static_cast<double>(copies),
                    table);
  if (shape.rows == 1) time.report_bytes(state, static_cast<double>(cache_bytes * copies), table);
}

}  // namespace
}  // namespace moe::kernels::bench

int main(int argc, char** argv) {
  using namespace moe::kernels;
  for (const std::int64_t context : {128, 512, 4096}) {
    for (const std::int64_t rows :
         {std::int64_t{1}, std::int64_t{16}, std::min<std::int64_t>(context, 512)}) {
      for (const bench::Shape shape :
           {bench::Shape{context, rows, 1, 64, 64, false}, bench::Shape{context, rows, 2, 128, 128, false},
            bench::Shape{context, rows, 8, 128, 128, false},
            bench::Shape{context, rows, 16, 576, 512, true}}) {
        const std::string name = "attention/context:" + std::to_string(context) +
                                 "/rows:" + std::to_string(rows) + "/heads:" + std::to_string(shape.heads) +
                                 "/d:" + std::to_string(shape.d_k) + (shape.latent ? "/latent" : "");
        bench::for_each_table(name, false, [shape](benchmark::State& state, const KernelTable& table) {
          bench::attend(state, table, shape);
        });
      }
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

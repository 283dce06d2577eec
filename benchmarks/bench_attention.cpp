// Attention by context, heads a group and rows: prefill against the peak of the operations it is made of, decode against
// the bandwidth.
#include "benchmarks/bench_main.h"
#include "benchmarks/bench_support.h"

namespace moe::kernels::bench {
namespace {

struct Shape {
  KvType type = KvType::f32;
  std::int64_t context = 0, rows = 0;
  int heads = 0, d_k = 0, d_v = 0;
  bool latent = false;
  std::int64_t sequences = 1, shared = 0;  // positions all sequences share
};

// Blocks of random keys and values, as many times as it takes to be out of every processor cache.
struct Cache {
  std::vector<std::byte> memory;
  std::int64_t block_bytes = 0, used_bytes = 0;
  std::vector<std::vector<const std::byte*>> blocks;  // [copy * sequences + sequence][block]

  Cache(const Shape& shape, std::int64_t copies_of_bytes) {
    block_bytes = key_block_bytes(shape.type, shape.d_k) +
                  (shape.latent ? 0 : value_block_bytes(shape.type, shape.d_v));
    const std::int64_t count = (shape.context + kKvBlock - 1) / kKvBlock, shared = shape.shared / kKvBlock;
    const std::int64_t distinct = shared + shape.sequences * (count - shared);
    used_bytes = distinct * block_bytes;
    const std::int64_t copies = std::max<std::int64_t>(1, copies_of_bytes / used_bytes);
    memory.resize(static_cast<std::size_t>(copies * used_bytes + 64));
    std::byte* base = memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64;
    const std::vector<float> x = random_floats(std::max(shape.d_k, shape.d_v) + kKvBlock);
    for (std::int64_t b = 0; b < copies * distinct; ++b) {
      std::byte* block = base + b * block_bytes;
      for (int slot = 0; slot < kKvBlock; ++slot) {
        store_key(shape.type, block, shape.d_k, slot, x.data() + slot);
        if (!shape.latent) {
          store_value(shape.type, block + key_block_bytes(shape.type, shape.d_k), shape.d_v, slot,
                      x.data() + slot);
        }
      }
    }
    for (std::int64_t c = 0; c < copies; ++c) {
      for (std::int64_t s = 0; s < shape.sequences; ++s) {
        blocks.emplace_back();
        for (std::int64_t b = 0; b < count; ++b) {
          const std::int64_t at = b < shared ? b : shared + s * (count - shared) + b - shared;
          blocks.back().push_back(base + (c * distinct + at) * block_bytes);
        }
      }
    }
  }
};

// Operations a second at most. Over a bf16 cache they are those of bf16 where the table multiplies it itself; values that
// are keys are floats by then.
double attention_peak(const KernelTable& table, const Shape& shape) {
  const double peak = compute_peak(table, attention_compute(table, shape.type));
  return (shape.d_k + shape.d_v) / (shape.d_k / peak + shape.d_v / (shape.latent ? compute_peak(table, Compute::f32) : peak));
}

void attend(benchmark::State& state, const KernelTable& table, const Shape& shape) {
  const Cache cache(shape, shape.rows > 1 || shape.shared > 0 ? 1 : std::int64_t{128} << 20);
  const std::int64_t rows = shape.rows * shape.sequences;
  const std::vector<float> q = random_floats(rows * shape.heads * shape.d_k);
  std::vector<float> out(static_cast<std::size_t>(rows * shape.heads * shape.d_v));
  AttentionArgs args;
  args.type = shape.type;
  args.q_row_stride = std::ptrdiff_t{shape.heads} * shape.d_k;
  args.q_head_stride = shape.d_k;
  args.out_row_stride = std::ptrdiff_t{shape.heads} * shape.d_v;
  args.out_head_stride = shape.d_v;
  args.heads = shape.heads;
  args.d_k = shape.d_k;
  args.d_v = shape.d_v;
  args.value_offset = key_block_bytes(shape.type, shape.d_k);
  args.values_are_keys = shape.latent;
  args.scale = 0.1F;
  std::vector<AttentionRun> runs;
  for (std::size_t i = 0; i < cache.blocks.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i) % shape.sequences * shape.rows;
    runs.push_back({q.data() + row * args.q_row_stride, out.data() + row * args.out_row_stride, shape.rows,
                    shape.context - shape.rows, cache.blocks[i].data()});
  }
  args.run_count = shape.sequences;
  BestTime time;
  for (auto _ : state) {
    time.start();
    for (std::size_t i = 0; i < runs.size(); i += static_cast<std::size_t>(shape.sequences)) {
      args.runs = &runs[i];
      table.attention(args);
    }
    time.stop(state);
    benchmark::DoNotOptimize(out.data());
  }
  double pairs = 0;
  for (std::int64_t r = 0; r < shape.rows; ++r)
    pairs += static_cast<double>(shape.context - shape.rows + r + 1);
  time.report_flops(state, 2 * pairs * shape.heads * (shape.d_k + shape.d_v) * static_cast<double>(runs.size()),
                    attention_peak(table, shape));
  const auto copies = static_cast<double>(runs.size()) / static_cast<double>(shape.sequences);
  if (shape.rows == 1) time.report_bytes(state, static_cast<double>(cache.used_bytes) * copies, table);
}

void add(const Shape& shape) {
  const std::string name =
      std::string("attention/") + kv_type_name(shape.type) + "/context:" + std::to_string(shape.context) +
      "/rows:" + std::to_string(shape.rows) + "/heads:" + std::to_string(shape.heads) +
      "/d:" + std::to_string(shape.d_k) + (shape.latent ? "/latent" : "") +
      (shape.sequences > 1
           ? "/sequences:" + std::to_string(shape.sequences) + "/shared:" + std::to_string(shape.shared)
           : "");
  for_each_table(name, false,
                 [shape](benchmark::State& state, const KernelTable& table) { attend(state, table, shape); });
}

void register_all() {
  for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8}) {
    for (const std::int64_t context : {128, 512, 4608}) {
      for (const std::int64_t rows :
           {std::int64_t{1}, std::int64_t{16}, std::min<std::int64_t>(context, 512)}) {
        add({type, context, rows, 1, 64, 64});
        add({type, context, rows, 2, 128, 128});
        add({type, context, rows, 8, 128, 128});
        add({type, context, rows, 16, 576, 512, true});
      }
    }
    // Many samples, or choices, behind one prompt; the same without sharing.
    for (const std::int64_t shared : {0, 1024}) add({type, 1056, 1, 2, 128, 128, false, 64, shared});
  }
}

}  // namespace
}  // namespace moe::kernels::bench

int main(int argc, char** argv) {
  moe::kernels::bench::register_all();
  return moe::bench::run_registered(argc, argv);
}

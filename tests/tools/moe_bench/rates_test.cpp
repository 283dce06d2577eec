// What a component's operations are held against: the peak of those it is made of.
#include <gtest/gtest.h>

#include "tools/moe_bench/bench.h"

namespace moe::tools {
namespace {

using kernels::Compute;
using kernels::KvType;

constexpr double kF32 = 1e9, kBf16 = 4e9;

ModelSpec model_of(const AttentionSpec& attention) {
  ModelSpec spec;
  spec.layers.resize(2);
  for (LayerSpec& layer : spec.layers) layer.attention = attention;
  return spec;
}

AttentionSpec grouped() {
  AttentionSpec attention;
  attention.heads = 4;
  attention.kv_heads = 2;
  attention.key_dim = attention.value_dim = 128;
  return attention;
}

AttentionSpec latent() {
  AttentionSpec attention;
  attention.kind = AttentionSpec::Kind::latent;
  attention.heads = 16;
  attention.key_dim = 192;
  attention.value_dim = 128;
  attention.kv_rank = 512;
  attention.rope_dim = 64;
  return attention;
}

// A table that multiplies bf16 itself, whatever this processor has.
kernels::KernelTable table_with(std::int64_t bf16_input_bytes) {
  kernels::KernelTable table = kernels::select_kernels("scalar");
  table.bf16_input_bytes = bf16_input_bytes;
  return table;
}

// The fraction of a component that does 1e8 operations in a second, in bf16 products.
double of_peak(Component part, double attention_in_f32) {
  BenchResult result;
  result.products = Compute::bf16;
  result.attention_in_f32 = attention_in_f32;
  Sample sample;
  sample.limits.read_bandwidth = 1;
  sample.limits.peaks = {kF32, kBf16, 8e9};
  result.samples = {sample};
  result.profile.move(Component::norm, part, 1);
  result.costs.a(part, 100'000'000);
  return rates(result, part).of_peak;
}

TEST(Rates, AttentionIsOfFloatsUnlessBothCacheAndTableHaveBf16) {
  for (const AttentionSpec& attention : {grouped(), latent()}) {
    const ModelSpec spec = model_of(attention);
    EXPECT_EQ(attention_in_f32(spec, table_with(4), KvType::bf16), 1);
    EXPECT_EQ(attention_in_f32(spec, table_with(2), KvType::f32), 1);
    EXPECT_EQ(attention_in_f32(spec, table_with(2), KvType::q8), 1);
  }
  EXPECT_EQ(attention_in_f32(model_of(grouped()), table_with(2), KvType::bf16), 0);
  // Scores of 576 components in bf16, values of 512 as floats.
  EXPECT_DOUBLE_EQ(attention_in_f32(model_of(latent()), table_with(2), KvType::bf16), 512.0 / (576 + 512));
}

TEST(Rates, EachComponentHasThePeakOfItsOperations) {
  EXPECT_DOUBLE_EQ(of_peak(Component::attn_core, 1), 1e8 / kF32);
  EXPECT_DOUBLE_EQ(of_peak(Component::attn_core, 0), 1e8 / kBf16);
  EXPECT_DOUBLE_EQ(of_peak(Component::attn_core, 0.5), 0.5e8 / kF32 + 0.5e8 / kBf16);
  EXPECT_DOUBLE_EQ(of_peak(Component::router, 0), 1e8 / kF32);
  EXPECT_DOUBLE_EQ(of_peak(Component::experts, 0), 1e8 / kBf16);
}

}  // namespace
}  // namespace moe::tools

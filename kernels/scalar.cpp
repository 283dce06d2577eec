// The scalar reference table: plain loops, kept for good as the oracle of every other table.
#include "kernels/scalar.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/roofline.h"
#include "kernels/scalar_math.h"
#include "kernels/tables.h"

namespace moe::kernels {
namespace scalar {
namespace {

// The 16-chain sum of a[i] * b[i], a padded tail included.
float dot(const float* a, const float* b, std::int64_t n) {
  float p[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i) p[i % kLanes] = std::fma(a[i], b[i], p[i % kLanes]);
  if (n % kLanes != 0) {
    for (std::int64_t i = n % kLanes; i < kLanes; ++i) p[i] += 0.0F;
  }
  return tree_sum(p);
}

float maximum(const float* x, std::int64_t n) {
  float p[kLanes];
  std::fill_n(p, kLanes, -std::numeric_limits<float>::infinity());
  for (std::int64_t i = 0; i < n; ++i) p[i % kLanes] = max_f32(p[i % kLanes], x[i]);
  return tree_max(p);
}

void rmsnorm(const float* x, const float* weight, bool add_one, float eps, std::int64_t n, float* y) {
  const float factor = 1.0F / std::sqrt(dot(x, x, n) / static_cast<float>(n) + eps);
  for (std::int64_t i = 0; i < n; ++i) {
    const float u = x[i] * factor;
    y[i] = weight == nullptr ? u : u * (add_one ? 1.0F + weight[i] : weight[i]);
  }
}

void rope(float* x, int heads, std::ptrdiff_t head_stride, const float* cos, const float* sin, int half,
          int pair_offset, RopeLayout layout) {
  for (int head = 0; head < heads; ++head) {
    float* v = x + head * head_stride;
    for (int j = 0; j < half; ++j) {
      float& a = layout == RopeLayout::half_split ? v[j] : v[2 * j];
      float& b = layout == RopeLayout::half_split ? v[j + pair_offset] : v[2 * j + 1];
      const float first = a * cos[j] - b * sin[j];
      const float second = b * cos[j] + a * sin[j];
      a = first;
      b = second;
    }
  }
}

void silu_mul(const float* gate, const float* up, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = silu_f32(gate[i]) * up[i];
}

void gelu_tanh_mul(const float* gate, const float* up, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = gelu_tanh_f32(gate[i]) * up[i];
}

void clamped_swiglu(const float* gate, const float* up, float alpha, float limit, std::int64_t n,
                    float* out) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = limit < gate[i] ? limit : gate[i];
    const float capped = limit < up[i] ? limit : up[i];
    const float u = -limit > capped ? -limit : capped;
    out[i] = (u + 1.0F) * (g / (1.0F + exp_f32(-(alpha * g))));
  }
}

void softmax(float* x, std::int64_t n) {
  const float m = maximum(x, n);
  float p[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i) {
    x[i] = exp_f32(x[i] - m);
    p[i % kLanes] += x[i];
  }
  const float sum = tree_sum(p);
  for (std::int64_t i = 0; i < n; ++i) x[i] /= sum;
}

void sigmoid(const float* x, std::int64_t n, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = sigmoid_f32(x[i]);
}

void softcap(const float* x, float cap, std::int64_t n, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = cap * tanh_f32(x[i] / cap);
}

void add(const float* a, const float* b, std::int64_t n, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

void scale(const float* x, float factor, std::int64_t n, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = factor * x[i];
}

void scale_add(const float* x, float factor, std::int64_t n, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = std::fma(factor, x[i], y[i]);
}

double log_sum_exp(const float* x, std::int64_t n) {
  const float m = maximum(x, n);
  if (std::fabs(m) == std::numeric_limits<float>::infinity()) return log_sum_exp_of_infinite(x, n, m);
  double total = 0.0;
  for (std::int64_t begin = 0; begin < n; begin += 1024) {
    float p[kLanes] = {};
    for (std::int64_t i = begin; i < std::min(n, begin + 1024); ++i) p[i % kLanes] += exp_f32(x[i] - m);
    total += static_cast<double>(tree_sum(p));
  }
  return static_cast<double>(m) + std::log(total);
}

void top_k(const float* x, std::int64_t n, int k, float* values, std::int32_t* indices) {
  if (k > 64) return top_k_by_sorting(x, n, k, values, indices);
  int size = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    size = top_k_insert(x[i], static_cast<std::int32_t>(i), size, k, values, indices);
  }
}

// For roofline.h, in what a generic build makes of it.
float read_all(const float* x, std::int64_t n, ReadPattern) {
  std::uint32_t mix[kLanes] = {};
  for (std::int64_t i = 0; i + kLanes <= n; i += kLanes) {
    std::uint32_t words[kLanes];
    std::memcpy(words, x + i, sizeof words);
    for (int lane = 0; lane < kLanes; ++lane) mix[lane] ^= words[lane];
  }
  std::uint32_t all = 0;
  for (const std::uint32_t lane : mix) all ^= lane;
  return static_cast<float>(all);
}

void store_keys(KvType type, std::byte* block, std::int64_t d_k, int slot, int count, const float* keys,
                std::ptrdiff_t stride) {
  for (int i = 0; i < count; ++i) store_key(type, block, d_k, slot + i, keys + i * stride);
}
void store_values(KvType type, std::byte* block, std::int64_t d_v, int slot, int count, const float* values,
                  std::ptrdiff_t stride) {
  for (int i = 0; i < count; ++i) store_value(type, block, d_v, slot + i, values + i * stride);
}

float burn(std::int64_t iterations) {
  float sums[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) sums[lane] = static_cast<float>(lane);
  for (std::int64_t i = 0; i < iterations; ++i) {
    for (float& sum : sums) sum = sum * 0.999F + 1e-3F;
  }
  return tree_sum(sums);
}

}  // namespace
}  // namespace scalar

constinit const KernelTable kScalarTable = {
    .name = "scalar",
    .bf16_input_bytes = 4,
    .rows_together = 224,
    .prepare = scalar::prepare,
    .matmul = scalar::matmul,
    .rmsnorm = scalar::rmsnorm,
    .rope = scalar::rope,
    .silu_mul = scalar::silu_mul,
    .gelu_tanh_mul = scalar::gelu_tanh_mul,
    .clamped_swiglu = scalar::clamped_swiglu,
    .softmax = scalar::softmax,
    .sigmoid = scalar::sigmoid,
    .softcap = scalar::softcap,
    .add = scalar::add,
    .scale = scalar::scale,
    .scale_add = scalar::scale_add,
    .dot = scalar::dot,
    .log_sum_exp = scalar::log_sum_exp,
    .top_k = scalar::top_k,
    .store_keys = scalar::store_keys,
    .store_values = scalar::store_values,
    .attention = scalar::attention,
};

// Plain loops gain nothing from narrower numbers.
constexpr RooflineKernels::Burn kScalarBurn = {scalar::burn, 2 * kLanes};
constinit const RooflineKernels kScalarRoofline = {scalar::read_all, {kScalarBurn, kScalarBurn, kScalarBurn}};

}  // namespace moe::kernels

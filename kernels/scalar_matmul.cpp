// The reference product: plain loops in the order numerics.h defines.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/numerics.h"
#include "kernels/quantise.h"
#include "kernels/scalar.h"
#include "kernels/scalar_math.h"
#include "kernels/tile_layout.h"

namespace moe::kernels::scalar {
namespace {

// One block of inputs of a row, quantised: `count` floats at x.
void quantise_block(const float* x, std::int64_t count, std::int8_t* quants, InputGroups& groups) noexcept {
  std::fill_n(quants, kBlockK, std::int8_t{0});
  groups = {};
  std::ranges::fill(groups.start_q8, InputGroups::kStart);
  std::ranges::fill(groups.start_q4, InputGroups::kStart);
  for (std::int64_t begin = 0; begin < count; begin += kQuantGroup) {
    const std::int64_t end = std::min<std::int64_t>(count, begin + kQuantGroup);
    std::uint32_t most = 0;
    for (std::int64_t k = begin; k < end; ++k)
      most = std::max(most, std::bit_cast<std::uint32_t>(x[k]) & 0x7FFFFFFFU);
    const float amax = std::bit_cast<float>(most);
    const std::int64_t group = begin / kQuantGroup;
    if (!(amax < kMostAmax)) {
      groups.scale[group] = std::numeric_limits<float>::quiet_NaN();
    } else if (amax >= kLeastAmax) {
      const float inverse = 127.0F / amax;
      std::int32_t sum = 0;
      for (std::int64_t k = begin; k < end; ++k) {
        const auto q = static_cast<std::int32_t>(std::nearbyint(x[k] * inverse));
        quants[k] = static_cast<std::int8_t>(q);
        sum += q;
      }
      groups.scale[group] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(amax / 127.0F) & kInputScaleBits);
      groups.start_q8[group] -= 128 * sum;
      groups.start_q4[group] -= 8 * sum;
    }
    groups.offset[group] = -kRoundMagic * groups.scale[group];
  }
}

using Sums = std::vector<std::array<float, kLanes>>;  // of one tile, by row

// Sums in f32 and bf16: inputs are floats, rounded already for bf16.
void sum_floats(const PackedMatrix& w, const InputRows& x, std::int64_t tile, Sums& sums) {
  float weights[kBlockK][kLanes];
  for (std::int64_t k_begin = 0; k_begin < w.cols(); k_begin += kBlockK) {
    const std::int64_t count = std::min<std::int64_t>(kBlockK, w.cols() - k_begin);
    widen_tile(w, tile, k_begin, k_begin + count, weights);
    for (std::int64_t k = 0; x.compute == Compute::bf16 && k < count; ++k) {
      for (float& weight : weights[k]) weight = widen_bf16(narrow_bf16(weight));
    }
    for (std::int64_t r = 0; r < x.rows; ++r) {
      const auto* inputs = reinterpret_cast<const float*>(x.block(k_begin / kBlockK, r));
      float block[kLanes] = {};
      for (std::int64_t k = 0; k < count; ++k) {
        for (int lane = 0; lane < kLanes; ++lane)
          block[lane] = std::fma(weights[k][lane], inputs[k], block[lane]);
      }
      for (int lane = 0; lane < kLanes; ++lane) {
        sums[r][lane] = k_begin == 0 ? block[lane] : sums[r][lane] + block[lane];
      }
    }
  }
}

void sum_quants(const PackedMatrix& w, const InputRows& x, std::int64_t tile_index, Sums& sums) {
  const std::byte* tile = w.tile(tile_index);
  for (std::int64_t group = 0; group < quant_groups(w.cols()); ++group) {
    std::int32_t quants[kQuantGroup][kLanes];
    for (int k = 0; k < kQuantGroup; ++k) {
      for (int lane = 0; lane < kLanes; ++lane) {
        quants[k][lane] = quant_at(w.type(), tile, group * kQuantGroup + k, lane) - quant_offset(w.type());
      }
    }
    const std::int64_t block = group / InputGroups::kGroups, within = group % InputGroups::kGroups;
    for (std::int64_t r = 0; r < x.rows; ++r) {
      const auto* inputs = reinterpret_cast<const std::int8_t*>(x.block(block, r)) + within * kQuantGroup;
      const float x_scale = x.group_block(block, r)->scale[within];
      for (int lane = 0; lane < kLanes; ++lane) {
        std::int32_t sum = 0;
        for (int k = 0; k < kQuantGroup; ++k) sum += quants[k][lane] * inputs[k];
        const float w_scale = widen_f16(group_scales(w.type(), tile, group)[lane]);
        sums[r][lane] = std::fma(static_cast<float>(sum) * x_scale, w_scale, sums[r][lane]);
      }
    }
  }
}

void sum_tile(const PackedMatrix& w, const InputRows& x, std::int64_t tile, Sums& sums) {
  sums.assign(static_cast<std::size_t>(x.rows), {});
  if (x.compute == Compute::int8) {
    sum_quants(w, x, tile, sums);
  } else {
    sum_floats(w, x, tile, sums);
  }
}

float activate(const Epilogue& epilogue, float gate, float up) noexcept {
  float out = 0;
  switch (epilogue.activation) {
    case Activation::silu:
      kScalarTable.silu_mul(&gate, &up, 1, &out);
      break;
    case Activation::gelu_tanh:
      kScalarTable.gelu_tanh_mul(&gate, &up, 1, &out);
      break;
    case Activation::clamped_swiglu:
      kScalarTable.clamped_swiglu(&gate, &up, epilogue.alpha, epilogue.limit, 1, &out);
      break;
  }
  return out;
}

}  // namespace

void prepare(const PackedInput& input, std::int64_t row_begin, std::int64_t row_end) {
  if (input.borrowed()) return;
  const InputRows& layout = input.layout();
  for (std::int64_t row = row_begin; row < row_end; ++row) {
    for (std::int64_t k = 0; k < layout.cols; k += kBlockK) {
      const float* x = input.source(row) + k;
      const std::int64_t block = k / kBlockK, count = std::min<std::int64_t>(kBlockK, layout.cols - k);
      std::byte* out = input.block(block, row);
      if (layout.compute == Compute::int8) {
        quantise_block(x, count, reinterpret_cast<std::int8_t*>(out), *input.group_block(block, row));
        continue;
      }
      auto* floats = reinterpret_cast<float*>(out);
      for (std::int64_t i = 0; i < count; ++i) {
        floats[i] = layout.compute == Compute::bf16 ? widen_bf16(narrow_bf16(x[i])) : x[i];
      }
    }
  }
}

void matmul(const PackedMatrix& w, const InputRows& x, const Epilogue& epilogue, float* y, std::ptrdiff_t ldy,
            std::int64_t n_begin, std::int64_t n_end) {
  thread_local Sums sums, ups;
  const bool gated = w.order() == RowOrder::gate_up;
  const float* bias = epilogue.bias;
  for (std::int64_t n = n_begin; n < n_end; n += kLanes) {
    const int lanes = static_cast<int>(std::min<std::int64_t>(kLanes, n_end - n));
    sum_tile(w, x, gated ? n / kLanes * 2 : n / kLanes, sums);
    if (gated) sum_tile(w, x, n / kLanes * 2 + 1, ups);
    for (std::int64_t r = 0; r < x.rows; ++r) {
      for (int lane = 0; lane < lanes; ++lane) {
        float value = bias == nullptr ? sums[r][lane] : sums[r][lane] + bias[n + lane];
        if (gated) {
          const float up = bias == nullptr ? ups[r][lane] : ups[r][lane] + bias[w.outputs() + n + lane];
          value = activate(epilogue, value, up);
        }
        if (epilogue.residual != nullptr)
          value = epilogue.residual[r * epilogue.residual_stride + n + lane] + value;
        y[r * ldy + n + lane] = value;
      }
    }
  }
}

}  // namespace moe::kernels::scalar

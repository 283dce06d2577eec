#include "engine/runtime/synthetic_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/split_mix.h"

namespace moe {
namespace {

constexpr std::int64_t kMxfp4Group = 32;
// Numbers in the array all plain matrices are windows of: more than enough rows for a large vocabulary.
constexpr std::int64_t kArray = std::int64_t{1} << 23;
// Numbers between a matrix's rows, odd so that neighbours have no whole group in common; MXFP4's rows must
// start at whole groups.
constexpr std::int64_t kRowStride = 17;
constexpr float kDeviation = 0.02F, kVectorDeviation = 0.1F;
// Tokens must stay apart in the residual stream, or all of them would go to the same experts: attention with
// random weights adds much the same to every row. So embeddings are large, and what is added to them is
// small.
constexpr float kEmbeddingDeviation = 0.3F;
constexpr float kSmallest = 1e-4F;  // above the subnormals of f16

// The sum of a word's four uniform parts: near enough to a normal number of deviation 1.
float near_normal(std::uint64_t word) {
  double sum = 0;
  for (int i = 0; i < 4; ++i) sum += static_cast<double>((word >> (16 * i)) & 0xFFFFU);
  return static_cast<float>((sum / 65536 - 2) * std::sqrt(3.0));
}

// Length of a router's row, 1 - spread to 1 + spread.
float row_length(std::int64_t row, float spread) {
  return 1 + spread * (2 * std::fmod(0.618034F * static_cast<float>(row), 1.0F) - 1);
}

// Vectors that are added lie around 0, those that multiply around 1.
bool is_added(Slot slot) {
  switch (slot) {
    case Slot::q_bias:
    case Slot::k_bias:
    case Slot::v_bias:
    case Slot::o_bias:
    case Slot::q_a_bias:
    case Slot::kv_a_bias:
    case Slot::sinks:
    case Slot::gate_bias:
    case Slot::up_bias:
    case Slot::down_bias:
    case Slot::router_bias:
    case Slot::router_choice_bias:
    case Slot::expert_gate_bias:
    case Slot::expert_up_bias:
    case Slot::expert_down_bias:
      return true;
    default:
      return false;
  }
}

// A matrix whose products are added to the residual stream.
bool is_output(Slot slot) {
  return slot == Slot::o || slot == Slot::down || slot == Slot::expert_down || slot == Slot::shared_down;
}

std::vector<WeightUse> all_weights(const ModelSpec& spec) {
  std::vector<WeightUse> uses = model_weights(spec);
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    for (const WeightUse& use : layer_weights(spec, i)) uses.push_back(use);
  }
  return uses;
}

// What the arrays must have room for.
struct Largest {
  std::int64_t vector = 1, router_rows = 1, router_cols = 1, rows = 1, cols = 1;
};
Largest largest(const ModelSpec& spec) {
  Largest most;
  for (const WeightUse& use : all_weights(spec)) {
    if (use.is_vector()) {
      most.vector = std::max(most.vector, use.rows);
    } else if (use.slot == Slot::router) {
      most.router_rows = std::max(most.router_rows, use.rows);
      most.router_cols = std::max(most.router_cols, use.cols);
    } else {
      most.rows = std::max(most.rows, use.rows);
      most.cols = std::max(most.cols, use.cols);
    }
  }
  return most;
}

std::vector<std::int64_t> fp8_scales_shape(const Largest& most) {
  return {fp8_blocks(most.rows), fp8_blocks(most.cols)};
}

// The arrays, and the tensors that view them.
class Arrays {
 public:
  explicit Arrays(const SyntheticOptions& options) : options_(options) {}

  void add_numbers(const char* name, std::int64_t count, auto value) {
    std::byte* to = room(name, options_.type, {count});
    for (std::int64_t i = 0; i < count; ++i) {
      float x = value(i, near_normal(split_mix(options_.seed, used_++)));
      if (std::abs(x) < kSmallest) x = std::copysign(kSmallest, x);
      if (options_.type == DType::f32) {
        std::memcpy(to + 4 * i, &x, 4);
      } else {
        const std::uint16_t bits = options_.type == DType::f16 ? f32_to_f16(x) : f32_to_bf16(x);
        std::memcpy(to + 2 * i, &bits, 2);
      }
    }
  }
  void add_bytes(const char* name, DType type, std::int64_t count, auto value) {
    std::byte* to = room(name, type, {count});
    for (std::int64_t i = 0; i < count; ++i) to[i] = std::byte(value(split_mix(options_.seed, used_++)));
  }
  // All of one value.
  void add_scales(const char* name, std::vector<std::int64_t> shape, float value) {
    std::byte* to = room(name, DType::f32, shape);
    for (std::int64_t i = 0; i < shape[0] * shape[1]; ++i) std::memcpy(to + 4 * i, &value, 4);
  }
  std::shared_ptr<const Checkpoint> finish() {
    return std::make_shared<const Checkpoint>(Checkpoint::in_memory(std::move(tensors_), std::move(bytes_)));
  }

 private:
  std::byte* room(const char* name, DType type, const std::vector<std::int64_t>& shape) {
    std::size_t size = size_of(type);
    for (const std::int64_t n : shape) size *= std::size_t(n);
    std::vector<std::byte>& bytes = bytes_->emplace_back(size);
    tensors_.push_back({name, type, shape, bytes});
    return bytes.data();
  }

  const SyntheticOptions options_;
  std::uint64_t used_ = 0;  // random words
  std::shared_ptr<std::vector<std::vector<std::byte>>> bytes_ =
      std::make_shared<std::vector<std::vector<std::byte>>>();
  std::vector<Tensor> tensors_;
};

// Says which window of which array a weight is.
class Locator {
 public:
  Locator(const Largest& most, const SyntheticOptions& options) : most_(most), options_(options) {}

  TensorSlice operator()(const WeightUse& use) const {
    if (use.is_vector()) {
      const bool added = is_added(use.slot);
      return window(use, added ? "numbers" : "factors", added ? kArray : 2 * most_.vector, 1, 1);
    }
    if (use.slot == Slot::router) return router(use);
    switch (encoding_of(use)) {
      case Encoding::fp8_block:
        return fp8(use);
      case Encoding::mxfp4:
        return mxfp4(use);
      case Encoding::plain:
        break;
    }
    const char* array = use.slot == Slot::embedding ? "embeddings"
                        : is_output(use.slot)       ? "outputs"
                                                    : "numbers";
    // Fewer numbers between rows where there are too many of them.
    const std::int64_t stride = std::min(kRowStride, (kArray - use.cols) / use.rows);
    return window(use, array, kArray, std::max<std::int64_t>(1, stride), 1);
  }

 private:
  Encoding encoding_of(const WeightUse& use) const {
    if (is_expert_matrix(use.slot) && options_.experts != Encoding::plain) return options_.experts;
    return use.layer >= 0 ? options_.matrices : Encoding::plain;
  }

  // Rows `stride` numbers apart in an array of `array` numbers, from a multiple of `step` on.
  TensorSlice window(const WeightUse& use, const char* array_name, std::int64_t array, std::int64_t stride,
                     std::int64_t step) const {
    const std::int64_t needed = use.is_vector() ? use.rows : (use.rows - 1) * stride + use.cols;
    if (needed > array) throw std::invalid_argument("a matrix too large to be made up");
    const auto key = (std::uint64_t(use.slot) << 48) ^ (std::uint64_t(use.layer + 1) << 24) ^
                     std::uint64_t(use.expert + 1);
    const auto places = std::uint64_t((array - needed) / step + 1);
    TensorSlice slice;
    slice.tensor = array_name;
    slice.shape = {array};
    slice.offset = std::int64_t(split_mix(options_.seed, key) % places) * step;
    slice.row_stride = stride;
    return slice;
  }
  TensorSlice router(const WeightUse& use) const {
    // Other layers begin at other rows, so that no expert is popular in all of them.
    TensorSlice slice;
    slice.tensor = "routers";
    slice.shape = {2 * most_.router_rows * most_.router_cols};
    slice.offset = (7 * use.layer) % most_.router_rows * most_.router_cols;
    slice.row_stride = most_.router_cols;
    return slice;
  }
  TensorSlice fp8(const WeightUse& use) const {
    TensorSlice slice = window(use, "fp8", kArray, kRowStride, 1);
    slice.encoding = Encoding::fp8_block;
    slice.scales = "fp8 scales";
    slice.scales_shape = fp8_scales_shape(most_);
    return slice;
  }
  TensorSlice mxfp4(const WeightUse& use) const {
    TensorSlice slice = window(use, "mxfp4", kArray, kMxfp4Group, kMxfp4Group);
    slice.shape = {kArray / 2};
    slice.encoding = Encoding::mxfp4;
    slice.scales = "mxfp4 scales";
    slice.scales_shape = {kArray / kMxfp4Group};
    return slice;
  }

  Largest most_;
  SyntheticOptions options_;
};

}  // namespace

SyntheticWeights synthetic_weights(const ModelSpec& spec, const SyntheticOptions& options) {
  if (options.type != DType::f32 && options.type != DType::f16 && options.type != DType::bf16) {
    throw std::invalid_argument("synthetic weights are f32, f16 or bf16");
  }
  const Largest most = largest(spec);
  Arrays arrays(options);
  arrays.add_numbers("numbers", kArray, [](std::int64_t, float x) { return kDeviation * x; });
  const float output_deviation =
      kDeviation / std::sqrt(2.0F * static_cast<float>(std::max(1, spec.layer_count())));
  arrays.add_numbers("embeddings", kArray, [](std::int64_t, float x) { return kEmbeddingDeviation * x; });
  arrays.add_numbers("outputs", kArray, [&](std::int64_t, float x) { return output_deviation * x; });
  arrays.add_numbers("factors", 2 * most.vector,
                     [](std::int64_t, float x) { return 1 + kVectorDeviation * x; });
  arrays.add_numbers("routers", 2 * most.router_rows * most.router_cols, [&](std::int64_t i, float x) {
    return kDeviation * row_length(i / most.router_cols, options.router_spread) * x;
  });
  if (options.matrices == Encoding::fp8_block || options.experts == Encoding::fp8_block) {
    // Sign and mantissa of anything, exponents that make 0.25 to 1.9.
    arrays.add_bytes("fp8", DType::f8_e4m3, kArray,
                     [](std::uint64_t word) { return (word & 0x87U) | (5 + (word >> 8) % 3) << 3; });
    arrays.add_scales("fp8 scales", fp8_scales_shape(most), kDeviation);
  }
  if (options.experts == Encoding::mxfp4) {
    arrays.add_bytes("mxfp4", DType::u8, kArray / 2, [](std::uint64_t word) { return word & 0xFFU; });
    // 2^-7 and 2^-8: deviations around 0.02.
    arrays.add_bytes("mxfp4 scales", DType::u8, kArray / kMxfp4Group,
                     [](std::uint64_t word) { return 119 + word % 2; });
  }
  return {arrays.finish(), Locator(most, options)};
}

}  // namespace moe

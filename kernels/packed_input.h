// Activations in the form a product reads them: made once for all outputs, threads and matrices that share
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "kernels/compute.h"
#include "kernels/numerics.h"

namespace moe::kernels {

struct KernelTable;

// Scales and sums of the groups of one block of kBlockK quantised inputs of a row: value = scale * quant.
//
// A group's sum S of products is below 2^22, so the integer bits(kRoundMagic) + S has the bits of the float
// kRoundMagic + S: one multiply-add, (kRoundMagic + S) * scale + offset, makes S * scale of it without a conversion.
// It is rounded once, because kRoundMagic * scale is exact for scales of 22 bits (kernels/quantise.h).
// The starts are the integers a group's sum begins at for that. Stored weights are quants plus an offset, so
// 128 (q8) or 8 (q4) times the sum of the group's quants is taken off as well.
struct InputGroups {
  static constexpr int kGroups = kBlockK / kQuantGroup;
  static constexpr std::int32_t kStart = 0x4B400000;  // bits(kRoundMagic)
  float scale[kGroups];
  float offset[kGroups];  // -kRoundMagic * scale
  std::int32_t start_q8[kGroups];
  std::int32_t start_q4[kGroups];
};

// Consecutive rows of a PackedInput. Block b of kBlockK inputs of row r lies at data + b * block_stride +
// r * row_bytes. Past the last input there are zeros: to a whole pair for bf16, to a whole block of groups
// for int8.
struct InputRows {
  Compute compute = Compute::f32;
  std::int64_t rows = 0, cols = 0;
  const std::byte* data = nullptr;
  std::int64_t row_bytes = 0, block_stride = 0;
  const InputGroups* groups = nullptr;  // int8: [block][group_stride]
  std::int64_t group_stride = 0;

  const std::byte* block(std::int64_t b, std::int64_t row) const noexcept {
    return data + b * block_stride + row * row_bytes;
  }
  const InputGroups* group_block(std::int64_t b, std::int64_t row) const noexcept {
    return groups + b * group_stride + row;
  }
};

// Whether products in f32 read rows this many floats apart where they lie. Rows a whole number of blocks apart would meet in
// the same few sets of the first-level cache.
constexpr bool suits_products(std::int64_t stride) noexcept { return stride % kBlockK != 0; }
// Such a distance for rows of `cols` floats.
constexpr std::int64_t spread_stride(std::int64_t cols) noexcept { return suits_products(cols) ? cols : cols + kLanes; }

// Reusable storage: bind() describes the rows, KernelTable::prepare fills them (disjoint ranges from several
// threads), rows() hands them to products. In f32 a single row, and consecutive rows at a stride that suits
// products, are read where they lie: prepare has nothing to do.
class PackedInput {
 public:
  // Row r is x + source[r] * ldx (source null: r), `cols` floats. x and source must live until the rows are
  // prepared, and x until the last product where `borrowed`. Throws std::bad_alloc.
  void bind(const KernelTable& table, Compute compute, const float* x, std::ptrdiff_t ldx, std::int64_t rows,
            std::int64_t cols, const std::int32_t* source = nullptr);

  bool borrowed() const noexcept { return borrowed_; }
  InputRows rows(std::int64_t begin, std::int64_t count) const noexcept;
  InputRows all() const noexcept { return rows(0, all_.rows); }

  // For prepare: the floats of a row, and where its parts go.
  const float* source(std::int64_t row) const noexcept {
    return x_ + (source_ == nullptr ? row : std::int64_t{source_[row]}) * ldx_;
  }
  const InputRows& layout() const noexcept { return all_; }
  std::byte* block(std::int64_t b, std::int64_t row) const noexcept {
    return data_.get() + b * all_.block_stride + row * all_.row_bytes;
  }
  InputGroups* group_block(std::int64_t b, std::int64_t row) const noexcept {
    return reinterpret_cast<InputGroups*>(data_.get() + groups_offset_) + b * all_.group_stride + row;
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::int64_t capacity_ = 0, groups_offset_ = 0;
  const float* x_ = nullptr;
  std::ptrdiff_t ldx_ = 0;
  const std::int32_t* source_ = nullptr;
  bool borrowed_ = false;
  InputRows all_;
};

}  // namespace moe::kernels

// The key/value cache: fixed-size blocks of positions with reference counts, so that a shared prefix is held and
// computed once, a fork copies pointers, and a window layer frees what it has left behind.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/model/spec.h"
#include "kernels/kernel_table.h"

namespace moe {

// Positions in a block: the attention kernel's own, so that keys are summed in one order however the prompt was cut.
inline constexpr std::int32_t kKvBlockTokens = kernels::kKvBlock;

// Where each layer's keys and values lie in a block, and as what. Layers that see the same window share their blocks.
class KvLayout {
 public:
  explicit KvLayout(const ModelSpec& spec, kernels::KvType type = kernels::KvType::f32);

  struct Group {
    std::int32_t window = 0;        // 0: everything is kept
    std::size_t block_bytes = 0;    // bytes of one block
    std::size_t token_numbers = 0;  // numbers of one position
  };
  struct Place {
    std::int32_t group = 0;
    std::int32_t heads = 0, key_dim = 0, value_dim = 0;  // value_dim 0: values are part of the keys
    // Bytes from the block's start to head 0's keys and values, and from a head's to the next head's, which follow one another
    // so that all heads of a layer are one stream. What lies
    // there is the kernels' business.
    std::size_t key_offset = 0, value_offset = 0, head_stride = 0;
  };
  kernels::KvType type() const { return type_; }
  std::span<const Group> groups() const { return groups_; }
  // The group that sees furthest back, and so holds on longest to what sequences share; there is one.
  std::int32_t furthest_group() const;
  // A layer that shares another's cache has its donor's place.
  const Place& place(std::int32_t layer) const { return places_[layer]; }

 private:
  kernels::KvType type_;
  std::vector<Group> groups_;
  std::vector<Place> places_;
};

// What the pool takes from the system for so many blocks: regions on huge pages.
std::int64_t kv_region_bytes(std::int64_t block_bytes, std::int64_t blocks);

// Hands out blocks within a budget and keeps freed ones for reuse. Thread-safe, as is giving blocks back.
class KvPool {
 public:
  KvPool(const KvLayout& layout, std::size_t budget_bytes);
  ~KvPool();
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  using Block = std::shared_ptr<std::byte[]>;
  // Throws Error(limit) when the budget is used up.
  Block take(std::int32_t group);
  std::size_t bytes_in_use() const;
  std::size_t peak_bytes() const;
  std::size_t budget() const;
  const KvLayout& layout() const { return layout_; }

 private:
  struct Shelf;
  KvLayout layout_;  // its own copy: sequences may outlive the model
  std::shared_ptr<Shelf> shelf_;  // outlives the pool while a sequence still holds blocks
};

// One sequence's view of the cache: a table of blocks for each group.
class KvCache {
 public:
  explicit KvCache(std::shared_ptr<KvPool> pool);

  // Positions that hold keys and values.
  std::int32_t length() const { return length_; }
  // Makes positions [length, length + count) writable: takes new blocks, and copies those that are shared.
  // On Error(limit) nothing has changed.
  void prepare(std::int32_t count);
  // Gives back what was prepared and not committed.
  void trim();
  // The prepared positions hold their keys and values now; frees blocks that every later query's window excludes.
  void commit(std::int32_t count);
  // Drops everything.
  void clear();

  // Writes one head's keys or values at `count` prepared positions of one block, `stride` floats from one to the next.
  void store_keys(const kernels::KernelTable& table, const KvLayout::Place& place, std::int32_t position, std::int32_t count,
                  std::int32_t head, const float* keys, std::int64_t stride) const;
  void store_values(const kernels::KernelTable& table, const KvLayout::Place& place, std::int32_t position, std::int32_t count,
                    std::int32_t head, const float* values, std::int64_t stride) const;
  // Block starts of a group from block 0 on; freed ones are null.
  std::span<const std::byte* const> blocks(std::int32_t group) const { return starts_[group]; }
  const KvLayout& layout() const { return pool_->layout(); }

 private:
  std::shared_ptr<KvPool> pool_;
  std::vector<std::vector<KvPool::Block>> tables_;       // [group][block]
  std::vector<std::vector<const std::byte*>> starts_;    // the same as the kernels read them
  std::int32_t length_ = 0;
};

}  // namespace moe

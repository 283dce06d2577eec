#include "engine/runtime/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>

#include "engine/base/error.h"
#include "engine/runtime/huge_arena.h"

namespace moe {

KvLayout::KvLayout(const ModelSpec& spec, kernels::KvType type) : type_(type) {
  places_.resize(spec.layers.size());
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const AttentionSpec& a = spec.layers[i].attention;
    if (!a.owns_cache()) {
      places_[i] = places_[a.kv_from];
      continue;
    }
    auto group = std::ranges::find(groups_, a.window, &Group::window);
    if (group == groups_.end()) group = groups_.insert(group, Group{a.window});
    Place& place = places_[i];
    place.group = static_cast<std::int32_t>(group - groups_.begin());
    place.heads = a.cached_heads();
    place.key_dim = a.cached_key_dim();
    place.value_dim = a.cached_value_dim();
    const auto key_bytes = std::size_t(kernels::key_block_bytes(type, place.key_dim));
    place.head_stride = key_bytes;
    if (place.value_dim > 0) place.head_stride += std::size_t(kernels::value_block_bytes(type, place.value_dim));
    place.key_offset = group->block_bytes;
    place.value_offset = place.key_offset + key_bytes;
    group->block_bytes = place.key_offset + place.heads * place.head_stride;
    group->token_numbers += std::size_t(place.heads) * (place.key_dim + place.value_dim);
  }
}

std::int32_t KvLayout::furthest_group() const {
  const auto sight = [](const Group& group) { return group.window == 0 ? std::numeric_limits<std::int32_t>::max() : group.window; };
  return static_cast<std::int32_t>(std::ranges::max_element(groups_, {}, sight) - groups_.begin());
}

namespace {

// Blocks are cut from regions of about this size: a layer's part of a block is small, and on small pages each would
// cost several walks of the page tables.
constexpr std::int64_t kRegionBytes = std::int64_t{16} << 20;

std::int64_t blocks_of_region(std::int64_t block_bytes) { return std::max<std::int64_t>(1, kRegionBytes / block_bytes); }

}  // namespace

std::int64_t kv_region_bytes(std::int64_t block_bytes, std::int64_t blocks) {
  if (block_bytes == 0) return 0;
  // What the last huge page has room for is used too.
  const std::int64_t most = HugeArena::touched(blocks_of_region(block_bytes) * block_bytes) / block_bytes;
  return blocks / most * HugeArena::touched(most * block_bytes) + HugeArena::touched(blocks % most * block_bytes);
}

// Storage shared by the pool and the deleters of its blocks.
struct KvPool::Shelf {
  struct Stock {
    std::vector<std::byte*> free;
    std::vector<HugeArena> regions;  // the last one may have blocks left
  };
  mutable std::mutex mutex;
  std::size_t budget = 0, used = 0, peak = 0;
  std::vector<Stock> stocks;  // [group]

  std::byte* take(std::int32_t group, std::size_t bytes) {
    const std::scoped_lock lock(mutex);
    if (bytes > budget - std::min(used, budget)) {
      throw Error(ErrorKind::limit, Fault{"", "key/value cache", fmt::format("at most {} bytes", budget),
                                          fmt::format("a need of {}", used + bytes)});
    }
    std::byte* const block = find(stocks[group], std::int64_t(bytes));
    used += bytes;
    peak = std::max(peak, used);
    return block;
  }

  void give_back(std::int32_t group, std::byte* block, std::size_t bytes) {
    const std::scoped_lock lock(mutex);
    used -= bytes;
    stocks[group].free.push_back(block);
  }

 private:
  static std::byte* find(Stock& stock, std::int64_t bytes) {
    if (!stock.free.empty()) {
      std::byte* const block = stock.free.back();
      stock.free.pop_back();
      return block;
    }
    if (stock.regions.empty() || stock.regions.back().left() < bytes) {
      stock.regions.emplace_back(blocks_of_region(bytes) * bytes, "memory for keys and values");
    }
    return stock.regions.back().take(bytes);
  }
};

KvPool::KvPool(const KvLayout& layout, std::size_t budget_bytes) : layout_(layout), shelf_(std::make_shared<Shelf>()) {
  shelf_->budget = budget_bytes;
  shelf_->stocks.resize(layout.groups().size());
}
KvPool::~KvPool() = default;

std::size_t KvPool::bytes_in_use() const {
  const std::scoped_lock lock(shelf_->mutex);
  return shelf_->used;
}
std::size_t KvPool::peak_bytes() const {
  const std::scoped_lock lock(shelf_->mutex);
  return shelf_->peak;
}
std::size_t KvPool::budget() const { return shelf_->budget; }

KvPool::Block KvPool::take(std::int32_t group) {
  const std::size_t bytes = layout_.groups()[group].block_bytes;
  return Block(shelf_->take(group, bytes), [shelf = shelf_, group, bytes](std::byte* p) { shelf->give_back(group, p, bytes); });
}

KvCache::KvCache(std::shared_ptr<KvPool> pool)
    : pool_(std::move(pool)), tables_(pool_->layout().groups().size()), starts_(tables_.size()) {}

void KvCache::prepare(std::int32_t count) {
  const std::int32_t end = length_ + count;
  const auto needed = std::size_t(end + kKvBlockTokens - 1) / kKvBlockTokens;
  const std::size_t first_written = std::size_t(length_) / kKvBlockTokens;
  std::vector<std::vector<KvPool::Block>> fresh(tables_.size());
  for (std::size_t g = 0; g < tables_.size(); ++g) {
    auto& table = tables_[g];
    const auto group = static_cast<std::int32_t>(g);
    // A block that another sequence holds too is copied before the first write: the last one, or more where the other one
    // was forked off between prepare and commit.
    for (std::size_t b = first_written; b < std::min(needed, table.size()); ++b) {
      if (table[b].use_count() <= 1) continue;
      KvPool::Block own = pool_->take(group);
      std::memcpy(own.get(), table[b].get(), layout().groups()[g].block_bytes);
      table[b] = std::move(own);
      starts_[g][b] = table[b].get();
    }
    for (std::size_t b = table.size(); b < needed; ++b) fresh[g].push_back(pool_->take(group));
  }
  for (std::size_t g = 0; g < tables_.size(); ++g) {
    tables_[g].insert(tables_[g].end(), fresh[g].begin(), fresh[g].end());
    for (const KvPool::Block& block : fresh[g]) starts_[g].push_back(block.get());
  }
}

void KvCache::trim() {
  const auto held = std::size_t(length_ + kKvBlockTokens - 1) / kKvBlockTokens;
  for (auto& table : tables_) table.resize(std::min(table.size(), held));
  for (auto& starts : starts_) starts.resize(std::min(starts.size(), held));
}

void KvCache::commit(std::int32_t count) {
  length_ += count;
  for (std::size_t g = 0; g < tables_.size(); ++g) {
    const std::int32_t window = layout().groups()[g].window;
    if (window == 0) continue;
    // The next query stands at `length_` and sees positions above length_ - window.
    const std::int32_t hidden = length_ - window + 1;  // positions [0, hidden) are out of sight
    const std::int32_t whole = std::max(hidden, 0) / kKvBlockTokens;
    for (std::int32_t b = whole - 1; b >= 0 && tables_[g][b]; --b) {
      tables_[g][b].reset();
      starts_[g][b] = nullptr;
    }
  }
}

void KvCache::clear() {
  for (auto& table : tables_) table.clear();
  for (auto& starts : starts_) starts.clear();
  length_ = 0;
}

void KvCache::store_keys(const kernels::KernelTable& table, const KvLayout::Place& place, std::int32_t position,
                         std::int32_t count, std::int32_t head, const float* keys, std::int64_t stride) const {
  std::byte* block = tables_[place.group][position / kKvBlockTokens].get();
  table.store_keys(layout().type(), block + place.key_offset + head * place.head_stride, place.key_dim,
                   position % kKvBlockTokens, count, keys, stride);
}

void KvCache::store_values(const kernels::KernelTable& table, const KvLayout::Place& place, std::int32_t position,
                           std::int32_t count, std::int32_t head, const float* values, std::int64_t stride) const {
  std::byte* block = tables_[place.group][position / kKvBlockTokens].get();
  table.store_values(layout().type(), block + place.value_offset + head * place.head_stride, place.value_dim,
                     position % kKvBlockTokens, count, values, stride);
}

}  // namespace moe

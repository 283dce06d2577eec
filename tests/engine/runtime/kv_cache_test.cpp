// Cache blocks: taking, sharing, copying on write, leaving windows, budgets.
#include "engine/runtime/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "engine/base/error.h"

namespace moe {
namespace {

// Two layers: one sees everything, one a window of 40.
ModelSpec two_layers() {
  ModelSpec spec;
  spec.layers.resize(2);
  for (LayerSpec& layer : spec.layers) {
    layer.attention.heads = layer.attention.kv_heads = 2;
    layer.attention.key_dim = 4;
    layer.attention.value_dim = 3;
  }
  spec.layers[1].attention.window = 40;
  return spec;
}

struct Fixture {
  KvLayout layout{two_layers()};
  std::shared_ptr<KvPool> pool;
  explicit Fixture(std::size_t budget = SIZE_MAX) : pool(std::make_shared<KvPool>(layout, budget)) {}
};

std::vector<float> stored_key(const KvCache& cache, const KvLayout::Place& place, int position, int head) {
  std::vector<float> key(place.key_dim);
  const std::byte* block = cache.blocks(place.group)[position / kKvBlockTokens];
  kernels::load_key(kernels::KvType::f32, block + place.key_offset + head * place.head_stride, place.key_dim,
                    position % kKvBlockTokens, key.data());
  return key;
}

TEST(KvLayout, LayersWithOneWindowShareBlocks) {
  ModelSpec spec = two_layers();
  spec.layers.push_back(spec.layers[1]);
  spec.layers.push_back(spec.layers[1]);
  spec.layers[3].attention.kv_from = 1;
  const KvLayout layout(spec);
  EXPECT_EQ(layout.groups().size(), 2U);
  EXPECT_EQ(layout.place(1).group, layout.place(2).group);
  EXPECT_NE(layout.place(1).key_offset, layout.place(2).key_offset);
  EXPECT_EQ(layout.place(3).key_offset, layout.place(1).key_offset) << "a sharing layer reads its donor's place";
}

TEST(KvCache, BlocksOutsideTheWindowAreFreed) {
  Fixture f;
  KvCache cache(f.pool);
  const auto group_bytes = [&](int g) { return f.layout.groups()[g].block_bytes; };
  for (int i = 0; i < 200; ++i) {
    cache.prepare(1);
    cache.commit(1);
  }
  EXPECT_EQ(cache.length(), 200);
  // 200 positions are 7 blocks; the next query, at 200, sees positions 161..199 of the window: blocks 5 and 6.
  const auto& windowed = cache.blocks(f.layout.place(1).group);
  for (int b = 0; b < 7; ++b) EXPECT_EQ(windowed[b] != nullptr, b >= 5) << b;
  EXPECT_EQ(f.pool->bytes_in_use(), 7 * group_bytes(0) + 2 * group_bytes(1));
}

TEST(KvCache, AForkSharesUntilItWrites) {
  Fixture f;
  KvCache a(f.pool);
  const KvLayout::Place& place = f.layout.place(0);
  a.prepare(33);
  const std::vector<float> first{1, 2, 3, 4}, second{5, 6, 7, 8}, third{9, 10, 11, 12};
  a.store_keys(kernels::select_kernels(), place, 31, 1, 1, first.data(), 4);
  a.store_keys(kernels::select_kernels(), place, 32, 1, 1, second.data(), 4);
  a.commit(33);
  const std::size_t before = f.pool->bytes_in_use();
  KvCache b = a;
  EXPECT_EQ(f.pool->bytes_in_use(), before) << "a fork costs nothing";
  b.prepare(1);
  b.store_keys(kernels::select_kernels(), place, 33, 1, 1, third.data(), 4);
  b.commit(1);
  EXPECT_EQ(a.blocks(0)[0], b.blocks(0)[0]) << "whole blocks stay shared";
  EXPECT_NE(a.blocks(0)[1], b.blocks(0)[1]) << "the block that was written is a copy";
  EXPECT_EQ(stored_key(b, place, 31, 1), first);
  EXPECT_EQ(stored_key(b, place, 32, 1), second);
  EXPECT_EQ(stored_key(b, place, 33, 1), third);
  EXPECT_EQ(a.length(), 33);
}

TEST(KvPool, BlocksLieSideBySideInRegionsAndNeverOverlap) {
  ModelSpec spec = two_layers();
  spec.layers.resize(1);
  spec.layers[0].attention.kv_heads = 160;
  spec.layers[0].attention.key_dim = spec.layers[0].attention.value_dim = 128;
  const KvLayout layout(spec);
  const auto bytes = static_cast<std::ptrdiff_t>(layout.groups()[0].block_bytes);  // a few fill a region
  KvPool pool(layout, SIZE_MAX);
  std::vector<KvPool::Block> blocks;
  for (int i = 0; i < 10; ++i) blocks.push_back(pool.take(0));
  EXPECT_EQ(blocks[1].get() - blocks[0].get(), bytes);
  std::ranges::sort(blocks, std::less<const std::byte*>(), [](const auto& block) { return block.get(); });
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks[i].get()) % 64, 0U);
    blocks[i].get()[0] = blocks[i].get()[bytes - 1] = std::byte{1};  // all of it is there to be written
    if (i > 0) {
      EXPECT_GE(blocks[i].get() - blocks[i - 1].get(), bytes);
    }
  }
  const std::byte* const freed = blocks[3].get();
  blocks[3].reset();
  EXPECT_EQ(pool.take(0).get(), freed) << "what comes back is handed out first";
}

TEST(KvCache, AForkOfPreparedBlocksWritesItsOwn) {
  Fixture f;
  KvCache a(f.pool);
  a.prepare(40);
  a.commit(40);
  const std::size_t committed = f.pool->bytes_in_use();
  a.prepare(60);
  KvCache b = a;
  a.prepare(60);
  b.prepare(60);
  for (std::size_t block = 1; block < 4; ++block) EXPECT_NE(a.blocks(0)[block], b.blocks(0)[block]) << block;
  EXPECT_EQ(a.blocks(0)[0], b.blocks(0)[0]);
  b.clear();
  a.trim();
  EXPECT_EQ(f.pool->bytes_in_use(), committed);
}

TEST(KvCache, TheBudgetIsHeldAndMemoryComesBack) {
  Fixture probe;
  const std::size_t both = probe.layout.groups()[0].block_bytes + probe.layout.groups()[1].block_bytes;
  Fixture f(2 * both);
  KvCache cache(f.pool);
  cache.prepare(64);
  cache.commit(64);
  try {
    cache.prepare(1);
    FAIL() << "the budget was exceeded";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::limit);
  }
  EXPECT_EQ(cache.length(), 64);
  cache.clear();
  EXPECT_EQ(f.pool->bytes_in_use(), 0U);
  EXPECT_EQ(f.pool->peak_bytes(), 2 * both);
  cache.prepare(64);
}

}  // namespace
}  // namespace moe

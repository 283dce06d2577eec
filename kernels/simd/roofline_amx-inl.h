// The peaks of the tile instructions. Included inside a target region; see target.h.

namespace moe::kernels::MOE_SIMD {
namespace {

// As many products at once as there are sums.
inline constexpr std::int64_t kBurnTiles = 4;
template <typename Multiply>
float burn_tiles(std::int64_t iterations, Multiply multiply) {
  shape_tiles({kTileLines, kTileLines, kTileBytes});
  alignas(64) float block[kTileLines * kLanes] = {};
  tile_load<kInputs>(block, kTileBytes);
  tile_load<kInputs + 1>(block, kTileBytes);
  tile_load<kWeights>(block, kTileBytes);
  tile_load<kWeights + 1>(block, kTileBytes);
  tile_zero<kSums>();
  tile_zero<kSums + 1>();
  tile_zero<kSums + 2>();
  tile_zero<kSums + 3>();
  for (std::int64_t i = 0; i < iterations; ++i) multiply();
  tile_store<kSums>(block, kTileBytes);
  end_tiles();
  return block[0];
}
float burn_amx_bf16(std::int64_t iterations) {
  return burn_tiles(iterations, [] {
    tile_dot_bf16<kSums, kInputs, kWeights>();
    tile_dot_bf16<kSums + 1, kInputs, kWeights + 1>();
    tile_dot_bf16<kSums + 2, kInputs + 1, kWeights>();
    tile_dot_bf16<kSums + 3, kInputs + 1, kWeights + 1>();
  });
}
float burn_amx_int8(std::int64_t iterations) {
  return burn_tiles(iterations, [] {
    tile_dot_int8<kSums, kInputs, kWeights>();
    tile_dot_int8<kSums + 1, kInputs, kWeights + 1>();
    tile_dot_int8<kSums + 2, kInputs + 1, kWeights>();
    tile_dot_int8<kSums + 3, kInputs + 1, kWeights + 1>();
  });
}
constexpr RooflineKernels::Burn kBurnAmxBf16 = {burn_amx_bf16, kBurnTiles * kTileLines * kLanes* kStepInputs * 2};
constexpr RooflineKernels::Burn kBurnAmxInt8 = {burn_amx_int8, kBurnTiles * kTileLines * kLanes* kTileBytes * 2};

}  // namespace
}  // namespace moe::kernels::MOE_SIMD

// The product, for any instruction set: microkernels over tiles, and the blocking around them. Included inside a
// target region; see target.h.
//
// A microkernel holds MR rows of x times T tiles of 16 outputs in registers over one block of K. Few rows (decode)
// walk several tiles at once so that enough independent chains are in flight; many rows (prefill) copy a chunk of x
// into a dense buffer that stays in L2 while each tile's block stays in L1 for all rows of the chunk.

namespace moe::kernels::MOE_SIMD {
namespace {

template <WeightType W>
struct Weights;

template <>
struct Weights<WeightType::f32> {
  static Vec even(const std::byte* tile, std::int64_t k) { return load(reinterpret_cast<const float*>(tile) + k * kLanes); }
  static Vec odd(const std::byte* tile, std::int64_t k) { return even(tile, k + 1); }
};
template <>
struct Weights<WeightType::f16> {
  static Vec even(const std::byte* tile, std::int64_t k) {
    return load_f16(reinterpret_cast<const std::uint16_t*>(tile) + k * kLanes);
  }
  static Vec odd(const std::byte* tile, std::int64_t k) { return even(tile, k + 1); }
};
template <>
struct Weights<WeightType::bf16> {
  static Vec even(const std::byte* tile, std::int64_t k) {
    return load_bf16_even(reinterpret_cast<const std::uint16_t*>(tile) + k * kLanes);
  }
  static Vec odd(const std::byte* tile, std::int64_t k) {
    return load_bf16_odd(reinterpret_cast<const std::uint16_t*>(tile) + k * kLanes);
  }
};

// One block: x rows at x + r * ldx, weights k [0, kn) of T tiles at tile + t * tile_stride; y is written (first) or
// added to. `valid` outputs of the last tile exist.
struct MicroArgs {
  const std::byte* tile;
  std::int64_t tile_stride;
  const float* x;
  std::int64_t ldx, kn;
  float* y;
  std::int64_t ldy;
  bool first;
  int valid;
};

template <WeightType W, int MR, int T>
void micro(const MicroArgs& args) {
  Vec acc[T][MR];
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) acc[t][r] = zero();
  }
  const std::byte* tile = args.tile;
  const std::int64_t stride = args.tile_stride, kn = args.kn, ldx = args.ldx;
  const float* x = args.x;
  std::int64_t k = 0;
  for (; k + 1 < kn; k += 2) {
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      const Vec w = Weights<W>::even(tile + t * stride, k);
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) acc[t][r] = fma(w, set1(x[r * ldx + k]), acc[t][r]);
    }
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      const Vec w = Weights<W>::odd(tile + t * stride, k);
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) acc[t][r] = fma(w, set1(x[r * ldx + k + 1]), acc[t][r]);
    }
  }
  if (k < kn) {
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      const Vec w = Weights<W>::even(tile + t * stride, k);
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) acc[t][r] = fma(w, set1(x[r * ldx + k]), acc[t][r]);
    }
  }
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    const bool whole = t + 1 < T || args.valid == kLanes;
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      float* y = args.y + r * args.ldy + t * kLanes;
      if (whole) {
        store(y, args.first ? acc[t][r] : add(load(y), acc[t][r]));
      } else {
        store_partial(y, args.first ? acc[t][r] : add(load_partial(y, args.valid), acc[t][r]), args.valid);
      }
    }
  }
}

using Micro = void (*)(const MicroArgs&);

// Tiles a microkernel of MR rows walks at once.
constexpr int max_tiles(int rows) { return rows >= kMicroRows ? 1 : kMicroRows / rows; }

// kMicros<W>[rows - 1][tiles - 1]; null where rows x tiles would not fit the registers.
template <WeightType W, int MR, int T>
constexpr Micro micro_or_null() {
  if constexpr (T <= max_tiles(MR)) {
    return micro<W, MR, T>;
  } else {
    return nullptr;
  }
}
template <WeightType W, int MR, int... T>
constexpr std::array<Micro, kMicroRows> micros_of_rows(std::integer_sequence<int, T...>) {
  return {micro_or_null<W, MR, T + 1>()...};
}
template <WeightType W, int... R>
constexpr std::array<std::array<Micro, kMicroRows>, kMicroRows> all_micros(std::integer_sequence<int, R...> rows) {
  return {micros_of_rows<W, R + 1>(rows)...};
}
template <WeightType W>
constexpr auto kMicros = all_micros<W>(std::make_integer_sequence<int, kMicroRows>());

// Rows of the next panel of at most kMicroRows out of `left`: the last two share a remainder evenly.
inline int panel_rows(std::int64_t left) {
  if (left <= kMicroRows) return static_cast<int>(left);
  return left < 2 * kMicroRows ? static_cast<int>((left + 1) / 2) : kMicroRows;
}

// At most kMicroRows rows: all of K for a few tiles, then the next tiles.
template <WeightType W>
void multiply_few(const PackedMatrix& w, const float* x, std::ptrdiff_t ldx, int rows, float* y, std::ptrdiff_t ldy,
                  std::int64_t n_begin, std::int64_t n_end) {
  const std::int64_t cols = w.cols(), bytes_per_k = kLanes * weight_bytes(W);
  const std::int64_t tile_end = (n_end + kLanes - 1) / kLanes;
  for (std::int64_t index = n_begin / kLanes; index < tile_end;) {
    const int tiles = static_cast<int>(std::min<std::int64_t>(max_tiles(rows), tile_end - index));
    const int valid = static_cast<int>(std::min<std::int64_t>(kLanes, n_end - (index + tiles - 1) * kLanes));
    const Micro kernel = kMicros<W>[static_cast<std::size_t>(rows - 1)][static_cast<std::size_t>(tiles - 1)];
    for (std::int64_t k = 0; k < cols; k += kBlockK) {
      kernel({w.tile(index) + k * bytes_per_k, w.tile_bytes(), x + k, ldx, std::min<std::int64_t>(kBlockK, cols - k),
              y + index * kLanes, ldy, k == 0, valid});
    }
    index += tiles;
  }
}

constexpr std::int64_t kChunkRows = 96;  // 96 x 256 floats of x: a fifth of the smallest L2 we care for

template <WeightType W>
void multiply_many(const PackedMatrix& w, const float* x, std::ptrdiff_t ldx, std::int64_t rows, float* y,
                   std::ptrdiff_t ldy, std::int64_t n_begin, std::int64_t n_end) {
  alignas(64) static thread_local float dense[kChunkRows * kBlockK];
  const std::int64_t cols = w.cols(), bytes_per_k = kLanes * weight_bytes(W);
  const std::int64_t tile_end = (n_end + kLanes - 1) / kLanes;
  for (std::int64_t chunk = 0; chunk < rows;) {
    // Chunks of equal size, so that none is left with a few rows.
    const std::int64_t chunks_left = (rows - chunk + kChunkRows - 1) / kChunkRows;
    const std::int64_t chunk_rows = (rows - chunk + chunks_left - 1) / chunks_left;
    for (std::int64_t k = 0; k < cols; k += kBlockK) {
      const std::int64_t kn = std::min<std::int64_t>(kBlockK, cols - k);
      for (std::int64_t r = 0; r < chunk_rows; ++r) {
        std::memcpy(dense + r * kBlockK, x + (chunk + r) * ldx + k, static_cast<std::size_t>(kn) * sizeof(float));
      }
      for (std::int64_t index = n_begin / kLanes; index < tile_end; ++index) {
        const int valid = static_cast<int>(std::min<std::int64_t>(kLanes, n_end - index * kLanes));
        const std::byte* tile = w.tile(index) + k * bytes_per_k;
        // The next tile's block is fetched in equal parts between the panels.
        const std::byte* ahead = index + 1 < tile_end ? tile + w.tile_bytes() : tile;
        const std::byte* const ahead_end = ahead + kn * bytes_per_k;
        const std::int64_t share = (kn * bytes_per_k * kMicroRows / chunk_rows + 63) / 64 * 64;
        for (std::int64_t r = 0; r < chunk_rows;) {
          const int panel = panel_rows(chunk_rows - r);
          kMicros<W>[static_cast<std::size_t>(panel - 1)][0]({tile, 0, dense + r * kBlockK, kBlockK, kn,
                                                              y + (chunk + r) * ldy + index * kLanes, ldy, k == 0,
                                                              valid});
          r += panel;
          for (const std::byte* stop = std::min(ahead + share, ahead_end); ahead < stop; ahead += 64) {
            _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
          }
        }
      }
    }
    chunk += chunk_rows;
  }
}

template <WeightType W>
void multiply(const PackedMatrix& w, const float* x, std::ptrdiff_t ldx, std::int64_t rows, float* y,
              std::ptrdiff_t ldy, std::int64_t n_begin, std::int64_t n_end) {
  if (rows <= kMicroRows) {
    multiply_few<W>(w, x, ldx, static_cast<int>(rows), y, ldy, n_begin, n_end);
  } else {
    multiply_many<W>(w, x, ldx, rows, y, ldy, n_begin, n_end);
  }
}

void matmul(const PackedMatrix& w, const float* x, std::ptrdiff_t ldx, std::int64_t rows, float* y,
            std::ptrdiff_t ldy, std::int64_t n_begin, std::int64_t n_end) {
  if (rows <= 0 || n_begin >= n_end) return;
  if (w.cols() == 0) {
    for (std::int64_t r = 0; r < rows; ++r) std::fill(y + r * ldy + n_begin, y + r * ldy + n_end, 0.0F);
    return;
  }
  switch (w.type()) {
    case WeightType::f32: return multiply<WeightType::f32>(w, x, ldx, rows, y, ldy, n_begin, n_end);
    case WeightType::f16: return multiply<WeightType::f16>(w, x, ldx, rows, y, ldy, n_begin, n_end);
    case WeightType::bf16: return multiply<WeightType::bf16>(w, x, ldx, rows, y, ldy, n_begin, n_end);
  }
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD

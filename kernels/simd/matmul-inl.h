// The product, for any instruction set: microkernels over tiles, and the blocking around them. Included
// inside a target region; see target.h.
//
// A microkernel holds MR rows of x times T tiles of 16 outputs in registers over one block of K. Few rows
// (decode) walk several tiles at once so that enough independent chains are in flight; many rows (prefill)
// copy a chunk of x into a dense buffer that stays in L2 while each tile's block stays in L1 for all rows of
// the chunk.

namespace moe::kernels::MOE_SIMD {
namespace {

// The 16 weights of the first and the second k of a pair.
template <WeightType W>
struct Weights;

template <>
struct Weights<WeightType::f32> {
  static constexpr std::int64_t kBytes = 4;
  static Vec even(const std::byte* pair) { return load(reinterpret_cast<const float*>(pair)); }
  static Vec odd(const std::byte* pair) { return load(reinterpret_cast<const float*>(pair) + kLanes); }
};
template <>
struct Weights<WeightType::f16> {
  static constexpr std::int64_t kBytes = 2;
  static Vec even(const std::byte* pair) { return load_f16(reinterpret_cast<const std::uint16_t*>(pair)); }
  static Vec odd(const std::byte* pair) {
    return load_f16(reinterpret_cast<const std::uint16_t*>(pair) + kLanes);
  }
};
template <>
struct Weights<WeightType::bf16> {
  static constexpr std::int64_t kBytes = 2;
  static Vec even(const std::byte* pair) {
    return load_bf16_even(reinterpret_cast<const std::uint16_t*>(pair));
  }
  static Vec odd(const std::byte* pair) {
    return load_bf16_odd(reinterpret_cast<const std::uint16_t*>(pair));
  }
};

// One block: x rows at x + r * ldx, weights k [0, kn) of T tiles at tile + t * tile_stride; y is written
// (first) or added to. `valid` outputs of the last tile exist.
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

// sums[t][r] += w * x for one k of every tile and row.
template <int MR, int T, typename LoadWeights>
inline __attribute__((always_inline)) void step(Vec (&sums)[T][MR], const float* x, std::int64_t ldx,
                                                LoadWeights load_weights) {
  MOE_UNROLL
  for (int t = 0; t < T; ++t) {
    Vec w = load_weights(t);
    if constexpr (MR > 1) keep_order(w);  // else each use would load it again
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      sums[t][r] = fma(w, set1(x[r * ldx]), sums[t][r]);
      keep_order(sums[t][r]);
    }
  }
}

// The last tile of a matrix whose rows are no multiple of 16.
__attribute__((noinline)) void finish_partial(const MicroArgs& args, int tile, int rows, const float* block) {
  for (int r = 0; r < rows; ++r) {
    float* y = args.y + r * args.ldy + tile * kLanes;
    for (int lane = 0; lane < args.valid; ++lane) {
      y[lane] = args.first ? block[r * kLanes + lane] : y[lane] + block[r * kLanes + lane];
    }
  }
}

template <WeightType W, int MR, int T>
void micro(const MicroArgs& args) {
  alignas(64) float block[T][MR][kLanes];
  for (int t = 0; t < T; ++t) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      _mm_prefetch(reinterpret_cast<const char*>(args.y + r * args.ldy + t * kLanes), _MM_HINT_T0);
    }
  }
  {
    Vec sums[T][MR];
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) sums[t][r] = zero();
    }
    const std::byte* tile = args.tile;
    const std::int64_t stride = args.tile_stride, ldx = args.ldx;
    const float* x = args.x;
    for (std::int64_t pair = args.kn / 2; pair > 0; --pair) {
      step<MR, T>(sums, x, ldx, [&](int t) { return Weights<W>::even(tile + t * stride); });
      step<MR, T>(sums, x + 1, ldx, [&](int t) { return Weights<W>::odd(tile + t * stride); });
      x += 2;
      tile += 2 * kLanes * Weights<W>::kBytes;
    }
    if (args.kn % 2 != 0)
      step<MR, T>(sums, x, ldx, [&](int t) { return Weights<W>::even(tile + t * stride); });
    MOE_UNROLL
    for (int t = 0; t < T; ++t) {
      MOE_UNROLL
      for (int r = 0; r < MR; ++r) store(block[t][r], sums[t][r]);
    }
  }
  const int whole = args.valid == kLanes ? T : T - 1;
  for (int t = 0; t < whole; ++t) {
    MOE_UNROLL
    for (int r = 0; r < MR; ++r) {
      float* y = args.y + r * args.ldy + t * kLanes;
      store(y, args.first ? load(block[t][r]) : add(load(y), load(block[t][r])));
    }
  }
  if (whole < T) finish_partial(args, T - 1, MR, &block[T - 1][0][0]);
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
constexpr std::array<std::array<Micro, kMicroRows>, kMicroRows> all_micros(
    std::integer_sequence<int, R...> rows) {
  return {micros_of_rows<W, R + 1>(rows)...};
}
template <WeightType W>
constexpr auto kMicros = all_micros<W>(std::make_integer_sequence<int, kMicroRows>());

// Rows of the next panel out of `left`. Small panels need several tiles to keep the multipliers busy, and
// four rows fit no whole number of times into the registers: ten rows are better two fives than six and four.
inline int panel_rows(std::int64_t left) {
  if (left == kMicroRows + 4) return (kMicroRows + 4) / 2;
  return static_cast<int>(std::min<std::int64_t>(left, kMicroRows));
}

// At most kMicroRows rows: all of K for a few tiles, then the next tiles.
template <WeightType W>
void multiply_few(const PackedMatrix& w, const float* x, std::ptrdiff_t ldx, int rows, float* y,
                  std::ptrdiff_t ldy, std::int64_t n_begin, std::int64_t n_end) {
  const std::int64_t cols = w.cols(), bytes_per_k = kLanes * weight_bytes(W);
  const std::int64_t tile_end = (n_end + kLanes - 1) / kLanes;
  for (std::int64_t index = n_begin / kLanes; index < tile_end;) {
    const int tiles = static_cast<int>(std::min<std::int64_t>(max_tiles(rows), tile_end - index));
    const int valid = static_cast<int>(std::min<std::int64_t>(kLanes, n_end - (index + tiles - 1) * kLanes));
    const Micro kernel = kMicros<W>[static_cast<std::size_t>(rows - 1)][static_cast<std::size_t>(tiles - 1)];
    for (std::int64_t k = 0; k < cols; k += kBlockK) {
      kernel({w.tile(index) + k * bytes_per_k, w.tile_bytes(), x + k, ldx,
              std::min<std::int64_t>(kBlockK, cols - k), y + index * kLanes, ldy, k == 0, valid});
    }
    index += tiles;
  }
}

constexpr std::int64_t kChunkRows = 96;  // 96 x 256 floats of x: a fifth of the smallest L2 we care for

// One chunk and one block of K: the chunk's part of x, dense.
struct ChunkBlock {
  const float* x;  // [rows][kBlockK]
  std::int64_t rows, k, kn;
  float* y;
  std::ptrdiff_t ldy;
};

// Rows [row, row + count) of a chunk times `tiles` tiles from `index` on.
template <WeightType W>
inline void multiply_panel(const PackedMatrix& w, const ChunkBlock& chunk, std::int64_t row, int count,
                           std::int64_t index, int tiles, std::int64_t n_end) {
  const int valid = static_cast<int>(std::min<std::int64_t>(kLanes, n_end - (index + tiles - 1) * kLanes));
  kMicros<W>[static_cast<std::size_t>(count - 1)][static_cast<std::size_t>(tiles - 1)](
      {w.tile(index) + chunk.k * kLanes * weight_bytes(W), w.tile_bytes(), chunk.x + row * kBlockK, kBlockK,
       chunk.kn, chunk.y + row * chunk.ldy + index * kLanes, chunk.ldy, chunk.k == 0, valid});
}

// Tiles [begin, end), a group small enough that its blocks stay in L2 until the last rows have used them too.
template <WeightType W>
void multiply_group(const PackedMatrix& w, const ChunkBlock& chunk, std::int64_t begin, std::int64_t end,
                    std::int64_t tile_end, std::int64_t n_end) {
  const std::int64_t block_bytes = chunk.kn * kLanes * weight_bytes(W);
  // The next tile's block is fetched in equal parts between the panels.
  const std::int64_t share = (block_bytes * kMicroRows / chunk.rows + 63) / 64 * 64;
  std::int64_t few_begin = chunk.rows;  // rows of a last panel that wants several tiles at once
  for (std::int64_t index = begin; index < end; ++index) {
    const std::byte* ahead =
        w.tile(index + 1 < tile_end ? index + 1 : index) + chunk.k * kLanes * weight_bytes(W);
    const std::byte* const ahead_end = ahead + block_bytes;
    for (std::int64_t row = 0; row < chunk.rows;) {
      const int count = panel_rows(chunk.rows - row);
      if (max_tiles(count) > 1) {
        few_begin = row;
        break;
      }
      multiply_panel<W>(w, chunk, row, count, index, 1, n_end);
      row += count;
      for (const std::byte* stop = std::min(ahead + share, ahead_end); ahead < stop; ahead += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
      }
    }
  }
  if (const int count = static_cast<int>(chunk.rows - few_begin); count > 0) {
    for (std::int64_t index = begin; index < end;) {
      const int tiles = static_cast<int>(std::min<std::int64_t>(max_tiles(count), end - index));
      multiply_panel<W>(w, chunk, few_begin, count, index, tiles, n_end);
      index += tiles;
    }
  }
}

template <WeightType W>
void multiply_many(const PackedMatrix& w, const float* x, std::ptrdiff_t ldx, std::int64_t rows, float* y,
                   std::ptrdiff_t ldy, std::int64_t n_begin, std::int64_t n_end) {
  alignas(64) static thread_local float dense[kChunkRows * kBlockK];
  const std::int64_t cols = w.cols();
  const std::int64_t tile_end = (n_end + kLanes - 1) / kLanes;
  for (std::int64_t begin = 0; begin < rows;) {
    // Chunks of whole panels and nearly equal size, so that none is left with a few rows.
    const std::int64_t chunks_left = (rows - begin + kChunkRows - 1) / kChunkRows;
    const std::int64_t equal = (rows - begin + chunks_left - 1) / chunks_left;
    const std::int64_t chunk_rows =
        std::min(rows - begin, (equal + kMicroRows - 1) / kMicroRows * kMicroRows);
    for (std::int64_t k = 0; k < cols; k += kBlockK) {
      const std::int64_t kn = std::min<std::int64_t>(kBlockK, cols - k);
      for (std::int64_t r = 0; r < chunk_rows; ++r) {
        std::memcpy(dense + r * kBlockK, x + (begin + r) * ldx + k,
                    static_cast<std::size_t>(kn) * sizeof(float));
      }
      const ChunkBlock chunk = {dense, chunk_rows, k, kn, y + begin * ldy, ldy};
      for (std::int64_t index = n_begin / kLanes; index < tile_end; index += kMicroRows) {
        multiply_group<W>(w, chunk, index, std::min<std::int64_t>(tile_end, index + kMicroRows), tile_end,
                          n_end);
      }
    }
    begin += chunk_rows;
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
    case WeightType::f32:
      return multiply<WeightType::f32>(w, x, ldx, rows, y, ldy, n_begin, n_end);
    case WeightType::f16:
      return multiply<WeightType::f16>(w, x, ldx, rows, y, ldy, n_begin, n_end);
    case WeightType::bf16:
      return multiply<WeightType::bf16>(w, x, ldx, rows, y, ldy, n_begin, n_end);
  }
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD

// The tile registers of AMX: eight of up to 16 rows of 64 bytes. Included inside a target region; see target.h.
//
// The instructions are written out in assembler, so that a compiler which does not know them yet will do. With
// MOE_EMULATED the same is computed in plain C++, bit for bit (checked against an Emerald Rapids).

namespace moe::kernels::MOE_SIMD {
namespace {

// Who uses which: sums of the low and of the high rows times one or two tiles of weights (or of the low rows times four),
// the inputs of the low and the high rows, weights.
enum TileRegister : int { kSums = 0, kInputs = 4, kWeights = 6 };
inline constexpr int kTileLines = 16, kTileBytes = 64;
// Rows of inputs of one register that are used.
#if defined(MOE_EMULATED)
inline constexpr int kHalfRows = 3;  // fewer, for what the emulation takes to compile
#else
inline constexpr int kHalfRows = kTileLines;
#endif
// Pairs of bf16 that one instruction takes: inputs, and bytes of a tile of weights.
inline constexpr std::int64_t kStepInputs = kTileBytes / 2, kStepBytes = kTileBytes * kTileLines;

// Rows of x in the low and in the high half of a panel; whether those and the weights are a group of quants.
struct TileShape {
  std::uint8_t low_rows = 0, high_rows = 0;
  bool quants = false;
  bool operator==(const TileShape&) const = default;
};

// What LDTILECFG reads.
struct TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

inline TileConfig tile_config(const TileShape& shape) {
  // Without high rows there are sums of four tiles of weights.
  const std::uint8_t low = shape.low_rows, high = shape.high_rows == 0 ? low : shape.high_rows;
  TileConfig config = {.rows = {low, low, high, high, low, high, kTileLines, kTileLines}};
  std::fill_n(config.row_bytes, 8, std::uint16_t{kTileBytes});
  if (shape.quants) {
    config.row_bytes[kInputs] = config.row_bytes[kInputs + 1] = kQuantGroup;
    config.rows[kWeights] = config.rows[kWeights + 1] = kQuantGroup / 4;
  }
  return config;
}

#if defined(MOE_EMULATED)

struct TileState {
  TileConfig config;
  std::byte data[8][kTileLines][kTileBytes];
};
inline thread_local TileState tile_state;

inline void load_config(const TileConfig& config) {
  tile_state.config = config;
  std::memset(tile_state.data, 0, sizeof tile_state.data);
}
inline void release_tiles() {}

template <int tile>
void tile_zero() {
  std::memset(tile_state.data[tile], 0, sizeof tile_state.data[tile]);
}
template <int tile>
void tile_load(const void* from, std::int64_t stride) {
  tile_zero<tile>();
  for (int r = 0; r < tile_state.config.rows[tile]; ++r) {
    std::memcpy(tile_state.data[tile][r], static_cast<const std::byte*>(from) + r * stride, tile_state.config.row_bytes[tile]);
  }
}
template <int tile>
void tile_store(void* to, std::int64_t stride) {
  for (int r = 0; r < tile_state.config.rows[tile]; ++r) {
    std::memcpy(static_cast<std::byte*>(to) + r * stride, tile_state.data[tile][r], tile_state.config.row_bytes[tile]);
  }
}

template <typename T, int tile>
T tile_at(int row, int index) {
  T value;
  std::memcpy(&value, tile_state.data[tile][row] + index * static_cast<int>(sizeof(T)), sizeof value);
  return value;
}

// sums += x * w of pairs of bf16: within an instruction the products of even k and those of odd k are two chains of
// multiply-adds from +0 on, which are added, and then to the sum. Denormal numbers are zeros before and after each step.
template <int sums, int x, int w>
void tile_dot_bf16() {
  const unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040U);  // flush to zero, denormals are zeros
  for (int r = 0; r < tile_state.config.rows[sums]; ++r) {
    Vec even = zero(), odd = zero();
    for (int pair = 0; pair < tile_state.config.row_bytes[x] / 4; ++pair) {
      const auto* weights = reinterpret_cast<const std::uint16_t*>(tile_state.data[w][pair]);
      even = fma(set1(widen_bf16(tile_at<std::uint16_t, x>(r, 2 * pair))), load_bf16_even(weights), even);
      odd = fma(set1(widen_bf16(tile_at<std::uint16_t, x>(r, 2 * pair + 1))), load_bf16_odd(weights), odd);
    }
    auto* to = reinterpret_cast<float*>(tile_state.data[sums][r]);
    store(to, add(load(to), add(even, odd)));
  }
  _mm_setcsr(mode);
}

// sums += x * w of fours of signed quants.
template <int sums, int x, int w>
void tile_dot_int8() {
  for (int r = 0; r < tile_state.config.rows[sums]; ++r) {
    for (int lane = 0; lane < kLanes; ++lane) {
      auto sum = tile_at<std::int32_t, sums>(r, lane);
      for (int k = 0; k < tile_state.config.row_bytes[x]; ++k) {
        sum += tile_at<std::int8_t, x>(r, k) * tile_at<std::int8_t, w>(k / 4, lane * 4 + k % 4);
      }
      std::memcpy(tile_state.data[sums][r] + lane * 4, &sum, sizeof sum);
    }
  }
}

#else

inline void load_config(const TileConfig& config) { __asm__ volatile("ldtilecfg %0" : : "m"(config)); }
inline void release_tiles() { __asm__ volatile("tilerelease"); }

template <int tile>
inline __attribute__((always_inline)) void tile_zero() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(tile));
}
template <int tile>
inline __attribute__((always_inline)) void tile_load(const void* from, std::int64_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
inline __attribute__((always_inline)) void tile_store(void* to, std::int64_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(tile) : "memory");
}
template <int sums, int x, int w>
inline __attribute__((always_inline)) void tile_dot_bf16() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sums), "i"(x), "i"(w));
}
template <int sums, int x, int w>
inline __attribute__((always_inline)) void tile_dot_int8() {
  __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sums), "i"(x), "i"(w));
}

#endif

template <bool quants, int sums, int x, int w>
inline __attribute__((always_inline)) void tile_dot() {
  if constexpr (quants) {
    tile_dot_int8<sums, x, w>();
  } else {
    tile_dot_bf16<sums, x, w>();
  }
}

// The shape this thread's tiles have; none between products.
inline thread_local TileShape current_shape;

inline void shape_tiles(const TileShape& shape) {
  if (current_shape == shape) return;
  load_config(tile_config(shape));
  current_shape = shape;
}
// For a panel of `rows` rows of quants. Whole panels, which use the low half, do not mind the rows of the high one.
inline void shape_quant_tiles(std::uint8_t rows) {
  if (rows == kHalfRows && current_shape.quants) return;
  shape_tiles({kHalfRows, rows == kHalfRows ? std::uint8_t{0} : rows, true});
}
// Ends a product: the processor rests deeper, and threads change faster, while tiles hold nothing.
inline void end_tiles() {
  if (current_shape == TileShape{}) return;
  release_tiles();
  current_shape = {};
}

// A step's tile of pairs of which only the first `inputs` inputs are there: what follows them is not theirs.
inline void pad_step(const std::byte* pairs, std::int64_t inputs, std::byte* out) {
  const auto bytes = static_cast<std::size_t>((inputs + 1) / 2 * kTileBytes);
  std::memcpy(out, pairs, bytes);
  std::memset(out + bytes, 0, static_cast<std::size_t>(kStepBytes) - bytes);
}

}  // namespace
}  // namespace moe::kernels::MOE_SIMD

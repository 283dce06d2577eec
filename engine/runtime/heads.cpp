// Queries, keys and values between the residual stream and the scores: projection, norms, clamp, rotation, cache.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/runtime/forward_pass.h"
#include "kernels/multiply.h"

namespace moe {
namespace {

// From so many rows on, heads are finished piece by piece while what has just been made of them is in the cache of the thread that
// made it.
constexpr std::int64_t kFewRows = 32;
// Outputs of a piece, where a head is not longer: a group of tiles that products finish together; for several threads half as many.
constexpr std::int64_t kPieceOutputs = 256;
// Pieces a thread should find, lest some wait for others; a lone one never waits.
constexpr std::int64_t kPiecesPerThread = 4;

enum class Section : std::uint8_t { queries, keys, values };

// Some heads of a section: outputs [begin, end) of the projection.
struct Piece {
  Section section;
  std::int32_t first, heads;
  std::int64_t begin, end;
};

// Whether heads need nothing of each other.
bool independent(const AttentionSpec& a) { return a.qk_norm != AttentionSpec::NormScope::projection; }

std::vector<Piece> pieces_of(const AttentionSpec& a, std::int64_t most_outputs) {
  std::vector<Piece> pieces;
  std::int64_t begin = 0;
  if (!independent(a)) most_outputs = std::int64_t{a.heads} * a.key_dim;  // whole sections
  const auto add = [&](Section section, std::int32_t heads, std::int64_t dim) {
    const auto together = std::int32_t(std::max<std::int64_t>(1, most_outputs / dim));
    for (std::int32_t first = 0; first < heads; first += together) {
      const std::int32_t count = std::min(together, heads - first);
      pieces.push_back({section, first, count, begin, begin + count * dim});
      begin += count * dim;
    }
  };
  add(Section::queries, a.heads, a.key_dim);
  if (a.owns_cache()) {
    add(Section::keys, a.kv_heads, a.key_dim);
    if (!a.value_is_key) add(Section::values, a.kv_heads, a.value_dim);
  }
  return pieces;
}

bool begin_with_tiles(std::span<const Piece> pieces) {
  return std::ranges::all_of(pieces, [](const Piece& piece) { return piece.begin % kernels::row_granularity() == 0; });
}

}  // namespace

Rows Executor::Pass::normed_input(const LayerSpec& layer, const LayerWeights& w) {
  const Rows normed = spread(norm_, rows_, spec_.hidden);
  norm_rows(layer.input_norm, w.input_norm, residual_stream(), normed);
  return normed;
}

// in = W_in norm(x): [rows, q | k | v] or the latent counterparts.
void Executor::Pass::project(const LayerSpec& layer, const LayerWeights& w) {
  const Rows normed = normed_input(layer, w), in = spread(in_, rows_, w.attention.in.rows());
  ops_.matmul(w.attention.in, normed.data, normed.stride, rows_, in.data, in.stride, with_bias(w.attention.in_bias));
  tally_matrix(Component::attn_proj, w.attention.in);
}

void Executor::Pass::rotate(const AttentionSpec& a, std::int64_t row, float* x, std::int32_t heads,
                            std::int64_t stride) const {
  if (a.rope < 0) return;
  const RopeSpec& rope = spec_.ropes[a.rope];
  const std::int32_t pairs = rope.pairs();
  const Angles& table = angles_[a.rope];
  ops_.table().rope(x, heads, stride, table.cos.at(row * pairs), table.sin.at(row * pairs), pairs, pairs,
                    rope.interleaved ? kernels::RopeLayout::interleaved : kernels::RopeLayout::half_split);
}

void Executor::Pass::norm_heads(const NormSpec& spec, const Vector& weight, float* x, std::int32_t heads, std::int32_t dim,
                                bool whole) const {
  const std::int32_t parts = whole ? 1 : heads, size = whole ? heads * dim : dim;
  for (std::int32_t i = 0; i < parts; ++i) ops_.norm(spec, weight, x + i * size, size, x + i * size);
}

// Norm, clamp and rotation of heads that follow one another from x on, queries or keys of a row.
void Executor::Pass::finish_head_row(const AttentionSpec& a, const NormSpec& norm, const Vector& weight, std::int64_t row, float* x,
                                     std::int32_t heads) const {
  if (a.qk_norm != AttentionSpec::NormScope::none) {
    norm_heads(norm, weight, x, heads, a.key_dim, !independent(a));
  }
  clamp_heads(a, x, std::int64_t{heads} * a.key_dim);
  rotate(a, row, x, heads, a.key_dim);
}

// x: the first of the heads in the stretch's first row, `stride` floats from row to row; the same below.
void Executor::Pass::finish_queries(const AttentionSpec& a, const AttentionWeights& w, const Stretch& stretch, float* x,
                                    std::int64_t stride, std::int32_t heads) const {
  for (std::int32_t r = 0; r < stretch.rows; ++r) {
    finish_head_row(a, a.q_norm, w.q_norm, stretch.first_row + r, x + r * stride, heads);
  }
}

void Executor::Pass::finish_values(const AttentionSpec& a, const KvLayout::Place& place, const Stretch& stretch, float* x,
                                   std::int64_t stride, std::int32_t first, std::int32_t heads) const {
  for (std::int32_t r = 0; r < stretch.rows; ++r) {
    if (a.v_norm) norm_heads(*a.v_norm, {}, x + r * stride, heads, a.value_dim, false);
    clamp_heads(a, x + r * stride, std::int64_t{heads} * a.value_dim);
  }
  for (std::int32_t h = 0; h < heads; ++h) {
    stretch.cache->store_values(ops_.table(), place, stretch.first_position, stretch.rows, first + h, x + h * a.value_dim, stride);
  }
}

// And values that are the raw keys.
void Executor::Pass::finish_keys(const AttentionSpec& a, const AttentionWeights& w, const KvLayout::Place& place,
                                 const Stretch& stretch, float* x, std::int64_t stride, std::int32_t first,
                                 std::int32_t heads) const {
  if (a.value_is_key) {
    thread_local std::vector<float> copy;
    const std::int64_t width = std::int64_t{heads} * a.value_dim;
    copy.resize(stretch.rows * width);
    for (std::int32_t r = 0; r < stretch.rows; ++r) std::copy_n(x + r * stride, width, copy.data() + r * width);
    finish_values(a, place, stretch, copy.data(), width, first, heads);
  }
  for (std::int32_t r = 0; r < stretch.rows; ++r) {
    finish_head_row(a, a.k_norm, w.k_norm, stretch.first_row + r, x + r * stride, heads);
  }
  for (std::int32_t h = 0; h < heads; ++h) {
    stretch.cache->store_keys(ops_.table(), place, stretch.first_position, stretch.rows, first + h, x + h * a.key_dim, stride);
  }
}

// Projection of grouped attention, and all that is done with heads before they meet. Keys and values go to the cache, and to
// nowhere else where pieces are finished one by one.
void Executor::Pass::make_heads(std::int32_t index) {
  const LayerSpec& layer = spec_.layers[index];
  const AttentionSpec& a = layer.attention;
  const LayerWeights& weights = model_.layers[index];
  const AttentionWeights& w = weights.attention;
  const KvLayout::Place& place = kv_layout_.place(index);
  const std::vector<Piece> pieces = pieces_of(a, ops_.team().size() == 1 ? kPieceOutputs : kPieceOutputs / 2);
  const bool apart = rows_ >= kFewRows && independent(a) && begin_with_tiles(pieces) && !w.in.is_unpacked() &&
                     std::ssize(pieces) >= kPiecesPerThread * (ops_.team().size() - 1);
  const Rows in = spread(in_, rows_, w.in.rows());
  const auto finish = [&](const Piece& piece, const Stretch& stretch, float* x, std::int64_t stride) {
    switch (piece.section) {
      case Section::queries: return finish_queries(a, w, stretch, x, stride, piece.heads);
      case Section::keys: return finish_keys(a, w, place, stretch, x, stride, piece.first, piece.heads);
      case Section::values: return finish_values(a, place, stretch, x, stride, piece.first, piece.heads);
    }
  };
  if (!apart) {
    project(layer, weights);
    ops_.for_rows(std::ssize(stretches_), [&](std::int64_t i) {
      for (const Piece& piece : pieces) finish(piece, stretches_[i], in[stretches_[i].first_row] + piece.begin, in.stride);
    });
  } else {
    const Rows normed = normed_input(layer, weights);
    double seconds = 0;  // of the calling thread
    kernels::Epilogue epilogue = with_bias(w.in_bias);
    epilogue.read_soon = true;
    ops_.for_row_blocks(rows_, [&](std::int64_t first_row, std::int64_t rows) {
      const kernels::InputRows input = ops_.prepare(w.in.type(), normed[first_row], normed.stride, rows, w.in.cols()).all();
      ops_.for_tasks(std::ssize(pieces), [&](std::int64_t i, int worker) {
        const Piece& piece = pieces[i];
        thread_local Buffer buffer;
        Rows y = {in[first_row], in.stride};
        if (piece.section != Section::queries) {
          y.stride = kernels::spread_stride(piece.end - piece.begin);
          y.data = buffer.get(piece.begin + rows * y.stride);  // a product counts outputs from the matrix's first one on
        }
        kernels::multiply(ops_.table(), w.in, input, epilogue, y.data, y.stride, piece.begin, piece.end);
        const bool timed = profile_ != nullptr && worker == 0;
        const auto start = timed ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
        for_stretches(first_row, rows, [&](const Stretch& stretch) {
          finish(piece, stretch, y[stretch.first_row - first_row] + piece.begin, y.stride);
        });
        if (timed) seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      });
    });
    tally_matrix(Component::attn_proj, w.in);
    if (profile_ != nullptr) profile_->move(Component::attn_proj, Component::elementwise, seconds);
  }
  lap(Component::elementwise);
  count_heads(index);
}

}  // namespace moe

// The order of a forward pass: entry, layers, head.
#include "engine/runtime/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/base/error.h"
#include "engine/runtime/forward_pass.h"

namespace moe {
namespace {

// Tokens of one recomputed chunk, where a LongRoPE sequence outgrows its short frequencies.
constexpr std::size_t kRecomputeChunk = 512;

std::int64_t wanted_rows(const Feed& feed) {
  switch (feed.logits) {
    case LogitsWanted::none: return 0;
    case LogitsWanted::last: return 1;
    case LogitsWanted::all: return std::int64_t(feed.tokens.size());
  }
  return 0;
}

}  // namespace

Executor::Executor(std::shared_ptr<const Model> model, kernels::ThreadTeam& team, const Options& options,
                   std::shared_ptr<KvPool> pool)
    : model_(std::move(model)),
      team_(team),
      options_(options),
      table_(options.kernels != nullptr ? *options.kernels : kernels::select_kernels()),
      pool_(std::move(pool)),
      pass_(std::make_unique<Pass>(*model_, pool_->layout(), table_, team, options)) {}

Executor::Executor(std::shared_ptr<const Model> model, kernels::ThreadTeam& team, const Options& options)
    : Executor(model, team, options, std::make_shared<KvPool>(KvLayout(model->spec(), options.kv_type), options.kv_budget_bytes)) {}

Executor::Executor(const Executor& like, kernels::ThreadTeam& team)
    : Executor(like.model_, team, [&] {
        Options options = like.options_;
        options.routing = nullptr;
        options.profile = nullptr;
        return options;
      }(), like.pool_) {}

Executor::~Executor() = default;

std::span<const float> Executor::forward(std::span<const Feed> feeds, CostMeter* executed) {
  for (const Feed& feed : feeds) {
    for (const std::int32_t token : feed.tokens) {
      if (token >= 0 && token < model_->spec().vocab) continue;
      throw Error(ErrorKind::usage, Fault{"", "token id", fmt::format("0 to {}", model_->spec().vocab - 1), std::to_string(token)});
    }
    if (feed.tokens.empty()) throw Error(ErrorKind::usage, "a forward pass needs at least one token");
  }
  for (const Feed& feed : feeds) recompute_if_regime_changes(feed, executed);
  std::span<const float> logits;
  try {
    for (const Feed& feed : feeds) feed.sequence->cache_.prepare(std::int32_t(feed.tokens.size()));
    logits = pass_->run(feeds, executed);
  } catch (...) {
    for (const Feed& feed : feeds) feed.sequence->cache_.trim();
    throw;
  }
  for (const Feed& feed : feeds) {
    Sequence& s = *feed.sequence;
    s.cache_.commit(std::int32_t(feed.tokens.size()));
    s.tokens_.insert(s.tokens_.end(), feed.tokens.begin(), feed.tokens.end());
  }
  return logits;
}

Sequence Executor::new_sequence() const {
  Sequence sequence(pool_);
  sequence.expect_length(options_.rope_length);
  return sequence;
}

// LongRoPE has two sets of frequencies. A Phi sequence that outgrows the first set computes its whole context
// again with the second, as the reference does: cached keys and the deeper values they led to belong to the
// other rotation. The old ones make room first. If that is not enough the sequence keeps its tokens without a cache, and its
// next pass begins here.
void Executor::recompute_if_regime_changes(const Feed& feed, CostMeter* executed) {
  const auto& ropes = model_->spec().ropes;
  const auto rope = std::ranges::find(ropes, true, &RopeSpec::recomputes);
  if (rope == ropes.end()) return;
  Sequence& s = *feed.sequence;
  const std::int32_t length = std::max(s.length() + std::int32_t(feed.tokens.size()), s.expected_length_);
  Sequence again(pool_);
  again.cached_regime_ = rope->regime(length);
  again.expected_length_ = std::max(s.expected_length_, again.cached_regime_ != 0 ? length : 0);
  const bool stale = again.cached_regime_ != s.cached_regime_ || s.cache_.length() != s.length();
  if (s.length() > 0 && stale) {
    s.cache_.clear();
    for (std::size_t at = 0; at < s.tokens_.size(); at += kRecomputeChunk) {
      const Feed part{&again, std::span(s.tokens_).subspan(at, std::min(kRecomputeChunk, s.tokens_.size() - at)), LogitsWanted::none,
                      feed.meter};
      forward({&part, 1}, executed);
    }
    s.cache_ = std::move(again.cache_);
  }
  s.cached_regime_ = again.cached_regime_;
  s.expected_length_ = again.expected_length_;
}

Executor::Pass::Pass(const Model& model, const KvLayout& layout, const kernels::KernelTable& table,
                     kernels::ThreadTeam& team, const Options& options)
    : model_(model),
      spec_(model.spec()),
      kv_layout_(layout),
      ops_(table, team, options.compute),
      fast_prefill_(options.fast_prefill),
      routing_(options.routing),
      profile_(options.profile),
      angles_(spec_.ropes.size()) {}

std::span<const float> Executor::Pass::run(std::span<const Feed> feeds, CostMeter* executed) {
  executed_ = executed;
  if (profile_ != nullptr) profile_->start();
  spans_.clear();
  rows_ = wanted_ = 0;
  for (const Feed& feed : feeds) {
    const auto count = std::int64_t(feed.tokens.size());
    spans_.push_back({&feed, rows_, count, feed.sequence->length()});
    rows_ += count;
    wanted_ += wanted_rows(feed);
  }
  sort_spans();
  embed(feeds);
  angles();
  const std::int32_t cut = spec_.first_layer_without_cache();
  if (spec_.per_layer_embedding) embed_per_layer();
  for (std::int32_t i = 0; i < spec_.layer_count(); ++i) {
    if (i == cut) keep_wanted_rows();
    if (rows_ == 0) break;
    run_layer(i);
  }
  keep_wanted_rows();
  return head();
}

void Executor::Pass::embed(std::span<const Feed> feeds) {
  const std::int64_t hidden = spec_.hidden;
  const Rows x = residual_stream();
  tokens_.resize(rows_);
  for (std::size_t s = 0; s < spans_.size(); ++s) {
    std::ranges::copy(feeds[s].tokens, tokens_.begin() + spans_[s].first_row);
    for (CostMeter* meter : {feeds[s].meter, executed_}) {
      if (meter == nullptr) continue;
      meter->costs().tokens += feeds[s].tokens.size();
      for (const std::int32_t token : feeds[s].tokens) meter->touch_token(token);
      if (spec_.layer_count() > 0) meter->touch_dense();
      meter->costs().weight_bytes += feeds[s].tokens.size() * model_.embedding.row_bytes();
    }
  }
  ops_.for_rows(rows_, [&](std::int64_t r) {
    model_.embedding.read(tokens_[r], x[r]);
    if (spec_.embedding_scale != 1) ops_.table().scale(x[r], spec_.embedding_scale, hidden, x[r]);
  });
  lap(Component::embedding, std::uint64_t(rows_ * model_.embedding.row_bytes()));
  if (spec_.embedding_scale != 1) tally(Component::embedding, 0, hidden);
}

// Rotations of every row, from the frequencies of the length its sequence is treated as having.
void Executor::Pass::angles() {
  for (std::size_t i = 0; i < spec_.ropes.size(); ++i) {
    const RopeSpec& rope = spec_.ropes[i];
    Angles& table = angles_[i];
    const std::int64_t pairs = rope.pairs();
    float* cos = table.cos.get(rows_ * pairs);
    float* sin = table.sin.get(rows_ * pairs);
    // Dynamic NTK has frequencies of its own for every length; old ones are of no more use.
    if (table.frequencies.size() > 64) table.frequencies.clear();
    for (const Span& span : spans_) {
      for (std::int64_t r = 0; r < span.rows; ++r) {
        const auto position = std::int32_t(span.first_position + r);
        const std::int32_t length = std::max(position + 1, span.feed->sequence->expected_length());
        auto [it, fresh] = table.frequencies.try_emplace(rope.regime(length));
        if (fresh) it->second = inverse_frequencies(rope, length);
        const std::int64_t at = (span.first_row + r) * pairs;
        rope_angles(rope, it->second, position, cos + at, sin + at);
      }
    }
  }
  lap(Component::elementwise);
}

// Gemma 4: a row for each layer from a table of its own and from the embedding; layers behind the last cache get
// theirs only for the rows whose logits are wanted.
void Executor::Pass::embed_per_layer() {
  const PerLayerEmbeddingSpec& p = *spec_.per_layer_embedding;
  per_layer_.get(rows_ * spec_.layer_count() * p.width);
  std::vector<std::int64_t> rows(rows_);
  std::iota(rows.begin(), rows.end(), 0);
  const Rows x = residual_stream();
  per_layer_rows(x, rows, 0, model_.per_layer_projection);
  for (const Span& span : spans_) {
    for (CostMeter* meter : {span.feed->meter, executed_}) {
      if (meter != nullptr) meter->costs().weight_bytes += span.rows * model_.per_layer_table.row_bytes();
    }
  }
  lap(Component::per_layer_embedding, std::uint64_t(rows_ * model_.per_layer_table.row_bytes()));
  const std::int32_t cut = spec_.first_layer_without_cache();
  if (cut == spec_.layer_count() || wanted_ == 0) return;
  rows.clear();
  const Rows late = spread(late_x_, wanted_, spec_.hidden);
  for (const Span& span : spans_) {
    for (std::int64_t r = span.first_row + span.rows - wanted_rows(*span.feed); r < span.first_row + span.rows; ++r) {
      std::copy_n(x[r], spec_.hidden, late[std::ssize(rows)]);
      rows.push_back(r);
    }
  }
  per_layer_rows(late, rows, cut, model_.per_layer_projection_late);
}

// Fills the entries of the projection's layers, from `first_layer` on, in the pass's rows `rows`; x holds their
// embeddings [rows, H]. The projection's factor H^-1/2 is folded into the norm's epsilon:
// norm(s y; eps) = norm(y; eps / s^2).
void Executor::Pass::per_layer_rows(const Rows& x, std::span<const std::int64_t> rows, std::int64_t first_layer,
                                    const kernels::PackedMatrix& projection) {
  const PerLayerEmbeddingSpec& p = *spec_.per_layer_embedding;
  const std::int64_t width = projection.rows(), whole = std::int64_t{spec_.layer_count()} * p.width;
  const auto count = std::int64_t(rows.size());
  float* projected = per_layer_in_.get(count * (width + whole));
  float* tables = projected + count * width;
  ops_.matmul(projection, x.data, x.stride, count, projected, width);
  NormSpec norm = p.norm;
  norm.eps = p.norm.eps / (p.projection_scale * p.projection_scale);
  ops_.for_rows(count, [&](std::int64_t r) {
    float* row = projected + r * width;
    float* table = tables + r * whole;
    model_.per_layer_table.read(tokens_[rows[r]], table);
    float* looked_up = table + first_layer * p.width;
    ops_.table().scale(looked_up, p.table_scale, width, looked_up);
    for (std::int64_t at = 0; at < width; at += p.width) {
      ops_.norm(norm, model_.per_layer_projection_norm, row + at, p.width, row + at);
    }
    ops_.table().add(row, looked_up, width, row);
    ops_.table().scale(row, std::sqrt(0.5F), width, per_layer_.get(0) + rows[r] * whole + first_layer * p.width);
  });

  const std::uint64_t a = 2 * std::uint64_t(width) * std::uint64_t(spec_.hidden);
  const std::uint64_t b = 3 * std::uint64_t(width) + norm_flops(p.norm, std::uint64_t(width));
  const bool late = first_layer > 0;
  const auto add = [&](CostMeter* meter, std::int64_t n) {
    if (meter == nullptr || n == 0) return;
    meter->costs().a(Component::per_layer_embedding, a * std::uint64_t(n));
    meter->costs().b(Component::per_layer_embedding, b * std::uint64_t(n));
    meter->costs().weight_bytes += std::uint64_t(stored_bytes(projection));
  };
  for (const Span& span : spans_) add(span.feed->meter, late ? wanted_rows(*span.feed) : span.rows);
  add(executed_, count);
  lap(Component::per_layer_embedding, stored_bytes(projection));
}

void Executor::Pass::run_layer(std::int32_t index) {
  const LayerSpec& layer = spec_.layers[index];
  const LayerWeights& w = model_.layers[index];
  tally(Component::norm, 0, 0, w.vector_bytes);
  attention(index);
  if (rows_ == 0) return;
  feed_forward(index);
  if (layer.layer_input) layer_input(index);
  if (layer.scalar) {
    const Rows x = residual_stream();
    ops_.for_rows(rows_, [&](std::int64_t r) { ops_.table().scale(x[r], w.scalar, spec_.hidden, x[r]); });
    tally(Component::elementwise, 0, spec_.hidden);
  }
}

void Executor::Pass::layer_input(std::int32_t index) {
  const LayerInputSpec& p = *spec_.layers[index].layer_input;
  const LayerWeights& w = model_.layers[index];
  const std::int64_t table_width = std::int64_t{spec_.layer_count()} * p.width;
  float* gate = gate_up_.get(rows_ * p.width);
  const Rows x = residual_stream(), branch = branch_or_residual(false);
  ops_.matmul(w.layer_input_gate, x.data, x.stride, rows_, gate, p.width);
  const float* rows = per_layer_.get(0) + std::int64_t{index} * p.width;
  ops_.for_rows(rows_, [&](std::int64_t r) {
    ops_.activate(p.activation, gate + r * p.width, rows + r * table_width, p.width, gate + r * p.width);
  });
  ops_.matmul(w.layer_input_out, gate, p.width, rows_, branch.data, branch.stride);
  tally_matrix(Component::per_layer_embedding, w.layer_input_gate);
  tally_matrix(Component::per_layer_embedding, w.layer_input_out);
  tally(Component::per_layer_embedding, 0, activation_flops(p.activation, p.width));
  residual(p.norm, w.layer_input_norm, branch);
}

// The residual stream is added to by the product that writes it.
kernels::Epilogue Executor::Pass::into(const Rows& branch, const Vector& bias) {
  kernels::Epilogue epilogue = with_bias(bias);
  if (branch.data == x_.get(0)) {
    epilogue.residual = branch.data;
    epilogue.residual_stride = branch.stride;
  }
  return epilogue;
}

void Executor::Pass::norm_rows(const NormSpec& spec, const Vector& weight, const Rows& from, const Rows& to) {
  ops_.for_rows(rows_, [&](std::int64_t r) { ops_.norm(spec, weight, from[r], spec_.hidden, to[r]); });
  tally_norm(spec, spec_.hidden);
}

void Executor::Pass::residual(const std::optional<NormSpec>& norm, const Vector& weight, const Rows& branch) {
  if (norm) norm_rows(*norm, weight, branch, branch);
  const Rows x = residual_stream();
  if (branch.data != x.data) ops_.for_rows(rows_, [&](std::int64_t r) { ops_.table().add(x[r], branch[r], spec_.hidden, x[r]); });
  tally(Component::elementwise, 0, spec_.hidden);
}

// Rows whose logits nobody asked for end here; the others move up. Angles, tokens and per-layer rows move along.
void Executor::Pass::keep_wanted_rows(const Rows& more, std::int64_t width) {
  if (rows_ == wanted_) return;
  const std::int64_t hidden = spec_.hidden;
  const std::int64_t extra = spec_.per_layer_embedding ? std::int64_t{spec_.layer_count()} * spec_.per_layer_embedding->width : 0;
  const auto move_row = [](const Rows& rows, std::int64_t from, std::int64_t to, std::int64_t n) {
    std::memmove(rows[to], rows[from], n * sizeof(float));
  };
  const Rows x = residual_stream();
  std::vector<Span> kept;
  std::int64_t to = 0;
  for (const Span& span : spans_) {
    const std::int64_t keep = std::min(wanted_rows(*span.feed), span.rows);
    if (keep == 0) continue;
    const std::int64_t skip = span.rows - keep;
    kept.push_back({span.feed, to, keep, std::int32_t(span.first_position + skip)});
    for (std::int64_t r = 0; r < keep; ++r, ++to) {
      const std::int64_t from = span.first_row + skip + r;
      move_row(x, from, to, hidden);
      if (extra > 0) move_row({per_layer_.get(0), extra}, from, to, extra);
      if (width > 0) move_row(more, from, to, width);
      for (std::size_t i = 0; i < angles_.size(); ++i) {
        const std::int64_t pairs = spec_.ropes[i].pairs();
        move_row({angles_[i].cos.get(0), pairs}, from, to, pairs);
        move_row({angles_[i].sin.get(0), pairs}, from, to, pairs);
      }
      tokens_[to] = tokens_[from];
    }
  }
  spans_ = std::move(kept);
  rows_ = to;
  sort_spans();
}

std::span<const float> Executor::Pass::head() {
  const std::int64_t vocab = spec_.vocab;
  float* logits = logits_.get(rows_ * vocab);
  if (rows_ == 0) return {logits, 0};
  const Rows x = residual_stream();
  norm_rows(spec_.final_norm, model_.final_norm, x, x);
  ops_.matmul(model_.head, x.data, x.stride, rows_, logits, vocab);
  if (spec_.logit_softcap > 0) {
    ops_.team().parallel_for(rows_ * vocab, 64, [&](std::int64_t begin, std::int64_t end, int) {
      ops_.table().softcap(logits + begin, spec_.logit_softcap, end - begin, logits + begin);
    });
    tally(Component::lm_head, 0, 3 * vocab);
  }
  tally_matrix(Component::lm_head, model_.head);
  for (const Span& span : spans_) {
    if (span.feed->meter != nullptr) span.feed->meter->touch_head();
    if (executed_ != nullptr) executed_->touch_head();
  }
  return {logits, std::size_t(rows_ * vocab)};
}

}  // namespace moe

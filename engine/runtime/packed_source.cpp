#include "engine/runtime/packed_source.h"

#include <fmt/format.h>

#include <cstring>
#include <iterator>
#include <string>

#include "engine/base/error.h"

namespace moe {
namespace {

constexpr std::int64_t kCopyUnit = std::int64_t{1} << 21;

WeightPart vector_part(const WeightUse& use) { return {use, 0, use.rows, false}; }

}  // namespace

Hash128 recipe_of(std::span<const WeightPart> parts, kernels::RowOrder order, const WeightLocator& locate) {
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), "{}", static_cast<int>(order));
  for (const WeightPart& p : parts) {
    const TensorSlice s = locate(p.use);
    fmt::format_to(std::back_inserter(text), "\n{} {} {} {}x{} {}+{} {} {} {} {} {} {} {}", name(p.use.slot),
                   p.use.layer, p.use.expert, p.use.rows, p.use.cols, p.first_row, p.rows, p.transposed,
                   s.offset, s.row_stride, s.col_stride, static_cast<int>(s.encoding), s.scales, s.tensor);
  }
  return content_hash(std::as_bytes(std::span(text.data(), text.size())));
}

void PackedSource::copy_into(HugeArena* memory, kernels::ThreadTeam* team) {
  memory_ = memory;
  team_ = team;
}

const PackedRecord& PackedSource::next(const Hash128& recipe) {
  if (next_ < file_.records().size() && file_.records()[next_].recipe == recipe)
    return file_.records()[next_++];
  throw Error(ErrorKind::format, Fault{file_.path().string(), fmt::format("record {}", next_),
                                       "the weight this model needs next",
                                       next_ < file_.records().size() ? "another one" : "the end"});
}

std::vector<float> PackedSource::vector(const WeightUse& use) {
  const WeightPart part = vector_part(use);
  const PackedRecord& record = next(recipe_of({&part, 1}, kernels::RowOrder::stacked, locate_));
  if (!record.is_vector || record.rows != use.rows) {
    throw Error(ErrorKind::format, Fault{file_.path().string(), std::string(name(use.slot)),
                                         fmt::format("a vector of {}", use.rows), "another shape"});
  }
  std::vector<float> out(static_cast<std::size_t>(record.rows));
  if (!out.empty()) std::memcpy(out.data(), file_.data(record).data(), file_.data(record).size());
  return out;
}

kernels::PackedMatrix PackedSource::matrix(std::span<const WeightPart> parts, kernels::RowOrder order) {
  const PackedRecord& record = next(recipe_of(parts, order, locate_));
  if (record.is_vector || record.order != order || record.rows != rows_of(parts) ||
      record.cols != cols_of(parts)) {
    throw Error(ErrorKind::format,
                Fault{file_.path().string(), std::string(name(parts.front().use.slot)),
                      fmt::format("a matrix of {} x {}", rows_of(parts), cols_of(parts)), "another shape"});
  }
  const std::span<const std::byte> data = file_.data(record);
  // Nothing writes through the matrix of a loaded model; the mapping is read-only.
  auto* at = const_cast<std::byte*>(data.data());
  if (memory_ != nullptr) {
    at = memory_->take(std::int64_t(data.size()));
    const auto copy = [&](std::int64_t begin, std::int64_t end, int) {
      std::memcpy(at + begin, data.data() + begin, std::size_t(end - begin));
    };
    team_ != nullptr ? team_->parallel_for(std::int64_t(data.size()), kCopyUnit, copy)
                     : copy(0, std::int64_t(data.size()), 0);
    file_.drop(record);
  }
  return kernels::PackedMatrix::over(at, record.type, record.rows, record.cols, record.order);
}

std::vector<float> PackedBuilder::vector(const WeightUse& use) {
  const WeightPart part = vector_part(use);
  std::vector<float> out = from_.vector(use);
  to_.add(recipe_of({&part, 1}, kernels::RowOrder::stacked, locate_), out);
  return out;
}

kernels::PackedMatrix PackedBuilder::matrix(std::span<const WeightPart> parts, kernels::RowOrder order) {
  to_.add(recipe_of(parts, order, locate_), from_.matrix(parts, order));
  return {};
}

}  // namespace moe

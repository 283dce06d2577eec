#include "engine/runtime/model.h"

#include <algorithm>
#include <utility>

#include "engine/base/error.h"
#include "engine/runtime/weight_reader.h"

namespace moe {
namespace {

// Every weight the spec asks for, found and fitting, before the first one is read.
std::int64_t check_all(const WeightReader& reader, const ModelSpec& spec) {
  std::int64_t bytes = 0;
  const auto check = [&](const WeightUse& use) {
    const auto found = reader.find(use);
    bytes += use.parameters() * static_cast<std::int64_t>(size_of(found.tensor->dtype));
  };
  for (const WeightUse& use : model_weights(spec)) check(use);
  for (std::int32_t i = 0; i < spec.layer_count(); ++i) {
    for (const WeightUse& use : layer_weights(spec, i)) check(use);
  }
  return bytes;
}

}  // namespace

void RowTable::read(std::int64_t row, float* out) const {
  const std::int64_t at = slice_.offset + row * slice_.row_stride;
  read_floats(tensor_->dtype, tensor_->data.data() + at * static_cast<std::int64_t>(size_of(tensor_->dtype)),
              std::size_t(cols_), slice_.col_stride, out);
}

std::int64_t RowTable::row_bytes() const { return cols_ * static_cast<std::int64_t>(size_of(tensor_->dtype)); }

std::shared_ptr<const Model> Model::load(ModelSpec spec, const WeightLocator& locate,
                                         std::shared_ptr<const Checkpoint> checkpoint, const LoadOptions& options) {
  std::shared_ptr<Model> model(new Model(std::move(spec), std::move(checkpoint)));
  const ModelSpec& s = model->spec_;
  std::int64_t done = 0, total = 0;
  WeightReader reader(*model->checkpoint_, locate, options.team, [&](std::int64_t bytes) {
    done += bytes;
    if (options.progress) options.progress(std::min(done, total), total);
  });
  total = check_all(reader, s);
  for (const WeightUse& use : model_weights(s)) {
    if (use.slot != Slot::embedding && use.slot != Slot::per_layer_table) continue;
    const auto found = reader.find(use);
    (use.slot == Slot::embedding ? model->embedding : model->per_layer_table) = RowTable(found.tensor, found.slice, use.cols);
  }
  static_cast<ModelWeights&>(*model) = read_weights(s, reader);
  model->weight_bytes_ = reader.matrix_bytes();
  if (options.progress) options.progress(total, total);
  return model;
}

}  // namespace moe

// Loading: from a packed file if there is one that fits, else from the checkpoint into memory.
#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "engine/base/content_hash.h"
#include "engine/base/error.h"
#include "engine/base/memory.h"
#include "engine/checkpoint/identity.h"
#include "engine/runtime/matrix_sizes.h"
#include "engine/runtime/model.h"
#include "engine/runtime/packed_source.h"
#include "engine/runtime/weight_reader.h"

namespace moe {
namespace {

namespace fs = std::filesystem;
using kernels::WeightType;

Hash128 hash_of(const std::string& text) { return content_hash(std::as_bytes(std::span(text))); }

void make_folder(const fs::path& folder) {
  std::error_code failed;
  if (!fs::create_directories(folder, failed) && failed) {
    throw Error(ErrorKind::io, Fault{folder.string(), "", "a folder that can be made", failed.message()});
  }
}

// A disk should not be filled to the brim to learn that the file does not fit.
void check_space(const fs::path& folder, std::int64_t bytes) {
  std::error_code failed;
  const fs::space_info space = fs::space(folder, failed);
  if (failed || space.available > static_cast<std::uintmax_t>(bytes)) return;
  throw Error(ErrorKind::io,
              Fault{folder.string(), "free space", fmt::format("{} bytes for packed weights", bytes),
                    fmt::format("{} bytes", space.available)});
}

}  // namespace

fs::path packed_path(const fs::path& packed_folder, const fs::path& checkpoint,
                     const std::optional<Quantisation>& quantise) {
  std::error_code failed;
  const fs::path real = fs::weakly_canonical(checkpoint, failed);
  const std::string whole = failed ? checkpoint.string() : real.string();
  return packed_folder / fmt::format("{}-{}-{}.packed", real.filename().string(),
                                     hash_of(whole).hex().substr(0, 16), form_name(quantise));
}

class Model::Loader {
 public:
  Loader(Model& model, const WeightLocator& locate, const LoadOptions& options)
      : model_(model),
        locate_(locate),
        options_(options),
        reader_(*model.checkpoint_, locate, options.team, options.quantise, [this](std::int64_t bytes) {
          done_ += bytes;
          if (options_.progress) options_.progress(std::min(done_, total_), total_);
        }) {}

  void load() {
    for (const WeightUse& use : model_weights(model_.spec_)) {
      if (use.slot != Slot::embedding && use.slot != Slot::per_layer_table) continue;
      const auto found = reader_.find(use);
      (use.slot == Slot::embedding ? model_.embedding : model_.per_layer_table) =
          RowTable(*model_.checkpoint_, found.tensor, found.slice, use.cols);
    }
    if (!options_.packed_folder.empty() && from_packed_file()) return;
    total_ = check_all();
    std::int64_t bytes = model_.weight_bytes_ = matrix_bytes();
    if (stays_in_checkpoint(bytes)) {
      model_.place_ = WeightPlace::checkpoint;
      reader_.leave_in_place();
      bytes = matrix_bytes();
    }
    model_.memory_ = HugeArena(bytes, "memory for weights");
    reader_.use_memory(&model_.memory_);
    take(reader_);
    if (options_.progress) options_.progress(total_, total_);
  }

 private:
  void take(WeightSource& source) { static_cast<ModelWeights&>(model_) = read_weights(model_.spec_, source); }

  // Every weight the spec asks for, found and fitting, before the first one is read. Returns their stored
  // bytes.
  std::int64_t check_all() const {
    std::int64_t bytes = 0;
    const auto check = [&](const WeightUse& use) {
      bytes += use.parameters() * static_cast<std::int64_t>(size_of(reader_.find(use).tensor->dtype));
    };
    for (const WeightUse& use : model_weights(model_.spec_)) check(use);
    for (std::int32_t i = 0; i < model_.spec_.layer_count(); ++i) {
      for (const WeightUse& use : layer_weights(model_.spec_, i)) check(use);
    }
    return bytes;
  }

  // Memory that the reader's matrices will take.
  std::int64_t matrix_bytes() const {
    MatrixSizes sizes([this](std::span<const WeightPart> parts) -> std::optional<WeightType> {
      if (reader_.stays_in_place(parts)) return std::nullopt;
      return reader_.type_of(parts);
    });
    read_weights(model_.spec_, sizes);
    return sizes.matrix_bytes();
  }

  bool stays_in_checkpoint(std::int64_t bytes) const {
    if (options_.mapping != LoadOptions::Mapping::automatic)
      return options_.mapping == LoadOptions::Mapping::always;
    const std::optional<std::uint64_t> available =
        options_.memory ? std::uint64_t(*options_.memory) : available_memory();
    if (!available || std::uint64_t(bytes) <= *available) return false;
    note(
        fmt::format("the weights take {} bytes packed and {} are available: they are read from the "
                    "checkpoint in every step, which is slow",
                    bytes, *available));
    return true;
  }

  void note(const std::string& text) const {
    if (options_.note) options_.note(text);
  }

  // What a packed file must have been made of.
  Hash128 key_now() const {
    return hash_of(checkpoint_stamp(*model_.checkpoint_) + " " + std::string(form_name(options_.quantise)));
  }

  bool from_packed_file() {
    const fs::path path =
        packed_path(options_.packed_folder, model_.checkpoint_->directory(), options_.quantise);
    const Hash128 key = key_now();
    if (use_file(path, key, !options_.make_packed)) return true;
    if (!options_.make_packed) return false;
    try {
      make_file(path, key);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::io) throw;  // the checkpoint's faults are the caller's business
      note(fmt::format("packed weights are not kept: {}", error.what()));
      return false;
    }
    return use_file(path, key, true);
  }

  // False where there is no file that fits; with `tell` it is said why one that is there does not.
  bool use_file(const fs::path& path, const Hash128& key, bool tell) {
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return false;
    try {
      PackedFile file = PackedFile::open(path, key);
      if (options_.verify_packed) verify(file);
      PackedSource source(file, locate_);
      std::int64_t bytes = 0;
      for (const PackedRecord& record : file.records()) {
        if (!record.is_vector) bytes += HugeArena::rounded(std::int64_t(record.bytes));
      }
      const bool map = options_.mapping != LoadOptions::Mapping::never;
      if (!map) {
        model_.memory_ = HugeArena(bytes, "memory for weights");
        source.copy_into(&model_.memory_, options_.team);
      }
      take(source);
      model_.weight_bytes_ = bytes;
      if (map) {
        model_.place_ = WeightPlace::packed_file;
        model_.packed_file_ = std::move(file);
      }
      return true;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::io && error.kind() != ErrorKind::format) throw;
      static_cast<ModelWeights&>(model_) = ModelWeights();
      if (tell) note(fmt::format("packed weights are not used: {}", error.what()));
      return false;
    }
  }

  void verify(const PackedFile& file) const {
    if (options_.team != nullptr) return file.verify(*options_.team);
    kernels::ThreadTeam one(1);
    file.verify(one);
  }

  void make_file(const fs::path& path, const Hash128& key) {
    total_ = check_all();
    make_folder(options_.packed_folder);
    check_space(options_.packed_folder, matrix_bytes());
    PackedFileWriter writer(path, key);
    PackedBuilder builder(reader_, locate_, writer);
    read_weights(model_.spec_, builder);
    if (key_now() != key) {
      throw Error(ErrorKind::io, Fault{model_.checkpoint_->directory().string(), "checkpoint",
                                       "files that stay as they are", "a change while they were read"});
    }
    writer.commit();
    done_ = 0;
  }

  Model& model_;
  const WeightLocator& locate_;
  const LoadOptions& options_;
  std::int64_t done_ = 0, total_ = 0;
  WeightReader reader_;
};

std::shared_ptr<const Model> Model::load(ModelSpec spec, const WeightLocator& locate,
                                         std::shared_ptr<const Checkpoint> checkpoint,
                                         const LoadOptions& options) {
  std::shared_ptr<Model> model(new Model(std::move(spec), std::move(checkpoint)));
  Loader(*model, locate, options).load();
  return model;
}

}  // namespace moe

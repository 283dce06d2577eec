#include "engine/checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <stdexcept>
#include <system_error>

#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/base/json_reader.h"

namespace moe {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";
constexpr std::size_t kMaxIndexBytes = kMaxSafetensorsHeader;

std::string in_quotes(std::string_view text) { return fmt::format("\"{}\"", text); }

// A name that stays in the directory it is looked up in.
bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

bool is_inside(const fs::path& path, const fs::path& directory) {
  const auto [end, rest] = std::mismatch(directory.begin(), directory.end(), path.begin(), path.end());
  return end == directory.end() && rest != path.end();
}

// Where a shard's path really leads must be inside the directory, or, where the directory is a snapshot of
// the Hugging Face cache (REPOSITORY/snapshots/COMMIT), among the blobs its files link to (REPOSITORY/blobs).
void check_stays_inside(const fs::path& shard, const fs::path& directory, const fs::path& index) {
  std::error_code failed;
  const fs::path home = fs::canonical(directory, failed);
  const fs::path target = fs::canonical(shard, failed);
  if (failed) return;  // opening it says what is wrong
  if (is_inside(target, home)) return;
  if (home.parent_path().filename() == "snapshots" &&
      is_inside(target, home.parent_path().parent_path() / "blobs")) {
    return;
  }
  throw Error(ErrorKind::format,
              Fault{index.string(), "shard " + in_quotes(shard.filename().string()),
                    "a file inside the directory", "a link to " + in_quotes(target.string())});
}

// What to tell about a directory that has no weights this program reads.
[[noreturn]] void fail_without_weights(const fs::path& directory) {
  std::string gguf;
  std::string torch;
  std::string other;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string file = entry.path().filename().string();
    if (file.ends_with(".gguf")) gguf = std::max(gguf, file);
    if (file.ends_with(".bin") || file.ends_with(".pt") || file.ends_with(".pth"))
      torch = std::max(torch, file);
    if (file.ends_with(".safetensors")) other = std::max(other, file);
  }
  const std::string expected = fmt::format("{} or {}", kSingleFile, kIndexFile);
  if (!other.empty()) {
    throw Error(ErrorKind::io,
                Fault{directory.string(), "weights", expected, in_quotes(other) + " and no index"});
  }
  if (!gguf.empty()) {
    throw Error(ErrorKind::unsupported,
                Fault{directory.string(), "weights", expected,
                      fmt::format("only GGUF ({}): convert it with moe-convert", in_quotes(gguf))});
  }
  if (!torch.empty()) {
    throw Error(
        ErrorKind::unsupported,
        Fault{directory.string(), "weights", expected,
              fmt::format("only PyTorch pickles ({}): save the model again with safe_serialization=True",
                          in_quotes(torch))});
  }
  throw Error(ErrorKind::io, Fault{directory.string(), "weights", expected, "neither"});
}

}  // namespace

std::unordered_map<std::string, std::string> read_shard_index(std::string_view text, std::string_view file) {
  const auto fail = [file](std::string thing, std::string expected, std::string found) {
    throw Error(ErrorKind::format,
                Fault{std::string(file), std::move(thing), std::move(expected), std::move(found)});
  };
  JsonLimits limits;
  limits.bytes = kMaxIndexBytes;
  limits.depth = 16;
  JsonReader reader(text, file, limits);
  std::unordered_map<std::string, std::string> shards;
  bool seen = false;
  reader.expect(JsonEvent::begin_object, "shard index");
  for (JsonEvent event = reader.next(); event == JsonEvent::key; event = reader.next()) {
    if (reader.string() != "weight_map") {
      reader.skip(reader.next());
      continue;
    }
    if (seen) fail("weight_map", "one", "a second one");
    seen = true;
    reader.expect(JsonEvent::begin_object, "weight_map");
    for (event = reader.next(); event == JsonEvent::key; event = reader.next()) {
      const auto [entry, inserted] = shards.try_emplace(std::string(reader.string()));
      const std::string thing = "tensor " + in_quotes(entry->first);
      if (!inserted) fail(thing, "one entry in weight_map", "a second one");
      const JsonEvent value = reader.next();
      if (value != JsonEvent::string) fail(thing, "a file name in weight_map", std::string(describe(value)));
      entry->second = reader.string();
      if (!is_plain_file_name(entry->second)) {
        fail(thing, "a plain file name in weight_map, one that stays in the directory",
             in_quotes(entry->second));
      }
    }
  }
  while (reader.next() != JsonEvent::end) {
  }
  if (!seen) fail("weight_map", "an object of tensor and file names", "none");
  if (shards.empty()) fail("weight_map", "at least one tensor", "an empty object");
  return shards;
}

Checkpoint Checkpoint::open(const fs::path& directory) {
  std::error_code failed;
  const fs::file_status status = fs::status(directory, failed);
  if (!fs::is_directory(status)) {
    throw Error(ErrorKind::io, Fault{directory.string(), "", "a model directory",
                                     fs::exists(status) ? "a file" : "nothing of that name"});
  }
  Checkpoint checkpoint;
  checkpoint.directory_ = directory;
  // As transformers does, the single file goes before the index where both are there.
  if (is_present(directory / kSingleFile)) {
    checkpoint.add(SafetensorsFile::open(directory / kSingleFile));
  } else if (is_present(directory / kIndexFile)) {
    checkpoint.open_shards(directory / kIndexFile);
  } else {
    try {
      fail_without_weights(directory);
    } catch (const fs::filesystem_error& error) {
      throw Error(ErrorKind::io,
                  Fault{directory.string(), "", "a directory that can be read", error.code().message()});
    }
  }
  checkpoint.sort_names();
  return checkpoint;
}

Checkpoint Checkpoint::in_memory(std::vector<Tensor> tensors, std::shared_ptr<const void> owner) {
  Checkpoint checkpoint;
  checkpoint.loose_ = std::move(tensors);
  checkpoint.owner_ = std::move(owner);
  for (const Tensor& tensor : checkpoint.loose_) {
    const bool inserted = checkpoint.places_.try_emplace(tensor.name, Place{&tensor, 0}).second;
    if (!inserted) throw std::logic_error("two tensors named " + tensor.name);
    checkpoint.total_bytes_ += tensor.data.size();
  }
  checkpoint.sort_names();
  return checkpoint;
}

void Checkpoint::sort_names() {
  names_.reserve(places_.size());
  for (const auto& [name, place] : places_) names_.push_back(name);
  std::sort(names_.begin(), names_.end());
}

void Checkpoint::add(SafetensorsFile file) {
  const std::size_t number = files_.size();
  // A moved file keeps its tensors where they are, so that pointers to them stay good when files_ grows.
  const SafetensorsFile& added = files_.emplace_back(std::move(file));
  for (const Tensor& tensor : added.tensors()) {
    const auto [place, inserted] = places_.try_emplace(tensor.name, Place{&tensor, number});
    if (!inserted) {
      throw Error(
          ErrorKind::format,
          Fault{added.path().string(), "tensor " + in_quotes(tensor.name), "it in one shard",
                "it in " + in_quotes(files_[place->second.file].path().filename().string()) + " as well"});
    }
    total_bytes_ += tensor.data.size();
  }
}

void Checkpoint::open_shards(const fs::path& index) {
  index_ = index;
  const auto shard_of = read_shard_index(read_file(index, kMaxIndexBytes), index.string());
  std::map<std::string, std::string> a_tensor_of;  // shard -> the first of its tensors, to name in messages
  for (const auto& [tensor, shard] : shard_of) {
    std::string& first = a_tensor_of.try_emplace(shard, tensor).first->second;
    first = std::min(first, tensor);
  }
  for (const auto& [shard, tensor] : a_tensor_of) {
    const fs::path path = directory_ / shard;
    if (!is_present(path)) {
      throw Error(ErrorKind::io, Fault{index.string(), "tensor " + in_quotes(tensor),
                                       "file " + in_quotes(shard), "no such file"});
    }
    check_stays_inside(path, directory_, index);
    add(SafetensorsFile::open(path));
  }
  std::vector<std::string_view> tensors;  // in a fixed order, so that the same fault is told every time
  for (const auto& [tensor, shard] : shard_of) tensors.push_back(tensor);
  std::sort(tensors.begin(), tensors.end());
  for (const std::string_view tensor : tensors) {
    const std::string& shard = shard_of.at(std::string(tensor));
    const auto place = places_.find(tensor);
    if (place != places_.end() && files_[place->second.file].path().filename() == shard) continue;
    throw Error(ErrorKind::format,
                Fault{(directory_ / shard).string(), "tensor " + in_quotes(tensor),
                      "it in this file, as the index says",
                      place == places_.end()
                          ? std::string("no tensor of that name")
                          : "it in " + in_quotes(files_[place->second.file].path().filename().string())});
  }
  for (const SafetensorsFile& file : files_) {
    for (const Tensor& tensor : file.tensors()) {
      if (shard_of.contains(tensor.name)) continue;
      throw Error(ErrorKind::format, Fault{file.path().string(), "tensor " + in_quotes(tensor.name),
                                           fmt::format("an entry in {}", kIndexFile), "none"});
    }
  }
}

const Tensor* Checkpoint::find(std::string_view name) const noexcept {
  const auto place = places_.find(name);
  return place == places_.end() ? nullptr : place->second.tensor;
}

const Tensor& Checkpoint::require(std::string_view name) const {
  const Tensor* tensor = find(name);
  if (tensor != nullptr) return *tensor;
  throw Error(ErrorKind::config, Fault{file_of(name).string(), "tensor " + in_quotes(name), "it to be there",
                                       "no tensor of that name"});
}

const Tensor& Checkpoint::require(std::string_view name, std::span<const std::int64_t> shape) const {
  const Tensor* tensor = find(name);
  if (tensor == nullptr) {
    throw Error(ErrorKind::config, Fault{file_of(name).string(), "tensor " + in_quotes(name),
                                         "shape " + shape_text(shape), "no tensor of that name"});
  }
  const bool same =
      std::equal(shape.begin(), shape.end(), tensor->shape.begin(), tensor->shape.end(),
                 [](std::int64_t wanted, std::int64_t found) { return wanted < 0 || wanted == found; });
  if (!same) {
    throw Error(ErrorKind::config, Fault{file_of(name).string(), "tensor " + in_quotes(name),
                                         "shape " + shape_text(shape), "shape " + shape_text(tensor->shape)});
  }
  return *tensor;
}

const fs::path& Checkpoint::file_of(std::string_view name) const noexcept {
  const auto place = places_.find(name);
  if (place != places_.end() && place->second.file < files_.size()) return files_[place->second.file].path();
  return index_.empty() && !files_.empty() ? files_.front().path() : index_;
}

void Checkpoint::copy(const Tensor& tensor, std::span<const std::byte> part, std::byte* out) const noexcept {
  const auto place = places_.find(tensor.name);
  const bool in_file = place != places_.end() && place->second.file < files_.size();
  if (!in_file || !files_[place->second.file].copy(part, out)) std::memcpy(out, part.data(), part.size());
}

void Checkpoint::drop(const Tensor& tensor, std::span<const std::byte> part) const noexcept {
  const auto place = places_.find(tensor.name);
  if (place != places_.end() && place->second.file < files_.size()) files_[place->second.file].drop(part);
}

void Checkpoint::will_need(const Tensor& tensor, std::span<const std::byte> part) const noexcept {
  const auto place = places_.find(tensor.name);
  if (place != places_.end() && place->second.file < files_.size()) files_[place->second.file].will_need(part);
}

}  // namespace moe

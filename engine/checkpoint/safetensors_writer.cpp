#include "engine/checkpoint/safetensors_writer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "engine/checkpoint/safetensors.h"

namespace moe {
namespace {

constexpr std::size_t kHeaderAlignment = 8;

std::string in_quotes(std::string_view text) { return fmt::format("\"{}\"", text); }

// As JSON; a name that is no UTF-8 cannot be written, and says so instead of being changed.
std::string json_text(const nlohmann::ordered_json& value, const std::filesystem::path& directory) {
  try {
    return value.dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::usage,
                Fault{directory.string(), "safetensors header", "names in UTF-8", "other bytes"});
  }
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(std::filesystem::path directory, SafetensorsWriterOptions options)
    : directory_(std::move(directory)), options_(std::move(options)) {}

void SafetensorsWriter::fail(std::string thing, std::string expected, std::string found) const {
  throw Error(ErrorKind::usage,
              Fault{directory_.string(), std::move(thing), std::move(expected), std::move(found)});
}

void SafetensorsWriter::declare(std::string name, DType dtype, std::vector<std::int64_t> shape) {
  const std::string thing = "tensor " + in_quotes(name);
  if (!shards_.empty() || finished_) fail(thing, "declarations before the first write", "one after it");
  if (name == "__metadata__") fail(thing, "another name", "the format's own key");
  if (shape.size() > kMaxTensorRank) {
    fail(thing, fmt::format("at most {} dimensions", kMaxTensorRank), std::to_string(shape.size()));
  }
  std::uint64_t bytes = 1;
  bool fits = true;
  for (const std::int64_t n : shape) {
    if (n < 0) fail(thing, "a shape of non-negative sizes", std::to_string(n));
    fits = fits && !__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(n), &bytes);
  }
  fits = fits && !__builtin_mul_overflow(bytes, std::uint64_t{size_of(dtype)}, &bytes);
  fits = fits && !__builtin_add_overflow(total_, bytes, &total_);
  if (!fits) fail(thing, "a shape whose size fits 64 bits", shape_text(shape));
  if (!by_name_.emplace(name, tensors_.size()).second) fail(thing, "each name once", "a second one");
  tensors_.push_back({std::move(name), dtype, std::move(shape), bytes});
}

void SafetensorsWriter::plan() {
  shards_.push_back({0, 0, 0});
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const std::uint64_t bytes = tensors_[i].bytes;
    const Shard& current = shards_.back();
    const bool full = current.bytes > options_.shard_bytes || bytes > options_.shard_bytes - current.bytes;
    if (current.first != current.last && full) shards_.push_back({i, i, 0});
    shards_.back().last = i + 1;
    shards_.back().bytes += bytes;
  }
}

std::string SafetensorsWriter::file_name(std::size_t shard) const {
  if (shards_.size() == 1) return "model.safetensors";
  return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards_.size());
}

std::string SafetensorsWriter::header_of(const Shard& shard) const {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!options_.metadata.empty()) header["__metadata__"] = options_.metadata;
  // One text a tensor: building one document of all would search it for every key added.
  std::string text = json_text(header, directory_);
  text.pop_back();
  std::uint64_t at = 0;
  for (std::size_t i = shard.first; i < shard.last; ++i) {
    const Declared& tensor = tensors_[i];
    nlohmann::ordered_json entry;
    entry["dtype"] = std::string(name(tensor.dtype));
    entry["shape"] = tensor.shape;
    entry["data_offsets"] = {at, at + tensor.bytes};
    if (text.size() > 1) text += ',';
    text += json_text(tensor.name, directory_);
    text += ':';
    text += json_text(entry, directory_);
    at += tensor.bytes;
  }
  text += '}';
  text.resize((text.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  if (text.size() > kMaxSafetensorsHeader) {
    fail("safetensors header", fmt::format("at most {} bytes", kMaxSafetensorsHeader),
         std::to_string(text.size()));
  }
  std::string out(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(std::uint64_t{text.size()} >> (8 * i));
  return out + text;
}

// Opens the shard that the next tensor belongs to, and passes over tensors without bytes.
void SafetensorsWriter::advance() {
  for (;;) {
    const bool begins = files_.size() < shards_.size() && next_ == shards_[files_.size()].first;
    if (begins) {
      if (!files_.empty()) files_.back().close();
      files_.emplace_back(directory_ / file_name(files_.size()));
      files_.back().write(header_of(shards_[files_.size() - 1]));
    }
    if (next_ == tensors_.size() || in_tensor_ < tensors_[next_].bytes) return;
    ++next_;
    in_tensor_ = 0;
  }
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  if (finished_) fail("write", "no bytes after finish()", fmt::format("{} bytes", bytes.size()));
  if (shards_.empty()) plan();
  advance();
  while (!bytes.empty()) {
    if (next_ == tensors_.size()) {
      fail("write", fmt::format("{} bytes, as declared", total_), fmt::format("{} bytes more", bytes.size()));
    }
    const std::uint64_t missing = tensors_[next_].bytes - in_tensor_;
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(missing, bytes.size()));
    files_.back().write(bytes.first(n));
    bytes = bytes.subspan(n);
    in_tensor_ += n;
    written_ += n;
    advance();
  }
}

const std::string& SafetensorsWriter::next_tensor() const {
  std::size_t i = next_;
  while (i < tensors_.size() && in_tensor_ == 0 && tensors_[i].bytes == 0) ++i;
  if (i == tensors_.size()) fail("next tensor", "one that is not yet written", "none");
  return tensors_[i].name;
}

std::string SafetensorsWriter::index_text() const {
  nlohmann::json index;
  index["metadata"]["total_size"] = total_;
  nlohmann::json& map = index["weight_map"];
  for (std::size_t s = 0; s < shards_.size(); ++s) {
    for (std::size_t i = shards_[s].first; i < shards_[s].last; ++i) map[tensors_[i].name] = file_name(s);
  }
  return index.dump(2) + "\n";
}

void SafetensorsWriter::finish() {
  if (finished_) fail("finish", "one call", "a second one");
  write({});
  if (next_ != tensors_.size()) {
    fail("tensor " + in_quotes(tensors_[next_].name), fmt::format("{} bytes", tensors_[next_].bytes),
         fmt::format("{} bytes written", in_tensor_));
  }
  if (shards_.size() > 1) {
    files_.emplace_back(directory_ / "model.safetensors.index.json");
    files_.back().write(index_text());
  }
  // Everything that needs space is on disk before the first name appears. The index comes last: whoever finds
  // it finds all its shards.
  for (AtomicFile& file : files_) file.close();
  std::size_t named = 0;
  try {
    for (; named < files_.size(); ++named) files_[named].commit();
  } catch (...) {
    for (std::size_t i = 0; i < named; ++i) ::unlink(files_[i].target().c_str());
    throw;
  }
  files_.clear();
  finished_ = true;
}

}  // namespace moe

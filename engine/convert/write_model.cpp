// Streams tensors into safetensors files and puts the small files beside them.
#include "engine/convert/write_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/base/json.h"
#include "engine/checkpoint/safetensors_writer.h"

namespace moe {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kChunkElements = std::int64_t{1} << 20;
constexpr std::size_t kReleaseEvery = std::size_t{64} << 20;  // bytes written

[[noreturn]] void fail_io(const fs::path& path, std::string expected, std::string found) {
  throw Error(ErrorKind::io, Fault{path.string(), "", std::move(expected), std::move(found)});
}

// Makes the directory and those above it, and removes what it made unless keep() is called. The files in it
// are removed too: it was empty, and only this program's names are touched.
class OutputDirectory {
 public:
  OutputDirectory(const fs::path& path, std::vector<std::string> names)
      : path_(path), names_(std::move(names)) {
    check_output_directory(path);
    fs::path missing = path.lexically_normal();
    if (!missing.has_filename()) missing = missing.parent_path();  // a trailing slash
    std::vector<fs::path> to_make;
    std::error_code error;
    while (!missing.empty() && !fs::exists(missing, error)) {
      to_make.push_back(missing);
      missing = missing.parent_path();
    }
    for (auto next = to_make.rbegin(); next != to_make.rend(); ++next) {
      if (!fs::create_directory(*next, error) && error) {
        const std::string why = error.message();
        remove_all();
        fail_io(*next, "to make this directory", why);
      }
      made_.push_back(*next);
    }
  }
  ~OutputDirectory() {
    if (!kept_) remove_all();
  }
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;

  void keep() { kept_ = true; }

 private:
  void remove_all() noexcept {
    std::error_code ignored;
    for (const std::string& name : names_) fs::remove(path_ / name, ignored);
    std::vector<fs::path> weights;
    for (auto entry = fs::directory_iterator(path_, ignored); !ignored && entry != fs::directory_iterator();
         entry.increment(ignored)) {
      const std::string name = entry->path().filename().string();
      if (name.rfind("model", 0) == 0 && name.find(".safetensors") != std::string::npos)
        weights.push_back(entry->path());
    }
    for (const fs::path& file : weights) fs::remove(file, ignored);
    // remove() takes only empty directories, so nothing of anyone else's is lost.
    for (auto made = made_.rbegin(); made != made_.rend(); ++made) fs::remove(*made, ignored);
  }

  fs::path path_;
  std::vector<std::string> names_;
  std::vector<fs::path> made_;
  bool kept_ = false;
};

// Narrows floats into the bytes of the output type.
void narrow(DType type, const std::vector<float>& values, std::size_t count, std::vector<std::byte>& out) {
  out.resize(count * size_of(type));
  if (type == DType::f32) {
    std::memcpy(out.data(), values.data(), out.size());
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t bits = type == DType::bf16 ? f32_to_bf16(values[i]) : f32_to_f16(values[i]);
    std::memcpy(out.data() + i * 2, &bits, 2);
  }
}

class Stream {
 public:
  Stream(SafetensorsWriter& writer, const WriteModelOptions& options) : writer_(writer), options_(options) {}

  void tensor(const ImageTensor& tensor, DType type) {
    const std::int64_t row = tensor.row_size();
    const std::int64_t rows = row == 0 ? 0 : tensor.rows();
    const std::int64_t at_once = std::max<std::int64_t>(1, kChunkElements / std::max<std::int64_t>(row, 1));
    for (std::int64_t first = 0; first < rows; first += at_once) {
      if (options_.interrupted != nullptr && options_.interrupted->load(std::memory_order_relaxed)) {
        throw Error(ErrorKind::io, "interrupted; nothing was kept");
      }
      const std::int64_t count = std::min(at_once, rows - first);
      floats_.resize(static_cast<std::size_t>(count * row));
      tensor.read(first, count, floats_.data());
      narrow(type, floats_, floats_.size(), bytes_);
      writer_.write(bytes_);
      if (options_.progress) options_.progress(writer_.written_bytes(), writer_.total_bytes(), tensor.name);
      // An embedding may be larger than all else together: do not let its pages pile up.
      since_release_ += bytes_.size();
      if (since_release_ >= kReleaseEvery) release(tensor);
    }
    release(tensor);
  }

 private:
  void release(const ImageTensor& tensor) {
    if (tensor.release) tensor.release();
    since_release_ = 0;
  }

  SafetensorsWriter& writer_;
  const WriteModelOptions& options_;
  std::size_t since_release_ = 0;
  std::vector<float> floats_;
  std::vector<std::byte> bytes_;
};

DType output_type(const ModelImage& image, const ImageTensor& tensor, const WriteModelOptions& options) {
  if (options.dtype) return *options.dtype;
  return image.keep_types ? tensor.native : DType::f32;
}

std::string config_text(const ModelImage& image, const WriteModelOptions& options) {
  const std::string& text = image.files.at("config.json");
  if (!options.dtype) return text;
  nlohmann::json config = parse_json(text, image.source + "/config.json");
  const char* name = *options.dtype == DType::bf16 ? "bfloat16" : "float32";
  // "torch_dtype" became "dtype" in newer files; both are read everywhere.
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = name;
  if (config.contains("dtype") && config.contains("torch_dtype")) config["torch_dtype"] = name;
  return config.dump(2) + "\n";
}

void check_space(const fs::path& directory, std::uint64_t bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(directory, error);
  if (error || space.available == static_cast<std::uintmax_t>(-1) || space.available >= bytes) return;
  fail_io(directory, fmt::format("{} bytes of free space", bytes), fmt::format("{}", space.available));
}

}  // namespace

void check_output_directory(const fs::path& directory) {
  std::error_code error;
  const fs::file_status status = fs::status(directory, error);
  if (status.type() == fs::file_type::not_found) return;
  const auto refuse = [&](std::string found) {
    throw Error(ErrorKind::usage,
                Fault{directory.string(), "output directory", "none or an empty one", std::move(found)});
  };
  if (error && status.type() == fs::file_type::none)
    fail_io(directory, "a directory that can be looked at", error.message());
  if (status.type() != fs::file_type::directory) refuse("a file");
  const bool empty = fs::is_empty(directory, error);
  if (error) fail_io(directory, "a directory that can be read", error.message());
  if (!empty) refuse("one that holds files");
}

void write_model(const ModelImage& image, const fs::path& directory, const WriteModelOptions& options) {
  if (options.dtype && *options.dtype != DType::f32 && *options.dtype != DType::bf16) {
    throw Error(ErrorKind::usage, Fault{"", "output type", "F32 or BF16", std::string(name(*options.dtype))});
  }
  std::vector<std::string> names;
  std::uint64_t small_bytes = 0;
  for (const auto& [name, text] : image.files) {
    names.push_back(name);
    small_bytes += text.size();
  }
  const std::string config = config_text(image, options);
  OutputDirectory output(directory, std::move(names));
  {
    SafetensorsWriter writer(directory);
    for (const ImageTensor& tensor : image.tensors) {
      writer.declare(tensor.name, output_type(image, tensor, options), tensor.shape);
    }
    check_space(directory, writer.total_bytes() + small_bytes);
    Stream stream(writer, options);
    for (const ImageTensor& tensor : image.tensors)
      stream.tensor(tensor, output_type(image, tensor, options));
    for (const auto& [name, text] : image.files) {
      if (name != "config.json") write_file_atomically(directory / name, text);
    }
    writer.finish();
  }
  write_file_atomically(directory / "config.json", config);
  output.keep();
}

}  // namespace moe

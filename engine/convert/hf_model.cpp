// Reads the tensors and copies the small files of a Hugging Face directory.
#include "engine/convert/hf_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/config.h"

namespace moe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestFile = std::size_t{256} << 20;

bool is_small_file(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::string extension = path.extension().string();
  if (name.find(".index.json") != std::string::npos || name.front() == '.') return false;
  if (extension == ".json" || extension == ".jinja" || extension == ".model" || extension == ".txt")
    return true;
  return name.rfind("LICENSE", 0) == 0 || name.rfind("NOTICE", 0) == 0;
}

// Types that only make sense with scales of their own, or that the output cannot hold, widen to the next that
// can.
DType kept_type(DType type) {
  if (type == DType::f64) return DType::f32;
  if (type == DType::f8_e4m3 || type == DType::f8_e5m2) return DType::bf16;
  return type;
}

}  // namespace

ModelImage read_hf_model(const fs::path& directory) {
  const fs::path config_path = directory / "config.json";
  const Config config = Config::open(config_path);
  if (config.has("quantization_config")) {
    throw Error(ErrorKind::unsupported, Fault{config_path.string(), "quantization_config",
                                              "a checkpoint in plain float types", "a quantised one"});
  }
  ModelImage image;
  image.source = directory.string();
  image.keep_types = true;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    // Snapshots of the Hugging Face cache are links to files.
    if (!entry.is_regular_file() || !is_small_file(entry.path())) continue;
    image.files[entry.path().filename().string()] = read_file(entry.path(), kLargestFile);
  }
  const auto checkpoint = std::make_shared<Checkpoint>(Checkpoint::open(directory));
  image.owner = checkpoint;
  // In the order of the files, so that they are read from front to back.
  for (const SafetensorsFile& file : checkpoint->files()) {
    for (const Tensor& tensor : file.tensors()) {
      if (!is_float(tensor.dtype)) {
        throw Error(ErrorKind::unsupported,
                    Fault{file.path().string(), fmt::format("tensor '{}'", tensor.name), "a float type",
                          std::string(name(tensor.dtype))});
      }
      ImageTensor out;
      out.name = tensor.name;
      out.shape = tensor.shape;
      out.native = kept_type(tensor.dtype);
      const Tensor* source = &tensor;
      const std::int64_t row = out.row_size();
      out.read = [source, row](std::int64_t first, std::int64_t count, float* to) {
        const std::byte* data =
            source->data.data() + static_cast<std::size_t>(first * row) * size_of(source->dtype);
        read_floats(source->dtype, data, static_cast<std::size_t>(count * row), 1, to);
      };
      out.release = [checkpoint, source] { checkpoint->drop(*source, source->data); };
      image.tensors.push_back(std::move(out));
    }
  }
  return image;
}

}  // namespace moe

// Writes a model image as a Hugging Face directory: all of it, or nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>

#include "engine/base/dtype.h"
#include "engine/convert/model_image.h"

namespace moe {

struct WriteModelOptions {
  // F32 or BF16 for all tensors (BF16 rounds to nearest even). Without one: F32, or each tensor's own type
  // where the source is a Hugging Face directory.
  std::optional<DType> dtype;
  // If it becomes true, writing stops with an Error (io).
  const std::atomic<bool>* interrupted = nullptr;
  // Bytes of weights written so far, of all of them, and the tensor that is being written.
  std::function<void(std::uint64_t done, std::uint64_t total, std::string_view tensor)> progress;
};

// Throws Error (usage) unless `directory` does not exist or is empty: to be called before expensive work.
void check_output_directory(const std::filesystem::path& directory);

// Tensors go through a buffer of a few megabytes, so memory does not grow with the model. If anything fails,
// what was written and the directories made for it are removed. config.json is the last file to appear: a
// directory that has one is complete. Throws Error: usage as above, io (a full disk among them), and what the
// image's readers throw.
void write_model(const ModelImage& image, const std::filesystem::path& directory,
                 const WriteModelOptions& options);

}  // namespace moe

// Tells the formats apart.
#include "engine/convert/convert.h"

#include <algorithm>
#include <cstring>

#include "engine/base/error.h"
#include "engine/base/mapped_file.h"
#include "engine/checkpoint/hub.h"
#include "engine/convert/gguf_model.h"
#include "engine/convert/hf_model.h"
#include "engine/convert/llama2c.h"

namespace moe {
namespace {

// "org/name": anything else that is not there can only be a path.
bool may_be_a_model_name(const std::string& text) {
  const bool one_slash = std::count(text.begin(), text.end(), '/') == 1;
  return one_slash && text.front() != '/' && text.front() != '.' && text.back() != '/';
}

bool begins_with(const std::filesystem::path& path, const char* magic) {
  const MappedFile file = MappedFile::open(path);
  const std::size_t size = std::strlen(magic);
  return file.bytes().size() >= size && std::memcmp(file.bytes().data(), magic, size) == 0;
}

}  // namespace

ModelImage read_any_model(const std::filesystem::path& input,
                          const std::optional<std::filesystem::path>& tokenizer) {
  namespace fs = std::filesystem;
  std::error_code error;
  const bool file = fs::exists(input, error) && !fs::is_directory(input, error);
  const bool gguf = file && begins_with(input, "GGUF");
  if (file && !gguf && input.extension() == ".bin") return read_llama2c_model(input, tokenizer);
  if (tokenizer) {
    throw Error(ErrorKind::usage, Fault{"", "--tokenizer", "a llama2.c .bin file as input", input.string()});
  }
  if (gguf) return read_gguf_model(input);
  if (file) {
    throw Error(ErrorKind::unsupported,
                Fault{input.string(), "", "a GGUF file, a llama2.c .bin file or a Hugging Face directory",
                      "a file of another kind"});
  }
  if (fs::is_directory(input, error)) return read_hf_model(input);
  if (!may_be_a_model_name(input.string())) {
    throw Error(ErrorKind::io,
                Fault{input.string(), "", "a model file or directory", "nothing of that name"});
  }
  return read_hf_model(resolve_model(input.string()));
}

}  // namespace moe

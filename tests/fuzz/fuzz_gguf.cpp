// A GGUF file: what is accepted lies inside the bytes without overlap, and all that the converter does with
// it ends in values or in a typed error.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/convert/gguf_model.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moe;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  fuzz::succeeds([&] {
    const GgufFile gguf(bytes, "fuzz");
    for (const GgufTensor& tensor : gguf.tensors()) {
      fuzz::check(tensor.data.data() >= bytes.data());
      fuzz::check(tensor.data.size() <= static_cast<std::size_t>(bytes.data() + size - tensor.data.data()));
      fuzz::check(tensor.elements / block_elements(tensor.type) * block_bytes(tensor.type) ==
                  tensor.data.size());
      std::vector<float> values(tensor.elements);
      dequantize(tensor.type, tensor.data.data(), tensor.elements, values.data());
    }
    fuzz::succeeds([&] { tokenizer_files(gguf_vocabulary(gguf)); });
    const nlohmann::json config = gguf_config(gguf);
    for (const ImageTensor& tensor : gguf_tensors(gguf, config)) {
      if (tensor.elements() > 1 << 22) continue;
      std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
      tensor.read(0, tensor.rows(), values.data());
    }
  });
  return 0;
}

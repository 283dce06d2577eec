// A llama2.c checkpoint or tokenizer: every tensor of an accepted file can be read.
#include "engine/convert/llama2c.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moe;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  fuzz::succeeds([&] {
    const Llama2cHeader header = read_llama2c_header(bytes, "fuzz");
    for (const ImageTensor& tensor : llama2c_tensors(bytes, header)) {
      std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
      tensor.read(0, tensor.rows(), values.data());
    }
  });
  for (const std::int64_t count : {3, 4, 6}) {
    fuzz::succeeds([&] { tokenizer_files(read_llama2c_tokenizer(bytes, "fuzz", count)); });
  }
  return 0;
}

// A safetensors file: what is accepted lies inside the bytes, covers them, and can be read.
#include <algorithm>
#include <set>

#include "engine/checkpoint/safetensors.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moe;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  fuzz::succeeds([&] {
    const SafetensorsContents contents = read_safetensors(bytes, "fuzz");
    std::set<std::string> names;
    std::size_t covered = contents.header_bytes;
    for (const Tensor& tensor : contents.tensors) {
      fuzz::check(names.insert(tensor.name).second);
      fuzz::check(tensor.data.data() == bytes.data() + covered);
      covered += tensor.data.size();
      std::size_t wanted = size_of(tensor.dtype);
      for (const std::int64_t n : tensor.shape) wanted *= static_cast<std::size_t>(n);
      fuzz::check(wanted == tensor.data.size());
      if (is_float(tensor.dtype)) fuzz::check(to_floats(tensor).size() * size_of(tensor.dtype) == wanted);
    }
    fuzz::check(covered == size);
  });
  return 0;
}

// The index of a sharded checkpoint: accepted names never lead out of the directory.
#include "engine/checkpoint/checkpoint.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moe;
  fuzz::succeeds([&] {
    for (const auto& [tensor, shard] : read_shard_index(fuzz::text(data, size), "fuzz")) {
      fuzz::check(!shard.empty() && shard != "." && shard != ".." && shard.find('/') == std::string::npos &&
                  shard.find('\0') == std::string::npos);
    }
  });
  return 0;
}

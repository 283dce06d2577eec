// Blocks of every type against the reference's floats, to the bit.
#include <cmath>
#include <cstring>

#include "engine/checkpoint/safetensors.h"
#include "engine/convert/ggml_types.h"
#include "tests/engine/convert/support.h"

namespace moe {
namespace {

TEST(Dequantize, EveryTypeGivesTheReferencesBits) {
  const SafetensorsFile file = SafetensorsFile::open(testing::data_folder() / "dequant.safetensors");
  int types = 0;
  for (std::uint32_t number = 0; number < 64; ++number) {
    const auto type = ggml_type_from_number(number);
    if (!type) continue;
    ++types;
    SCOPED_TRACE(std::string(name(*type)));
    const Tensor* blocks = file.find(std::string(name(*type)) + ".blocks");
    const Tensor* expected = file.find(std::string(name(*type)) + ".values");
    ASSERT_NE(blocks, nullptr);
    ASSERT_NE(expected, nullptr);
    const auto count = static_cast<std::size_t>(expected->elements());
    ASSERT_EQ(blocks->data.size(), count / block_elements(*type) * block_bytes(*type));
    // At an odd address, as the blocks of a file may lie anywhere.
    std::vector<std::byte> shifted(blocks->data.size() + 1);
    std::memcpy(shifted.data() + 1, blocks->data.data(), blocks->data.size());
    std::vector<float> values(count);
    dequantize(*type, shifted.data() + 1, count, values.data());
    EXPECT_EQ(std::memcmp(values.data(), expected->data.data(), count * sizeof(float)), 0);
  }
  EXPECT_EQ(types, 11);
}

TEST(GgmlTypes, NamesAndSizes) {
  EXPECT_EQ(ggml_type_name(12), "Q4_K");
  EXPECT_EQ(ggml_type_name(10), "Q2_K");
  EXPECT_EQ(ggml_type_name(39), "MXFP4");
  EXPECT_EQ(ggml_type_name(4000000000u), "type 4000000000");
  EXPECT_FALSE(ggml_type_from_number(10));
  EXPECT_EQ(block_bytes(GgmlType::q6_k), 210u);
  EXPECT_EQ(block_elements(GgmlType::q4_0), 32u);
}

}  // namespace
}  // namespace moe

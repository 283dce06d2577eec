// The reader of golden files refuses what it would misread.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"

namespace moe::test {
namespace {

std::string npy(const std::string& header, const std::string& data) {
  std::string bytes = "\x93NUMPY";
  bytes += std::string("\x01\x00", 2);
  bytes += char(header.size());
  bytes += '\0';
  return bytes + header + data;
}

TEST(Npy, ReadsShapeAndValues) {
  const TempDir dir;
  const auto path = dir.path() / "a.npy";
  std::ofstream(path, std::ios::binary) << npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }",
                                               std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0", 8));
  const NpyArray array = read_npy(path);
  EXPECT_EQ(array.rows(), 1);
  EXPECT_EQ(array.cols(), 2);
  EXPECT_EQ(array.values, (std::vector<float>{1.0F, -2.0F}));
}

TEST(Npy, RefusesOtherTypesOrdersAndLengths) {
  const TempDir dir;
  const auto path = dir.path() / "a.npy";
  const std::string eight(8, '\0');
  for (const std::string& bytes : {
           std::string("not numpy at all"),
           npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }", eight),
           npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", eight),
           npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }", eight),
           npy("{'descr': '<f4', 'fortran_order': False, }", eight),
           npy("{'descr': '<f4'", "").substr(0, 12),
       }) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    EXPECT_THROW(read_npy(path), std::runtime_error) << bytes;
  }
  EXPECT_THROW(read_npy(dir.path() / "missing.npy"), std::runtime_error);
}

// Every family of the studies has cases, so that a lost directory does not pass unseen.
TEST(GoldenModels, CoverEveryFamily) {
  std::vector<std::string> families;
  for (const std::string& name : golden_names()) families.push_back(name.substr(0, name.find('-')));
  for (const char* family : {"llama", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "phi3", "gemma3", "gemma3_text", "gemma4",
                             "gemma4_text", "mixtral", "olmoe", "deepseek_v2", "deepseek_v3", "gpt_oss", "moe_alibi"}) {
    EXPECT_TRUE(std::find(families.begin(), families.end(), family) != families.end()) << family;
  }
}

}  // namespace
}  // namespace moe::test

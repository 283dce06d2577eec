// The choice of a table: forced ones really run, others are refused by name.
#include <algorithm>
#include <cstdlib>

#include "kernels/roofline.h"
#include "tests/kernels/support.h"

namespace moe::kernels::test {
namespace {

bool supported(std::string_view name) {
  const std::vector<std::string_view> names = supported_kernel_names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string refusal(std::string_view forced) {
  try {
    select_kernels(forced);
  } catch (const UnsupportedKernels& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Select, ForcedTablesAreReallyThatTable) {
  for (const std::string_view name : supported_kernel_names()) {
    EXPECT_EQ(select_kernels(name).name, name);
    for (const std::string_view other : supported_kernel_names()) {
      if (name == other) continue;
      EXPECT_NE(select_kernels(name).matmul, select_kernels(other).matmul) << name << " " << other;
    }
  }
}

TEST(Select, TheChoiceIsTheFastestForBf16AndNeverAComparator) {
  const KernelTable& chosen = select_kernels("");
  EXPECT_STRNE(chosen.name, "openblas");
  std::vector<std::string_view> names = supported_kernel_names();
  if (names.back() == "avx512bf16" && chosen.name != names.back()) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which slow down one more than the other
    ThreadTeam one(1);
    // In turn, lest one of them have the busy moments.
    double dot = 0, wide = 0;
    for (int i = 0; i < 10; ++i) {
      dot = std::max(dot, measure_compute_peak(select_kernels("avx512bf16"), one, Compute::bf16, 0.02));
      wide = std::max(wide, measure_compute_peak(chosen, one, Compute::bf16, 0.02));
    }
    EXPECT_LT(dot, wide) << "dot products too slow to be chosen";
#endif
    names.pop_back();
  }
  EXPECT_EQ(chosen.name, names.back());
}

TEST(Select, UnknownAndUnsupportedNamesAreRefused) {
  const std::string unknown = refusal("avx3");
  EXPECT_NE(unknown.find("'avx3'"), std::string::npos);
  EXPECT_NE(unknown.find("scalar"), std::string::npos) << "names what exists: " << unknown;
  for (const std::string_view name : kernel_names()) {
    if (supported(name)) continue;
    EXPECT_NE(refusal(name).find("lacks"), std::string::npos) << name;
  }
}

TEST(Select, TheEnvironmentForcesATable) {
  const char* before = std::getenv("MOE_KERNELS");
  const std::string saved = before == nullptr ? "" : before;
  setenv("MOE_KERNELS", "scalar", 1);
  EXPECT_STREQ(select_kernels().name, "scalar");
  setenv("MOE_KERNELS", "nonsense", 1);
  EXPECT_THROW(select_kernels(), UnsupportedKernels);
  if (before == nullptr) {
    unsetenv("MOE_KERNELS");
  } else {
    setenv("MOE_KERNELS", saved.c_str(), 1);
  }
}

}  // namespace
}  // namespace moe::kernels::test

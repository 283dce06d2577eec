// What the processor offers and the operating system saves across context switches.
#include <string>

#include "kernels/tables.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#endif

namespace moe::kernels {

#if defined(__x86_64__)
namespace {

struct Registers {
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(std::uint32_t leaf) {
  Registers r;
  if (__get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d) == 0) return {};
  return r;
}

bool bit(std::uint32_t word, int index) { return (word >> index & 1U) != 0; }

// XCR0: the register states that the system saves (bit 1 SSE, bit 2 AVX).
std::uint32_t saved_states() {
  if (!bit(cpuid(1).c, 27)) return 0;
  std::uint32_t low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

void note(std::string& missing, bool present, const char* name) {
  if (present) return;
  missing += missing.empty() ? "" : ", ";
  missing += name;
}

}  // namespace

std::string missing_for_avx2() {
  const Registers basic = cpuid(1), extended = cpuid(7);
  std::string missing;
  note(missing, bit(extended.b, 5), "AVX2");
  note(missing, bit(basic.c, 12), "FMA");
  note(missing, bit(basic.c, 29), "F16C");
  note(missing, (saved_states() & 6U) == 6U, "an operating system that saves AVX registers");
  return missing;
}
#endif

}  // namespace moe::kernels

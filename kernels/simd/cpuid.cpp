// What the processor offers and the operating system saves across context switches.
#include <string>

#include "kernels/tables.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace moe::kernels {

#if defined(__x86_64__)
namespace {

struct Registers {
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(std::uint32_t leaf, std::uint32_t part = 0) {
  Registers r;
  if (__get_cpuid_count(leaf, part, &r.a, &r.b, &r.c, &r.d) == 0) return {};
  return r;
}

bool bit(std::uint32_t word, int index) { return (word >> index & 1U) != 0; }

// XCR0: the register states that the system saves (bit 1 SSE, 2 AVX; 5 masks, 6 and 7 the rest of AVX-512).
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

std::string missing_for_avx512() {
  const Registers extended = cpuid(7);
  std::string missing = missing_for_avx2();
  note(missing, bit(extended.b, 16), "AVX512F");
  note(missing, bit(extended.b, 17), "AVX512DQ");
  note(missing, bit(extended.b, 28), "AVX512CD");
  note(missing, bit(extended.b, 30), "AVX512BW");
  note(missing, bit(extended.b, 31), "AVX512VL");
  note(missing, (saved_states() & 0xE0U) == 0xE0U, "an operating system that saves AVX-512 registers");
  return missing;
}

std::string missing_for_avx512vnni() {
  std::string missing = missing_for_avx512();
  note(missing, bit(cpuid(7).c, 11), "AVX512_VNNI");
  return missing;
}

std::string missing_for_avx512bf16() {
  std::string missing = missing_for_avx512vnni();
  note(missing, bit(cpuid(7, 1).a, 5), "AVX512_BF16");
  return missing;
}

namespace {

// Linux gives a process tiles for the asking: their 8 KiB must fit on its signal stacks.
bool granted_tiles() {
#if defined(__linux__)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return true;
#endif
}

}  // namespace

std::string missing_for_amx() {
  const std::uint32_t features = cpuid(7).d;
  std::string missing = missing_for_avx512vnni();
  note(missing, bit(features, 24), "AMX_TILE");
  note(missing, bit(features, 22), "AMX_BF16");
  note(missing, bit(features, 25), "AMX_INT8");
  constexpr std::uint32_t kTileStates = 3U << 17;
  note(missing, missing.empty() && (saved_states() & kTileStates) == kTileStates && granted_tiles(), "an operating system that grants tiles");
  return missing;
}

namespace {

// The name of the maker as CPUID leaf 0 gives it, four letters a register.
bool made_by(std::uint32_t b, std::uint32_t d, std::uint32_t c) {
  const Registers vendor = cpuid(0);
  return vendor.b == b && vendor.d == d && vendor.c == c;
}
bool made_by_intel() { return made_by(0x756E6547U, 0x49656E69U, 0x6C65746EU); }  // "GenuineIntel"
bool made_by_amd() { return made_by(0x68747541U, 0x69746E65U, 0x444D4163U); }    // "AuthenticAMD"

}  // namespace

// Intel's take the time of four multiply-adds (measured on Emerald Rapids: half the FLOP/s), AMD's that of one.
bool bf16_dots_are_slow() { return made_by_intel(); }

// Measured on Zen 4: one stream 33 GB/s, eight of neighbouring tiles 25, with fetches or without. On Zen 3, which has no AVX-512:
// one 20 GB/s, four 26.
namespace {
int& streams() noexcept {
  static int fastest = !made_by_amd() ? 8 : bit(cpuid(7).b, 16) ? 1 : 4;
  return fastest;
}
}  // namespace
int fastest_streams() noexcept { return streams(); }
void assume_fastest_streams(int fastest) noexcept { streams() = fastest; }
#endif

}  // namespace moe::kernels

// Which tables exist, which this processor can run, and the choice among them.
#include <cstdlib>
#include <string>

#include "kernels/tables.h"

namespace moe::kernels {
namespace {

struct Entry {
  std::string_view name;
  const KernelTable& (*table)();
  std::string (*missing)();  // empty: runs here; else the instructions that are missing
  bool (*automatic)();       // may be chosen by itself
  const RooflineKernels* roofline;
};

std::string nothing_missing() { return {}; }
bool always() { return true; }
bool never() { return false; }
#if defined(__x86_64__)
bool with_fast_bf16_dots() { return !bf16_dots_are_slow(); }
#endif

template <const KernelTable& table>
const KernelTable& the() {
  return table;
}

// Ascending by speed.
const Entry kEntries[] = {
    {"openblas", openblas_table, nothing_missing, never, nullptr},
    {"scalar", the<kScalarTable>, nothing_missing, always, &kScalarRoofline},
#if defined(__x86_64__)
    {"avx2", the<kAvx2Table>, missing_for_avx2, always, &kAvx2Roofline},
    {"avx512", the<kAvx512Table>, missing_for_avx512, always, &kAvx512Roofline},
    {"avx512vnni", the<kAvx512VnniTable>, missing_for_avx512vnni, always, &kAvx512VnniRoofline},
    {"avx512bf16", the<kAvx512Bf16Table>, missing_for_avx512bf16, with_fast_bf16_dots, &kAvx512Bf16Roofline},
    {"amx", the<kAmxTable>, missing_for_amx, always, &kAmxRoofline},
#endif
};

}  // namespace

const KernelTable& select_kernels(std::string_view forced) {
  const KernelTable* best = &kScalarTable;
  std::string names;
  for (const Entry& entry : kEntries) {
    if (forced.empty()) {
      if (entry.automatic() && entry.missing().empty()) best = &entry.table();
    } else if (forced == entry.name) {
      const std::string missing = entry.missing();
      if (missing.empty()) return entry.table();
      throw UnsupportedKernels("kernels '" + std::string(forced) + "': this processor lacks " + missing);
    }
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  if (!forced.empty()) {
    throw UnsupportedKernels("kernels '" + std::string(forced) + "': expected one of " + names);
  }
  return *best;
}

const KernelTable& select_kernels() {
  const char* forced = std::getenv("MOE_KERNELS");
  return select_kernels(forced == nullptr ? std::string_view() : std::string_view(forced));
}

const RooflineKernels& roofline_kernels(const KernelTable& table) {
  for (const Entry& entry : kEntries) {
    if (entry.roofline != nullptr && entry.table().dot == table.dot) return *entry.roofline;
  }
  return kScalarRoofline;
}

std::vector<std::string_view> kernel_names() {
  std::vector<std::string_view> names;
  for (const Entry& entry : kEntries) names.emplace_back(entry.name);
  return names;
}

std::vector<std::string_view> supported_kernel_names() {
  std::vector<std::string_view> names;
  for (const Entry& entry : kEntries) {
    if (entry.missing().empty()) names.emplace_back(entry.name);
  }
  return names;
}

}  // namespace moe::kernels

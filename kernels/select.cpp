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
  bool comparator;           // never chosen by itself
  const RooflineKernels* roofline;
};

std::string nothing_missing() { return {}; }

template <const KernelTable& table>
const KernelTable& the() {
  return table;
}

// Ascending by speed.
const Entry kEntries[] = {
    {"openblas", openblas_table, nothing_missing, true, nullptr},
    {"scalar", the<kScalarTable>, nothing_missing, false, &kScalarRoofline},
#if defined(__x86_64__)
    {"avx2", the<kAvx2Table>, missing_for_avx2, false, &kAvx2Roofline},
    {"avx512", the<kAvx512Table>, missing_for_avx512, false, &kAvx512Roofline},
    {"avx512bf16", the<kAvx512Bf16Table>, missing_for_avx512bf16, false, &kAvx512Bf16Roofline},
#endif
};

}  // namespace

const KernelTable& select_kernels(std::string_view forced) {
  const KernelTable* best = &kScalarTable;
  std::string names;
  for (const Entry& entry : kEntries) {
    if (forced.empty()) {
      if (!entry.comparator && entry.missing().empty()) best = &entry.table();
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
    if (!entry.comparator && entry.table().dot == table.dot) return *entry.roofline;
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

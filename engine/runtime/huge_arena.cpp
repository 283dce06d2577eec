#include "engine/runtime/huge_arena.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <string>
#include <utility>

#include "engine/base/error.h"

namespace moe {
namespace {

constexpr auto kHugePage = static_cast<std::size_t>(HugeArena::kPage);

}  // namespace

HugeArena::HugeArena(std::int64_t bytes, std::string_view what) : size_(rounded(bytes)), what_(what) {
  if (bytes == 0) return;
  // More than is needed, so that a whole number of huge pages lies inside; what sticks out is given back.
  const auto wanted = static_cast<std::size_t>(touched(size_));
  void* const all = ::mmap(nullptr, wanted + kHugePage, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) {
    throw Error(ErrorKind::limit,
                Fault{"", std::string(what), fmt::format("{} bytes", size_), "a refusal by the system"});
  }
  auto* const begin = static_cast<std::byte*>(all);
  const std::size_t front = (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
  data_ = begin + front;
  if (front > 0) ::munmap(begin, front);
  if (front < kHugePage) ::munmap(data_ + wanted, kHugePage - front);
  size_ = static_cast<std::int64_t>(wanted);
  ::madvise(data_, wanted, MADV_HUGEPAGE);  // a wish; small pages serve too
}

HugeArena::HugeArena(HugeArena&& other) noexcept { *this = std::move(other); }

HugeArena& HugeArena::operator=(HugeArena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(taken_, other.taken_);
  std::swap(what_, other.what_);
  return *this;
}

HugeArena::~HugeArena() {
  if (data_ != nullptr) ::munmap(data_, static_cast<std::size_t>(size_));
}

std::byte* HugeArena::take(std::int64_t bytes) {
  const std::int64_t size = rounded(bytes);
  if (bytes < 0 || size > left()) {
    throw Error(ErrorKind::limit,
                Fault{"", std::string(what_), fmt::format("at most {} bytes more", left()),
                      std::to_string(bytes)});
  }
  std::byte* const at = data_ + taken_;
  taken_ += size;
  return at;
}

}  // namespace moe

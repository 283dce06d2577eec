#include "engine/base/mapped_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "engine/base/error.h"

namespace moe {

MappedFile MappedFile::open(const std::filesystem::path& path) {
  OpenedFile file = open_for_reading(path);
  if (file.size == 0)
    throw Error(ErrorKind::io, Fault{path.string(), "", "a file with contents", "an empty file"});
  void* const at =
      ::mmap(nullptr, static_cast<std::size_t>(file.size), PROT_READ, MAP_SHARED, file.fd.get(), 0);
  if (at == MAP_FAILED) {
    throw Error(ErrorKind::io, Fault{path.string(), "", "a file that can be mapped", system_message(errno)});
  }
  MappedFile mapped;
  mapped.bytes_ = {static_cast<const std::byte*>(at), static_cast<std::size_t>(file.size)};
  mapped.mtime_ns_ = file.mtime_ns;
  mapped.fd_ = std::move(file.fd);
  return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : fd_(std::move(other.fd_)), bytes_(std::exchange(other.bytes_, {})), mtime_ns_(other.mtime_ns_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  std::swap(mtime_ns_, other.mtime_ns_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::drop(std::span<const std::byte> part) const noexcept {
  // One touch maps all of the page-cache page it falls in, which may be this large and reach beyond the part.
  constexpr std::size_t kLargestPage = std::size_t{2} << 20;
  if (!contains(part)) return;
  const auto offset = static_cast<std::size_t>(part.data() - bytes_.data());
  const std::size_t from = offset - std::min(kLargestPage, offset);
  const std::size_t to = std::min(bytes_.size(), offset + part.size() + kLargestPage);
  advise(bytes_.subspan(from, to - from), MADV_DONTNEED);
}
void MappedFile::will_need(std::span<const std::byte> part) const noexcept { advise(part, MADV_WILLNEED); }

bool MappedFile::copy(std::span<const std::byte> part, std::byte* out) const noexcept {
  std::size_t done = 0;
  while (done < part.size()) {
    const auto offset = static_cast<off_t>(part.data() - bytes_.data() + static_cast<std::ptrdiff_t>(done));
    const ssize_t count = ::pread(fd_.get(), out + done, part.size() - done, offset);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

bool MappedFile::contains(std::span<const std::byte> part) const noexcept {
  const auto base = reinterpret_cast<std::uintptr_t>(bytes_.data());
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data());
  return !part.empty() && begin >= base && begin - base <= bytes_.size() &&
         part.size() <= bytes_.size() - (begin - base);
}

void MappedFile::advise(std::span<const std::byte> part, int advice) const noexcept {
  if (!contains(part)) return;
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data());
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t first = begin / page * page;
  // Advice only: if the system refuses it, the pages merely stay.
  ::madvise(reinterpret_cast<void*>(first), begin + part.size() - first, advice);
}

}  // namespace moe

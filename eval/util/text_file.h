// Whole text files, plain or gzip, within a bound.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace moe::eval {

// The bytes of a file; gzip is recognised by its content. Throws Error: io (cannot be read), format (a damaged or
// truncated gzip stream), limit (more than `most` bytes once unpacked, so that a small file cannot fill the memory).
std::string read_text_file(const std::string& path, std::size_t most = std::size_t{1} << 31);

// The lines of a text without their ends ("\n" or "\r\n"); a last line without an end counts, an empty rest does not.
std::vector<std::string_view> lines_of(std::string_view text);

}  // namespace moe::eval

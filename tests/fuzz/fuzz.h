// What fuzz targets share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace moe::fuzz {

// Ends the program where something that must hold does not: libFuzzer keeps the input that did it.
inline void check(bool holds) {
  if (!holds) std::abort();
}

// Runs `action`; an Error is an answer, provided that its message is one line. Anything else escapes.
template <class Action>
bool succeeds(Action action) {
  try {
    action();
    return true;
  } catch (const Error& error) {
    const std::string_view message = error.what();
    check(!message.empty() && message.find('\n') == std::string_view::npos);
    return false;
  }
}

inline std::string_view text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace moe::fuzz

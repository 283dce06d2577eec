// Asserting that an operation fails with one typed, complete, one-line Error.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "engine/base/error.h"

namespace moe::test {

// Runs `action`, expects an Error of `kind` whose message is one line and contains every part.
inline void expect_error(ErrorKind kind, std::initializer_list<std::string_view> parts,
                         const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    for (const std::string_view part : parts) {
      EXPECT_NE(message.find(part), std::string::npos) << "no \"" << part << "\" in: " << message;
    }
  }
}

}  // namespace moe::test

// Typed errors: what the libraries throw when an operation cannot go on. Only the programs print them.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace moe {

enum class ErrorKind {
  io,           // a file cannot be opened, read or written
  format,       // a file's bytes are not what its format demands
  config,       // a configuration value is missing or wrong
  unsupported,  // valid, but not something this build can run
  limit,        // a bound was reached: memory, context length, steps, depth
  usage,        // the caller asked for something that makes no sense
};

// One fault, told in the order a person needs it: where, what, what was expected, what was found.
struct Fault {
  std::string file;      // the file or object at fault; may be empty
  std::string thing;     // tensor, key, flag, line ...; may be empty
  std::string expected;  // what should have been there
  std::string found;     // what was there
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, Fault fault);
  Error(ErrorKind kind, std::string_view message);

  ErrorKind kind() const noexcept { return kind_; }
  const Fault& fault() const noexcept { return fault_; }

 private:
  ErrorKind kind_;
  Fault fault_;
};

// "file: thing: expected E, found F" on one line: control characters become \xNN, and very long parts are shortened.
std::string describe(const Fault& fault);

}  // namespace moe

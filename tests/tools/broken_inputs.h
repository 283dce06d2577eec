// Runs a built program as a process on an input that was damaged on purpose.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace moe::test {

struct Command {
  std::string program;  // moe-run, moe-eval, moe-convert or moe-tokenize
  std::vector<std::string> args;
  std::string input;                                          // standard input
  std::vector<std::pair<std::string, std::string>> variables;  // of the environment
  std::string standard_output;                                // a file such as /dev/full; empty: it is caught
  std::uint64_t largest_file = 0;                             // bytes; 0: no limit
};

struct Outcome {
  int code = -1;         // exit code
  int signal = 0;        // that ended it; 0: none
  bool timed_out = false;
  std::string out, err;
};

// Starts the program in `folder`, waits at most a minute, and kills it then.
Outcome run_command(const Command& command, const std::filesystem::path& folder);

// Every file and folder below `folder`, sorted.
std::vector<std::string> listing(const std::filesystem::path& folder);

// Copies config.json and the weights of tests/golden/models/NAME.
std::filesystem::path copy_model(const std::string& name, const std::filesystem::path& folder);
// A tiny model with a tokenizer and a chat template, made by moe-convert from a checked-in GGUF file; copied.
std::filesystem::path copy_text_model(const std::filesystem::path& folder);

void edit_json(const std::filesystem::path& file, const std::function<void(nlohmann::json&)>& edit);
// The header of a safetensors file; the data stay as they are.
void edit_header(const std::filesystem::path& file, const std::function<void(nlohmann::json&)>& edit);
void write_text(const std::filesystem::path& file, std::string_view text);
// A safetensors file of this header text, whatever it says, and `data` zero bytes.
void write_safetensors(const std::filesystem::path& file, const std::string& header, std::size_t data);

}  // namespace moe::test

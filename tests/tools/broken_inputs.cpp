#include "tests/tools/broken_inputs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace moe::test {

namespace fs = std::filesystem;

namespace {

constexpr auto kLongest = std::chrono::seconds(60);

int wait_for(pid_t child, bool& timed_out) {
  int status = 0;
  const auto end = std::chrono::steady_clock::now() + kLongest;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > end) {
      timed_out = true;
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return status;
}

}  // namespace

Outcome run_command(const Command& command, const fs::path& folder) {
  const TempDir streams;
  const std::string out = command.standard_output.empty() ? (streams / "out").string() : command.standard_output;
  const std::string err = (streams / "err").string();
  const std::string in = streams.write("in", command.input).string();
  std::vector<std::string> args = command.args;
  args.insert(args.begin(), program(command.program));
  std::vector<char*> pointers;
  for (std::string& arg : args) pointers.push_back(arg.data());
  pointers.push_back(nullptr);

  const pid_t child = fork();
  if (child == 0) {
    dup2(open(in.c_str(), O_RDONLY), STDIN_FILENO);
    dup2(open(out.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600), STDOUT_FILENO);
    dup2(open(err.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600), STDERR_FILENO);
    if (chdir(folder.c_str()) != 0) _exit(126);
    unsetenv("MOE_DATA");
    unsetenv("MOE_KERNELS");
    // No cache of models but an empty one.
    for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"}) setenv(name, streams.path().c_str(), 1);
    for (const auto& [name, value] : command.variables) setenv(name.c_str(), value.c_str(), 1);
    if (command.largest_file != 0) {
      const rlimit limit{command.largest_file, command.largest_file};
      setrlimit(RLIMIT_FSIZE, &limit);
      signal(SIGXFSZ, SIG_IGN);
    }
    execv(pointers[0], pointers.data());
    _exit(127);
  }
  Outcome outcome;
  const int status = wait_for(child, outcome.timed_out);
  if (WIFEXITED(status)) outcome.code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  if (command.standard_output.empty()) outcome.out = read_all(out);
  outcome.err = read_all(err);
  return outcome;
}

std::vector<std::string> listing(const fs::path& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    out.push_back(fs::relative(entry.path(), folder).string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

fs::path copy_model(const std::string& name, const fs::path& folder) {
  fs::create_directories(folder);
  for (const auto& entry : fs::directory_iterator(fixture("golden/models/" + name))) {
    const std::string file = entry.path().filename().string();
    if (file == "config.json" || file.rfind("model", 0) == 0) fs::copy_file(entry.path(), folder / file);
  }
  return folder;
}

fs::path copy_text_model(const fs::path& folder) {
  static const TempDir once;
  if (!fs::exists(once / "model")) {
    const std::string gguf = fixture("engine/convert/data/qwen3.gguf").string();
    const Outcome made = run_command({"moe-convert", {gguf, (once / "model").string(), "-q"}, "", {}, "", 0}, once.path());
    if (made.code != 0) throw std::runtime_error("moe-convert failed: " + made.err);
  }
  fs::copy(once / "model", folder);
  return folder;
}

void edit_json(const fs::path& file, const std::function<void(nlohmann::json&)>& edit) {
  nlohmann::json json = nlohmann::json::parse(read_all(file));
  edit(json);
  write_text(file, json.dump());
}

void edit_header(const fs::path& file, const std::function<void(nlohmann::json&)>& edit) {
  const std::string bytes = read_all(file);
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  nlohmann::json header = nlohmann::json::parse(bytes.substr(8, size));
  const std::string data = bytes.substr(8 + size);
  edit(header);
  const std::string text = header.dump();
  size = text.size();
  write_text(file, std::string(reinterpret_cast<const char*>(&size), sizeof size) + text + data);
}

void write_text(const fs::path& file, std::string_view text) {
  std::ofstream(file, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

void write_safetensors(const fs::path& file, const std::string& header, std::size_t data) {
  const std::uint64_t size = header.size();
  write_text(file, std::string(reinterpret_cast<const char*>(&size), sizeof size) + header + std::string(data, '\0'));
}

}  // namespace moe::test

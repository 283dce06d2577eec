// The tasks a run can name.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "engine/base/error.h"
#include "eval/tasks/task.h"
#include "eval/util/text_file.h"

namespace moe::eval {

const Strategy& Task::strategy(std::string_view wanted) const {
  std::string known;
  for (const Strategy& s : strategies) {
    if (s.name == wanted) return s;
    known += (known.empty() ? "" : ", ") + s.name;
  }
  throw Error(ErrorKind::usage,
              Fault{"", fmt::format("strategy of {}", name), "one of " + known, fmt::format("\"{}\"", wanted)});
}

TaskRegistry::TaskRegistry(const std::vector<std::string>& include_directories) {
  const auto add = [&](Task task) {
    for (const Task& other : tasks_) {
      if (other.name == task.name) {
        throw Error(ErrorKind::config, Fault{task.file, "task", "a name of its own",
                                             fmt::format("\"{}\", which {} defines", task.name, other.file)});
      }
    }
    tasks_.push_back(std::move(task));
  };
  for (const BuiltinFile& file : builtin_task_files()) add(parse_task(file.text, fmt::format("builtin:{}", file.name)));
  for (const std::string& directory : include_directories) {
    std::error_code code;
    std::vector<std::string> files;
    for (std::filesystem::directory_iterator it(directory, code), end; !code && it != end; it.increment(code)) {
      if (it->path().extension() == ".json") files.push_back(it->path().string());
    }
    if (code) throw Error(ErrorKind::io, Fault{directory, "", "a directory of task files", code.message()});
    if (files.empty()) {
      throw Error(ErrorKind::config, Fault{directory, "", "task files (*.json)", "none"});
    }
    std::sort(files.begin(), files.end());
    for (const std::string& file : files) add(parse_task(read_text_file(file, std::size_t{16} << 20), file));
  }
}

const Task& TaskRegistry::find(std::string_view name) const {
  std::string known;
  for (const Task& task : tasks_) {
    if (task.name == name) return task;
    known += (known.empty() ? "" : ", ") + task.name;
  }
  throw Error(ErrorKind::usage, Fault{"", "task", "one of " + known, fmt::format("\"{}\"", name)});
}

std::string label(const Task& task, const Strategy& strategy) {
  return strategy.lm_eval ? task.name : task.name + "__" + strategy.name;
}

}  // namespace moe::eval

#include "tests/support/golden.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/support/paths.h"

namespace moe::test {
namespace {

// Random cases that are not checked in (tests/golden/random_cases.py) are tried in place of the checked-in ones.
std::filesystem::path golden_folder() {
  const char* set = std::getenv("MOE_GOLDEN_MODELS");
  return set != nullptr ? std::filesystem::path(set) : fixture("golden/models");
}

}  // namespace

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder())) {
    if (std::filesystem::exists(entry.path() / "golden.json")) names.push_back(entry.path().filename().string());
  }
  if (names.empty()) throw std::runtime_error(golden_folder().string() + " holds no case");
  std::ranges::sort(names);
  return names;
}

GoldenModel read_golden(const std::string& name) {
  GoldenModel model;
  model.directory = golden_folder() / name;
  std::ifstream file(model.directory / "golden.json");
  const auto json = nlohmann::json::parse(file);
  model.name = name;
  model.family = json.at("family");
  model.vocab = json.at("vocab");
  model.parameters = json.at("parameters");
  model.logit_range = json.at("logit_range");
  model.column_ids = json.at("columns").get<std::vector<std::int32_t>>();
  model.rows = read_npy(model.directory / "rows.npy");
  model.columns = read_npy(model.directory / "columns.npy");

  std::int64_t row = 0, column_row = 0;
  for (const auto& entry : json.at("prompts")) {
    GoldenPrompt prompt;
    prompt.ids = entry.at("ids").get<std::vector<std::int32_t>>();
    prompt.rows = entry.at("rows").get<std::vector<std::int32_t>>();
    if (entry.contains("greedy")) prompt.greedy = entry.at("greedy").get<std::vector<std::int32_t>>();
    prompt.prefill_all_rows = entry.at("class_a").at("prefill_all_rows");
    prompt.prefill_last_row = entry.at("class_a").at("prefill_last_row");
    prompt.decode_step = entry.at("class_a").at("decode_step");
    prompt.first_row = row;
    prompt.first_column_row = column_row;
    row += std::int64_t(prompt.rows.size());
    column_row += std::int64_t(prompt.ids.size());
    model.prompts.push_back(std::move(prompt));
  }
  for (GoldenPrompt& prompt : model.prompts) {
    prompt.first_step = column_row;
    column_row += std::int64_t(prompt.greedy.size());
  }
  if (row != model.rows.rows() || column_row != model.columns.rows() || model.vocab != model.rows.cols()) {
    throw std::runtime_error(name + ": golden.json and its arrays disagree");
  }
  return model;
}

}  // namespace moe::test

// The tiny checkpoints under tests/golden/models and what their reference says of them (tests/golden/make_models.py).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/npy.h"

namespace moe::test {

struct GoldenPrompt {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> rows;       // prompt positions whose whole logit rows are kept
  std::int64_t first_row = 0;           // of GoldenModel::rows
  std::int64_t first_column_row = 0;    // of GoldenModel::columns: this prompt's position 0
  std::vector<std::int32_t> greedy;     // 64 tokens, or none
  std::int64_t first_step = 0;          // of GoldenModel::columns: the logits that chose greedy[0]
  std::uint64_t prefill_all_rows = 0, prefill_last_row = 0, decode_step = 0;  // class A
};

struct GoldenModel {
  std::filesystem::path directory;
  std::string name, family;
  std::int64_t vocab = 0;
  std::int64_t parameters = 0;
  float logit_range = 0;
  std::vector<std::int32_t> column_ids;  // which logits `columns` holds
  std::vector<GoldenPrompt> prompts;
  NpyArray rows;     // [kept rows, vocab]
  NpyArray columns;  // [positions of all prompts, then greedy steps; column_ids]
};

// Names of the cases, sorted. Never empty: throws where the folder is missing.
std::vector<std::string> golden_names();
GoldenModel read_golden(const std::string& name);

}  // namespace moe::test

// One question of a benchmark, whatever shape its file has.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "eval/tasks/task.h"

namespace moe::eval {

struct Doc {
  std::size_t id = 0;                 // its place in the split, from 0, after `where` has chosen
  std::string question;
  std::vector<std::string> choices;   // empty: a free answer
  std::vector<std::string> labels;    // as the file names them: A-E or 1-4
  int gold = -1;                      // index into choices
  std::string answer;                 // the file's full answer or solution
  std::string target;                 // the short answer: a number, an expression, a letter
  std::map<std::string, std::string> fields;  // what else templates may name
  std::string json;                   // the row in its Hugging Face shape, as Python would print it
  std::string hash;                   // SHA-256 of `json`: lm_eval's doc_hash
};

// A, B, C ... for the choice at `index`, however the file labels it.
std::string letter(std::size_t index);

struct Dataset {
  std::string file;                    // the file that was read
  std::string hash;                    // SHA-256 of its unpacked text
  std::size_t rows_in_file = 0;        // before `where`
  std::vector<std::string> warnings;   // for instance: fewer rows than the published file has
  std::vector<Doc> docs;
};

// Finds, reads and checks one split. Each of `directories` is searched for the split's file names, plain and with
// .gz, in itself and in its folder named like the dataset. Throws Error: io (not found: tells where users get it),
// format/config (a row without what the format needs, named by line).
Dataset load_split(const DatasetSpec& spec, const std::string& split, const std::vector<std::string>& directories);

// What the readers of one format share: text in, rows out. `docs` come without id and hash.
std::vector<Doc> parse_rows(const DatasetSpec& spec, const std::string& text, const std::string& file);

// The directories of a `--data` flag (may be empty) and of MOE_DATA, both lists separated by colons.
std::vector<std::string> data_directories(const std::string& flag);

// Reorders choices so that the gold answer is at every place equally often (TruthfulQA's file has it first in
// every row): within each block of n rows of n choices, in file order, gold goes once to each place; the others are
// shuffled. Depends on the seed and the whole split only, not on which rows are run.
void counterbalance(std::vector<Doc>& docs, std::uint64_t seed);

}  // namespace moe::eval

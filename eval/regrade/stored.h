// Responses that some run stored: our journals, lm_eval's samples_*.jsonl, and CSV with the study's columns.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/extract/extractor.h"

namespace moe::eval {

struct StoredResponse {
  std::string id, task, strategy, model, gold;
  // A journal's record: what the prompt and the draw depended on beside the strategy, one "name value" each.
  std::vector<std::string> regime;
  Question question;
  std::string text;                   // all that was generated
  std::optional<std::string> answer;  // outside of the thought, where the record says so
  bool thought_unclosed = false;
  std::optional<bool> truncated;  // nothing where the file does not tell (lm_eval's samples, CSV)

  // What the extractors read. The result points into this object.
  Response response() const;
};

struct StoredFile {
  std::size_t rows = 0;
  std::size_t without_response =
      0;                      // rows of a journal that hold log-likelihoods or an error: nothing to grade
  std::size_t cut_bytes = 0;  // an unfinished last line of a journal, left out
  std::size_t superseded = 0;  // records of an item that the journal answers again further on, left out
};

// Reads a file of any of the three kinds (told apart by content, gzip or plain) and hands over each response
// in the file's order; of a journal's records of one item and regime the last. `kind` overrides what is otherwise inferred from task and gold answer. lm_eval writes
// a document once for each of its filters; it is handed over once. Throws Error: io, limit, and format that
// names file, line, what was expected and what was found.
StoredFile read_stored(const std::string& path, std::optional<AnswerKind> kind,
                       const std::function<void(const StoredResponse&)>& visit);
// The same of a file's unpacked text; lm_eval's task is told by the name in `path`.
StoredFile parse_stored(const std::string& text, const std::string& path, std::optional<AnswerKind> kind,
                        const std::function<void(const StoredResponse&)>& visit);

// number, math or choice, from the name of the task, else from the gold answer.
AnswerKind infer_kind(const std::string& task, const std::string& gold, bool has_choices);

// Labels of the options: those that lines of the question begin with ("A. ..."), else A to E, and 1 to 5 too
// where the gold answer is a digit.
std::vector<std::string> infer_labels(const std::string& question, const std::string& gold);

}  // namespace moe::eval

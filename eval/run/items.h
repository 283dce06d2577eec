// Which items of a task to run: lists from files.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "eval/dataset/doc.h"

namespace moe::eval {

// An item by its number, by its question, or by both, which must then agree.
struct ItemChoice {
  std::optional<std::size_t> id;
  std::string
      question;  // empty: not said. May go on behind the question itself (with the options, for instance)
};

// Reads a list: numbers from 0 separated by white space or commas; a JSON array of numbers or objects; or
// JSON Lines of objects with "doc_id" or "sample_id", and perhaps "question". Throws Error (io, format)
// naming file and place.
std::vector<ItemChoice> read_items(const std::string& path);

// The numbers of the chosen documents, in the list's order, each once. A question that is given decides: a
// number that stands before another question is passed over, for lists may count in another order of the same
// rows. Throws Error (usage) naming `list` where there is no such document.
std::vector<std::size_t> resolve_items(const std::vector<ItemChoice>& choices, const std::vector<Doc>& docs,
                                       const std::string& list);

}  // namespace moe::eval

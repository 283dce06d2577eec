// Lists of items.
#include "eval/run/items.h"

#include <fmt/format.h>

#include <cctype>

#include "engine/base/error.h"
#include "eval/util/json.h"
#include "eval/util/text_file.h"

namespace moe::eval {
namespace {

constexpr std::size_t kLargestList = std::size_t{256} << 20;

ItemChoice choice_of(const Json& value, const std::string& path, const std::string& thing) {
  ItemChoice choice;
  if (value.is_number_unsigned()) {
    choice.id = value.get<std::size_t>();
  } else if (value.is_object()) {
    for (const char* key : {"doc_id", "sample_id"}) {
      if (value.contains(key) && value[key].is_number_unsigned()) choice.id = value[key].get<std::size_t>();
    }
    if (value.contains("question") && value["question"].is_string())
      choice.question = value["question"].get<std::string>();
  }
  if (!choice.id && choice.question.empty()) {
    throw Error(ErrorKind::format,
                Fault{path, thing, "a number, or an object with \"doc_id\" or \"sample_id\" or \"question\"",
                      describe_json(value)});
  }
  return choice;
}

std::vector<ItemChoice> plain_numbers(const std::string& text, const std::string& path) {
  std::vector<ItemChoice> out;
  std::size_t number = 0;
  bool any = false;
  for (const char c : text + "\n") {
    if (c >= '0' && c <= '9' && number < 1'000'000'000) {
      number = number * 10 + static_cast<std::size_t>(c - '0');
      any = true;
    } else if (std::string_view(" \t\r\n,").find(c) != std::string_view::npos) {
      if (any) out.push_back({number, ""});
      number = 0;
      any = false;
    } else {
      throw Error(ErrorKind::format, Fault{path, fmt::format("item {}", out.size() + 1),
                                           "numbers of documents, from 0", fmt::format("'{}'", c)});
    }
  }
  return out;
}

// Without white space: lists differ from data files in line ends and spaces.
std::string bare(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) == 0) out += c;
  }
  return out;
}

bool begins_with(const std::string& text, const std::string& start) {
  return !start.empty() && text.rfind(start, 0) == 0;
}

}  // namespace

std::vector<ItemChoice> read_items(const std::string& path) {
  const std::string text = read_text_file(path, kLargestList);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  std::vector<ItemChoice> out;
  if (first != std::string::npos && text[first] == '[') {
    const Json list = parse_json(text, path, "");
    for (std::size_t i = 0; i < list.size(); ++i)
      out.push_back(choice_of(list[i], path, fmt::format("item {}", i + 1)));
  } else if (first != std::string::npos && text[first] == '{') {
    const std::vector<std::string_view> lines = lines_of(text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string thing = fmt::format("line {}", i + 1);
      if (lines[i].find_first_not_of(" \t") != std::string_view::npos)
        out.push_back(choice_of(parse_json(lines[i], path, thing), path, thing));
    }
  } else {
    out = plain_numbers(text, path);
  }
  if (out.empty()) throw Error(ErrorKind::format, Fault{path, "", "numbers of documents, from 0", "none"});
  return out;
}

std::vector<std::size_t> resolve_items(const std::vector<ItemChoice>& choices, const std::vector<Doc>& docs,
                                       const std::string& list) {
  std::vector<std::string> questions;
  for (const Doc& doc : docs) questions.push_back(bare(doc.question));
  std::vector<std::size_t> out;
  std::vector<bool> taken(docs.size());
  const auto add = [&](std::size_t id) {
    if (!taken[id]) out.push_back(id);
    taken[id] = true;
  };
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const ItemChoice& choice = choices[i];
    const auto refuse = [&](const std::string& expected, const std::string& found) {
      throw Error(ErrorKind::usage, Fault{"", fmt::format("{}, item {}", list, i + 1), expected, found});
    };
    const bool numbered = choice.id && *choice.id < docs.size();
    if (choice.question.empty()) {
      if (!numbered) refuse(fmt::format("ids below {}", docs.size()), fmt::format("{}", *choice.id));
      add(*choice.id);
      continue;
    }
    const std::string wanted = bare(choice.question);
    if (numbered && begins_with(wanted, questions[*choice.id])) {
      add(*choice.id);
      continue;
    }
    // The longest that fits: one question may begin with another.
    std::optional<std::size_t> best;
    for (std::size_t d = 0; d < docs.size(); ++d) {
      if (begins_with(wanted, questions[d]) && (!best || questions[d].size() > questions[*best].size()))
        best = d;
    }
    if (!best) refuse("a question of the data", fmt::format("\"{}\"", choice.question.substr(0, 60)));
    add(*best);
  }
  return out;
}

}  // namespace moe::eval

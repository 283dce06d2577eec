// Readers of the benchmarks' published shapes: rows of JSON, JSON Lines or CSV become documents.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "engine/base/error.h"
#include "eval/dataset/csv.h"
#include "eval/dataset/doc.h"
#include "eval/util/json.h"
#include "eval/util/text_file.h"

namespace moe::eval {
namespace {

constexpr std::size_t kMostChoices = 26;

// One row with its place, and the getters that name it in faults.
class Row {
 public:
  Row(const Json& value, const std::string& file, std::string thing) : value_(value), file_(file), thing_(std::move(thing)) {
    if (!value.is_object()) fail("", "a JSON object", describe_json(value));
  }
  [[noreturn]] void fail(const std::string& key, const std::string& expected, const std::string& found) const {
    throw Error(ErrorKind::format, Fault{file_, key.empty() ? thing_ : thing_ + ": " + key, expected, found});
  }
  const Json& get(const std::string& key) const { return get(value_, key, key); }
  const Json& get(const Json& object, const std::string& key, const std::string& path) const {
    if (!object.is_object()) fail(path, "an object around it", describe_json(object));
    const auto found = object.find(key);
    if (found == object.end()) fail(path, "a value", "no such key");
    return *found;
  }
  std::string text(const std::string& key) const { return text(get(key), key); }
  std::string text(const Json& found, const std::string& path) const {
    if (!found.is_string()) fail(path, "a string", describe_json(found));
    return found.get<std::string>();
  }
  std::vector<std::string> texts(const Json& list, const std::string& path) const {
    if (!list.is_array()) fail(path, "an array", describe_json(list));
    std::vector<std::string> out;
    for (const Json& one : list) out.push_back(text(one, path));
    return out;
  }
  bool has(const std::string& key) const { return value_.contains(key); }
  const Json& value() const { return value_; }

 private:
  const Json& value_;
  const std::string& file_;
  std::string thing_;
};

std::string scalar(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump();
}

void check_choices(const Row& row, const Doc& doc) {
  if (doc.choices.size() < 2 || doc.choices.size() > kMostChoices) {
    row.fail("choices", fmt::format("2 to {} choices", kMostChoices), fmt::format("{}", doc.choices.size()));
  }
  for (const std::string& choice : doc.choices) {
    if (choice.empty()) row.fail("choices", "texts that are not empty", "\"\"");
  }
}

// AI2: {"question": {"stem", "choices": [{"text", "label"}]}, "answerKey"}; Hugging Face: {"question", "choices":
// {"text": [], "label": []}, "answerKey"}. Both become the second shape.
Doc arc_row(const Row& row) {
  Doc doc;
  const bool ai2 = row.get("question").is_object();
  if (ai2) {
    doc.question = row.text(row.get(row.get("question"), "stem", "question.stem"), "question.stem");
    const Json& choices = row.get(row.get("question"), "choices", "question.choices");
    if (!choices.is_array()) row.fail("question.choices", "an array", describe_json(choices));
    for (const Json& choice : choices) {
      doc.choices.push_back(row.text(row.get(choice, "text", "choice.text"), "choice.text"));
      doc.labels.push_back(row.text(row.get(choice, "label", "choice.label"), "choice.label"));
    }
  } else {
    doc.question = row.text("question");
    doc.choices = row.texts(row.get(row.get("choices"), "text", "choices.text"), "choices.text");
    doc.labels = row.texts(row.get(row.get("choices"), "label", "choices.label"), "choices.label");
  }
  if (doc.labels.size() != doc.choices.size()) {
    row.fail("choices", fmt::format("{} labels, one a choice", doc.choices.size()), fmt::format("{}", doc.labels.size()));
  }
  check_choices(row, doc);
  const std::string key = row.text("answerKey");
  const auto gold = std::find(doc.labels.begin(), doc.labels.end(), key);
  if (gold == doc.labels.end()) {
    std::string labels;
    for (const std::string& one : doc.labels) labels += (labels.empty() ? "" : ", ") + one;
    row.fail("answerKey", "one of the labels " + labels, fmt::format("\"{}\"", key));
  }
  doc.gold = static_cast<int>(gold - doc.labels.begin());
  doc.answer = key;
  doc.fields["label"] = key;
  const std::string id = row.has("id") ? row.text("id") : "";
  doc.fields["id"] = id;
  doc.json = python_dump(Json{{"id", id},
                              {"question", doc.question},
                              {"choices", {{"text", doc.choices}, {"label", doc.labels}}},
                              {"answerKey", key}});
  return doc;
}

Doc gsm8k_row(const Row& row) {
  Doc doc;
  doc.question = row.text("question");
  doc.answer = row.text("answer");
  const std::size_t mark = doc.answer.rfind("####");
  if (mark == std::string::npos) row.fail("answer", "an answer that ends in \"#### number\"", "no ####");
  doc.target = stripped(doc.answer.substr(mark + 4));
  if (doc.target.empty()) row.fail("answer", "a number behind ####", "nothing");
  doc.fields["id"] = row.has("id") ? scalar(row.get("id")) : "";
  doc.json = python_dump(Json{{"question", doc.question}, {"answer", doc.answer}});
  return doc;
}

// What stands in the last \boxed{...} (or \fbox{...}) with balanced braces; nothing where there is none.
std::string last_boxed(const std::string& text) {
  std::size_t at = text.rfind("\\boxed");
  if (at == std::string::npos) at = text.rfind("\\fbox");
  if (at == std::string::npos) return "";
  const std::size_t open = text.find_first_not_of(" ", text.find_first_of(" {", at));
  if (open == std::string::npos) return "";
  if (text[open] != '{') return stripped(text.substr(open, text.find('$', open) - open));  // "\boxed 5$"
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
    if (depth == 0) return text.substr(open + 1, i - open - 1);
  }
  return "";
}

Doc math_row(const Row& row) {
  Doc doc;
  doc.question = row.text("problem");
  doc.answer = row.has("solution") ? row.text("solution") : "";
  doc.target = row.has("answer") ? scalar(row.get("answer")) : last_boxed(doc.answer);
  if (doc.target.empty()) row.fail("solution", "an answer in \\boxed{}", "none");
  std::string level = row.has("level") ? scalar(row.get("level")) : "";
  if (level.rfind("Level ", 0) == 0) level.erase(0, 6);
  const std::string subject = row.has("subject") ? "subject" : row.has("type") ? "type" : "";
  doc.fields = {{"problem", doc.question},
                {"solution", doc.answer},
                {"level", level},
                {"subject", subject.empty() ? "" : scalar(row.get(subject))},
                {"id", row.has("unique_id") ? scalar(row.get("unique_id")) : row.has("idx") ? scalar(row.get("idx")) : ""}};
  doc.json = python_dump(row.value());
  return doc;
}

Doc truthfulqa_choices(const Row& row, const std::string& question, std::vector<std::string> choices, std::size_t gold) {
  Doc doc;
  doc.question = question;
  doc.choices = std::move(choices);
  check_choices(row, doc);
  for (std::size_t i = 0; i < doc.choices.size(); ++i) doc.labels.push_back(letter(i));
  doc.gold = static_cast<int>(gold);
  doc.answer = doc.choices[gold];
  doc.fields["category"] = row.has("category") ? scalar(row.get("category")) : "";
  doc.fields["id"] = "";
  return doc;
}

// {"choices": [], "labels": []} of Hugging Face, or {choice: 0 or 1} of the original mc_task.json; both give the first.
Json truthfulqa_targets(const Row& row, const std::string& key) {
  const Json& targets = row.get(key);
  if (!targets.is_object()) row.fail(key, "an object", describe_json(targets));
  if (targets.contains("choices") && targets["choices"].is_array()) return targets;
  Json out = {{"choices", Json::array()}, {"labels", Json::array()}};
  for (const auto& [choice, truth] : targets.items()) {
    out["choices"].push_back(choice);
    out["labels"].push_back(truth);
  }
  return out;
}

Doc truthfulqa_row(const Row& row) {
  const Json mc1 = truthfulqa_targets(row, "mc1_targets");
  const std::vector<std::string> choices = row.texts(row.get(mc1, "choices", "mc1_targets.choices"), "mc1_targets.choices");
  const Json& labels = row.get(mc1, "labels", "mc1_targets.labels");
  std::size_t gold = choices.size();
  if (!labels.is_array() || labels.size() != choices.size()) {
    row.fail("mc1_targets.labels", fmt::format("{} labels, one a choice", choices.size()), describe_json(labels));
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] != 0 && labels[i] != 1) row.fail("mc1_targets.labels", "0 or 1", describe_json(labels[i]));
    if (labels[i] == 1 && gold != choices.size()) row.fail("mc1_targets.labels", "one true choice", "several");
    if (labels[i] == 1) gold = i;
  }
  if (gold == choices.size()) row.fail("mc1_targets.labels", "one true choice", "none");
  Doc doc = truthfulqa_choices(row, row.text("question"), choices, gold);
  Json hf = {{"question", doc.question}, {"mc1_targets", mc1}};
  if (row.has("mc2_targets")) hf["mc2_targets"] = truthfulqa_targets(row, "mc2_targets");
  doc.json = python_dump(hf);
  return doc;
}

// TruthfulQA.csv: the best answer beside the incorrect ones, which are separated by semicolons.
Doc truthfulqa_csv_row(const Row& row) {
  std::vector<std::string> choices = {stripped(row.text("Best Answer"))};
  const std::string wrong = row.text("Incorrect Answers");
  for (std::size_t at = 0; at <= wrong.size();) {
    const std::size_t end = std::min(wrong.find(';', at), wrong.size());
    const std::string one = stripped(std::string_view(wrong).substr(at, end - at));
    if (!one.empty()) choices.push_back(one);
    at = end + 1;
  }
  Doc doc = truthfulqa_choices(row, row.text("Question"), std::move(choices), 0);
  doc.fields["category"] = row.has("Category") ? row.text("Category") : "";
  doc.json = python_dump(row.value());
  return doc;
}

// Any table: `fields` says which column (or JSON pointer) holds what.
Doc table_row(const Row& row, const DatasetSpec& spec) {
  Doc doc;
  const auto find = [&](const std::string& where) -> const Json& {
    if (where.empty() || where.front() != '/') return row.get(where);
    try {
      const Json::json_pointer pointer(where);
      if (row.value().contains(pointer)) return row.value().at(pointer);
    } catch (const nlohmann::json::exception&) {
      row.fail(where, "a JSON pointer", "\"" + where + "\"");
    }
    row.fail(where, "a value", "no such key");
  };
  for (const auto& [name, where] : spec.fields) {
    const Json& value = find(where);
    if (name == "choices") {
      doc.choices = row.texts(value, where);
    } else if (name == "gold") {
      continue;  // needs the choices
    } else if (name == "question") {
      doc.question = scalar(value);
    } else if (name == "answer") {
      doc.answer = scalar(value);
    } else if (name == "target") {
      doc.target = scalar(value);
    }
    doc.fields[name] = scalar(value);
  }
  if (!doc.choices.empty()) {
    check_choices(row, doc);
    for (std::size_t i = 0; i < doc.choices.size(); ++i) doc.labels.push_back(letter(i));
  }
  if (const auto gold = spec.fields.find("gold"); gold != spec.fields.end()) {
    // An index from 0, a letter, or the text of the choice.
    const Json& value = find(gold->second);
    const std::string said = scalar(value);
    for (std::size_t i = 0; i < doc.choices.size(); ++i) {
      const bool here = value.is_number_integer() ? value == i : said == doc.labels[i] || said == doc.choices[i];
      if (here && doc.gold < 0) doc.gold = static_cast<int>(i);
    }
    if (doc.gold < 0) {
      row.fail(gold->second, fmt::format("an index below {}, a letter, or one of the choices", doc.choices.size()),
               describe_json(value));
    }
  }
  if (doc.target.empty()) doc.target = doc.answer;
  doc.json = python_dump(row.value());
  return doc;
}

// Rows of any shape as JSON objects; `visit` is called with each and its place.
void each_row(const std::string& text, const std::string& file, const std::function<void(const Row&)>& visit) {
  const auto has_ending = [&](std::string_view ending) {
    std::string_view name = file;
    if (name.size() > 3 && name.substr(name.size() - 3) == ".gz") name.remove_suffix(3);
    return name.size() >= ending.size() && name.substr(name.size() - ending.size()) == ending;
  };
  if (has_ending(".csv")) {
    const std::vector<CsvRow> rows = parse_csv(text, file);
    if (rows.empty()) return;
    for (std::size_t i = 1; i < rows.size(); ++i) {
      const std::string place = fmt::format("line {}", rows[i].line);
      if (rows[i].cells.size() != rows[0].cells.size()) {
        throw Error(ErrorKind::format, Fault{file, place, fmt::format("{} cells", rows[0].cells.size()),
                                             fmt::format("{}", rows[i].cells.size())});
      }
      Json object = Json::object();
      for (std::size_t c = 0; c < rows[i].cells.size(); ++c) object[rows[0].cells[c]] = rows[i].cells[c];
      visit(Row(object, file, place));
    }
    return;
  }
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (has_ending(".json") && first != std::string::npos && text[first] == '[') {
    const Json rows = parse_json(text, file, "");
    for (std::size_t i = 0; i < rows.size(); ++i) visit(Row(rows[i], file, fmt::format("row {}", i)));
    return;
  }
  const std::vector<std::string_view> lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (stripped(lines[i]).empty()) continue;
    const std::string place = fmt::format("line {}", i + 1);
    const Json object = parse_json(lines[i], file, place);
    visit(Row(object, file, place));
  }
}

}  // namespace

std::string letter(std::size_t index) { return std::string(1, static_cast<char>('A' + index % 26)); }

std::vector<Doc> parse_rows(const DatasetSpec& spec, const std::string& text, const std::string& file) {
  std::vector<Doc> docs;
  each_row(text, file, [&](const Row& row) {
    Doc doc;
    if (spec.format == "arc") {
      doc = arc_row(row);
    } else if (spec.format == "gsm8k") {
      doc = gsm8k_row(row);
    } else if (spec.format == "math") {
      doc = math_row(row);
    } else if (spec.format == "truthfulqa") {
      doc = row.has("Best Answer") ? truthfulqa_csv_row(row) : truthfulqa_row(row);
    } else {
      doc = table_row(row, spec);
    }
    if (doc.gold >= 0) doc.target = letter(static_cast<std::size_t>(doc.gold));
    docs.push_back(std::move(doc));
  });
  return docs;
}

}  // namespace moe::eval

// Telling apart and reading files of stored responses.
#include "eval/regrade/stored.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/sha256.h"
#include "eval/dataset/csv.h"
#include "eval/extract/scan.h"
#include "eval/grade/rational.h"
#include "eval/util/json.h"
#include "eval/util/text_file.h"

namespace moe::eval {
namespace {

using Visit = std::function<void(const StoredResponse&)>;

[[noreturn]] void bad_line(const std::string& path, std::size_t line, std::string expected,
                           std::string found) {
  throw Error(ErrorKind::format,
              Fault{path, fmt::format("line {}", line), std::move(expected), std::move(found)});
}

// One row of a file, with faults that name the line.
class Row {
 public:
  Row(const Json& object, const std::string& path, std::size_t line)
      : object_(object), path_(path), line_(line) {}

  bool has(const std::string& key) const { return object_.contains(key) && !object_[key].is_null(); }

  // Text, or a number as text (doc_id is one, and gold answers may be).
  std::string text(const std::string& key) const {
    const Json* value = object_.contains(key) ? &object_[key] : nullptr;
    if (value && value->is_string()) return value->get<std::string>();
    if (value && value->is_number()) return value->dump();
    bad_line(path_, line_, fmt::format("\"{}\" with text", key),
             value ? describe_json(*value) : "no such key");
  }

  std::string text(const std::string& key, const std::string& fallback) const {
    return has(key) ? text(key) : fallback;
  }

  const Json& object() const { return object_; }
  const std::string& path() const { return path_; }
  std::size_t line() const { return line_; }

 private:
  const Json& object_;
  const std::string& path_;
  std::size_t line_;
};

std::string letter(std::size_t i) { return std::string(1, static_cast<char>('A' + i % 26)); }

void set_question(StoredResponse& stored, std::optional<AnswerKind> kind,
                  const std::vector<std::string>& choices, const std::string& question) {
  stored.question.task = stored.task;
  stored.question.kind = kind ? *kind : infer_kind(stored.task, stored.gold, !choices.empty());
  if (stored.question.kind != AnswerKind::choice) return;
  for (std::size_t i = 0; i < std::min<std::size_t>(choices.size(), 26); ++i)
    stored.question.labels.push_back(letter(i));
  stored.question.options = choices;
  if (choices.empty()) stored.question.labels = infer_labels(question, stored.gold);
}

std::vector<std::string> texts(const Json& value) {
  std::vector<std::string> out;
  if (!value.is_array()) return out;
  for (const Json& item : value) {
    if (!item.is_string()) return {};
    out.push_back(item.get<std::string>());
  }
  return out;
}

// What a record says that a strategy's name does not. Two records that differ in it are of two experiments.
std::vector<std::string> regime_of(const Json& record) {
  std::vector<std::string> out;
  const auto say = [&](std::string_view name, const Json& from, const char* key) {
    const auto value = from.is_object() ? from.find(key) : from.end();
    if (value == from.end() || value->is_null()) return;
    const std::string text = value->is_string() ? value->get<std::string>() : value->dump();
    out.push_back(fmt::format("{} {}", name, text.size() > 40 ? sha256_hex(text).substr(0, 8) : text));
  };
  const Json none = Json::object();
  const auto part = [&](const char* key) -> const Json& { return record.contains(key) ? record[key] : none; };
  say("examples", record, "num_fewshot");
  if (part("num_fewshot") != 0) say("their seed", record, "fewshot_seed");
  say("system", record, "system_instruction");
  say("reasoning", record, "reasoning");
  say("template variables", record, "chat_template_kwargs");
  if (part("chat_template_applied") == true) {
    say("template", part("hashes"), "template");
  } else {
    say("template", record, "chat_template_applied");
  }
  const Json& sampling = part("sampling");
  for (const char* key : {"temperature", "frequency_penalty"}) say(key, sampling, key);
  if (sampling.is_object() && sampling.contains("temperature") && sampling["temperature"] != 0) {
    for (const char* key : {"top_k", "top_p", "min_p"}) say(key, sampling, key);
    say("seed", record, "seed");
  }
  return out;
}

// A line of our journal. Nothing where it holds no response.
bool read_record(const Row& row, std::optional<AnswerKind> kind, StoredResponse& out) {
  if (!row.has("response")) return false;
  out.id = row.text("doc_id");
  out.task = row.text("task");
  // Other budgets and routers are other regimes, and a latency run repeats what a batch answered: none may be summed up
  // with another.
  out.strategy = row.text("strategy", "");
  if (const std::string variant = row.text("variant", ""); !variant.empty()) out.strategy += "__" + variant;
  const Json& timing = row.object().contains("timing") ? row.object()["timing"] : Json();
  if (timing.is_object() && timing.contains("mode") && timing["mode"] == "latency") out.strategy += "__latency";
  out.model = row.text("model", "");
  out.gold = row.text("target");
  out.text = row.text("response");
  if (row.has("answer")) out.answer = row.text("answer");
  const std::string reason = row.text("finish_reason", "");
  out.truncated = reason == "length" || reason == "context";
  const Json& object = row.object();
  out.regime = regime_of(object);
  if (object.contains("flags") && object["flags"].is_object() &&
      object["flags"].contains("thought_unclosed")) {
    const Json& flag = object["flags"]["thought_unclosed"];
    out.thought_unclosed = flag.is_boolean() && flag.get<bool>();
  }
  if (object.contains("repeat") && object["repeat"].is_number_unsigned() && object["repeat"] != 0) {
    out.id += "#" + object["repeat"].dump();
  }
  set_question(out, kind, object.contains("choices") ? texts(object["choices"]) : std::vector<std::string>{},
               "");
  return true;
}

// samples_gsm8k_2024-01-02T03-04-05.678901.jsonl -> gsm8k
std::string task_of_samples(const std::string& path) {
  std::string name = path.substr(path.find_last_of('/') + 1);
  if (name.rfind("samples_", 0) == 0) name.erase(0, 8);
  name = name.substr(0, name.find(".jsonl"));
  const std::size_t time = name.rfind('_');
  if (time != std::string::npos && time + 11 <= name.size() && is_ascii_digit(name[time + 1]) &&
      name[time + 5] == '-') {
    name.erase(time);
  }
  return name;
}

// The choices of a document in the shapes that lm_eval's multiple-choice tasks have.
std::vector<std::string> choices_of(const Json& doc) {
  if (!doc.is_object() || !doc.contains("choices")) return {};
  const Json& choices = doc["choices"];
  return texts(choices.is_object() && choices.contains("text") ? choices["text"] : choices);
}

void read_sample(const Row& row, const std::string& task, std::optional<AnswerKind> kind, const Visit& visit,
                 std::size_t& count) {
  const Json& responses = row.object()["resps"];
  if (!responses.is_array() || responses.empty() || !responses[0].is_array() || responses[0].empty()) {
    bad_line(row.path(), row.line(), "\"resps\" with a list of responses", describe_json(responses));
  }
  StoredResponse stored;
  stored.task = task;
  stored.gold = row.text("target");
  const Json& object = row.object();
  const Json doc = object.contains("doc") ? object["doc"] : Json();
  const std::string question = doc.is_object() && doc.contains("question") && doc["question"].is_string()
                                   ? doc["question"].get<std::string>()
                                   : "";
  set_question(stored, kind, choices_of(doc), question);
  for (std::size_t i = 0; i < responses[0].size(); ++i) {
    if (!responses[0][i].is_string()) {
      bad_line(row.path(), row.line(), "a generated response in \"resps\"",
               describe_json(responses[0][i]) + " (log-likelihoods are scored by choice, not read)");
    }
    stored.id = row.text("doc_id") + (i > 0 ? fmt::format("#{}", i) : "");
    stored.text = responses[0][i].get<std::string>();
    visit(stored);
    ++count;
  }
}

StoredFile read_lines(const std::string& path, const std::string& text, std::optional<AnswerKind> kind,
                      const Visit& visit) {
  StoredFile out;
  enum class Shape { unknown, journal, samples } shape = Shape::unknown;
  const std::string task = task_of_samples(path);
  std::set<std::string> seen;
  std::vector<std::optional<StoredResponse>> records;
  std::map<std::vector<std::string>, std::size_t> last;  // of an item and regime: its place in records
  const std::vector<std::string_view> lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (strip(lines[i]).empty()) continue;
    Json object;
    try {
      object = parse_json(lines[i], path, fmt::format("line {}", i + 1));
    } catch (const Error&) {
      // A journal's last line may have been cut by whatever stopped the run.
      if (shape != Shape::journal || i + 1 != lines.size() || text.back() == '\n') throw;
      out.cut_bytes = lines[i].size();
      break;
    }
    if (!object.is_object()) bad_line(path, i + 1, "a JSON object", describe_json(object));
    const Shape here = object.contains("resps")                                 ? Shape::samples
                       : object.contains("task") && object.contains("response") ? Shape::journal
                                                                                : Shape::unknown;
    if (here == Shape::unknown || (shape != Shape::unknown && shape != here)) {
      bad_line(path, i + 1, "a journal record (\"task\", \"response\") or an lm_eval sample (\"resps\")",
               here == Shape::unknown ? "neither" : "the other one than on the lines before");
    }
    shape = here;
    const Row row(object, path, i + 1);
    if (shape == Shape::samples) {
      if (seen.insert(row.text("doc_id")).second) read_sample(row, task, kind, visit, out.rows);
      continue;
    }
    StoredResponse stored;
    if (!read_record(row, kind, stored)) {
      ++out.without_response;
      continue;
    }
    std::vector<std::string> identity = stored.regime;
    identity.insert(identity.end(), {stored.model, stored.task, stored.strategy, stored.id});
    const auto [place, fresh] = last.try_emplace(std::move(identity), records.size());
    if (!fresh) {
      records[std::exchange(place->second, records.size())].reset();
      ++out.superseded;
    }
    records.emplace_back(std::move(stored));
  }
  for (const std::optional<StoredResponse>& record : records) {
    if (!record) continue;
    visit(*record);
    ++out.rows;
  }
  return out;
}

StoredFile read_csv(const std::string& path, const std::string& text, std::optional<AnswerKind> kind,
                    const Visit& visit) {
  const std::vector<CsvRow> rows = parse_csv(text, path);
  if (rows.empty()) bad_line(path, 1, "a header row", "nothing");
  std::map<std::string, std::size_t> columns;
  for (std::size_t i = 0; i < rows[0].cells.size(); ++i) columns.emplace(rows[0].cells[i], i);
  for (const char* name : {"dataset_name", "strategy", "sample_id", "gold_answer", "response_text"}) {
    if (columns.count(name) == 0)
      bad_line(path, 1, fmt::format("a column \"{}\"", name), "none of that name");
  }
  StoredFile out;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const CsvRow& row = rows[i];
    if (row.cells.size() != rows[0].cells.size()) {
      bad_line(path, row.line, fmt::format("{} cells", rows[0].cells.size()),
               fmt::format("{}", row.cells.size()));
    }
    const auto cell = [&](const char* name) { return row.cells[columns.at(name)]; };
    StoredResponse stored;
    stored.id = cell("sample_id");
    stored.task = cell("dataset_name");
    stored.strategy = cell("strategy");
    stored.gold = cell("gold_answer");
    stored.text = cell("response_text");
    if (columns.count("actual_model_name") > 0) stored.model = cell("actual_model_name");
    set_question(stored, kind, {}, columns.count("question") > 0 ? cell("question") : "");
    visit(stored);
    ++out.rows;
  }
  return out;
}

}  // namespace

Response StoredResponse::response() const {
  if (!answer) return split_response(text, truncated.value_or(false));
  return {text, *answer, thought_unclosed, truncated.value_or(false)};
}

AnswerKind infer_kind(const std::string& task, const std::string& gold, bool has_choices) {
  const std::string name = lower_ascii(task);
  const auto named = [&](std::string_view part) { return name.find(part) != std::string::npos; };
  if (has_choices || named("arc_") || named("truthfulqa") || named("mmlu")) return AnswerKind::choice;
  if (named("gsm")) return AnswerKind::number;
  if (named("math")) return AnswerKind::math;
  const std::string_view bare = strip(gold);
  if (bare.size() == 1 && bare[0] >= 'A' && bare[0] <= 'Z') return AnswerKind::choice;
  if (gold.find("\n#### ") != std::string::npos || parse_rational(bare)) return AnswerKind::number;
  return AnswerKind::math;
}

std::vector<std::string> infer_labels(const std::string& question, const std::string& gold) {
  std::vector<std::string> labels;
  for (const std::string_view line : split_lines(question)) {
    const std::string_view bare = strip(line);
    if (bare.size() < 3 || (bare[1] != '.' && bare[1] != ')') || bare[2] != ' ') continue;
    const bool first = labels.empty() && (bare[0] == 'A' || bare[0] == '1');
    if (first || (!labels.empty() && bare[0] == labels.back()[0] + 1)) labels.emplace_back(1, bare[0]);
  }
  if (labels.size() >= 2) return labels;
  labels = {"A", "B", "C", "D", "E"};
  const std::string_view bare = strip(gold);
  if (bare.size() == 1 && is_ascii_digit(bare[0])) labels.insert(labels.end(), {"1", "2", "3", "4", "5"});
  for (char c = 'F'; bare.size() == 1 && c <= bare[0] && c <= 'Z'; ++c) labels.emplace_back(1, c);
  return labels;
}

StoredFile read_stored(const std::string& path, std::optional<AnswerKind> kind, const Visit& visit) {
  return parse_stored(read_text_file(path), path, kind, visit);
}

StoredFile parse_stored(const std::string& text, const std::string& path, std::optional<AnswerKind> kind, const Visit& visit) {
  const std::string_view bare = strip(text);
  if (bare.empty()) {
    throw Error(ErrorKind::format, Fault{path, "", "stored responses (JSON Lines or CSV)", "an empty file"});
  }
  return bare.front() == '{' ? read_lines(path, text, kind, visit) : read_csv(path, text, kind, visit);
}

}  // namespace moe::eval

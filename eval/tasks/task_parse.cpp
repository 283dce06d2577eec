// Strict reading of task files.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <initializer_list>

#include "engine/base/error.h"
#include "eval/extract/extractor.h"
#include "eval/tasks/task.h"
#include "eval/util/json.h"
#include "eval/util/pattern.h"
#include "engine/base/sha256.h"

namespace moe::eval {
namespace {

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 80 && name.find("__") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
         });
}

std::string plain_name(ObjectReader& reader, const std::string& key, std::string text) {
  if (!is_plain_name(text)) {
    reader.fail(key, "a name of letters, digits, - _ . without a double underscore", "\"" + text + "\"");
  }
  return text;
}

TextTemplate text_template(ObjectReader& reader, const std::string& key, std::string fallback = "") {
  return TextTemplate(reader.text(key, std::move(fallback)), reader.file(), reader.path_of(key));
}

DatasetSpec parse_dataset(ObjectReader reader) {
  DatasetSpec spec;
  spec.name = plain_name(reader, "name", reader.text("name"));
  spec.format = reader.word("format", {"arc", "gsm8k", "math", "truthfulqa", "table"});
  spec.source = reader.text("source");
  ObjectReader splits = reader.object("splits");
  for (const std::string& name : splits.keys()) {
    ObjectReader one = splits.object(name);
    Split split;
    split.files = one.texts("files");
    if (split.files.empty()) one.fail("files", "at least one file name", "an array of 0");
    for (const std::string& file : split.files) {
      if (file.empty() || file.front() == '/' || file.find("..") != std::string::npos) {
        one.fail("files", "names below the data directory", "\"" + file + "\"");
      }
    }
    if (one.has("rows")) split.rows = static_cast<std::size_t>(one.integer("rows", 1, 1'000'000'000));
    one.finish();
    spec.splits.emplace(name, std::move(split));
  }
  if (spec.splits.empty()) reader.fail("splits", "at least one split", "none");
  if (reader.has("fields")) {
    ObjectReader fields = reader.object("fields");
    for (const std::string& key : fields.keys()) spec.fields[key] = fields.text(key);
  }
  if (spec.format == "table" && spec.fields.count("question") == 0) {
    reader.fail("fields", "at least \"question\" for the format table", "no such field");
  }
  if (reader.has("where")) {
    ObjectReader where = reader.object("where");
    for (const std::string& key : where.keys()) spec.where[key] = where.texts(key);
  }
  reader.finish();
  return spec;
}

ExtractorSpec parse_extractor(const Json& value, const ObjectReader& owner, std::size_t index) {
  ExtractorSpec spec;
  if (value.is_string()) {
    spec.name = spec.chain = value.get<std::string>();
    try {
      find_chain(spec.chain);
    } catch (const Error& error) {
      owner.fail(fmt::format("extractors[{}]", index), error.fault().expected, "\"" + spec.chain + "\"");
    }
    return spec;
  }
  ObjectReader reader(value, owner.file(), fmt::format("{}[{}]", owner.path_of("extractors"), index));
  spec.name = plain_name(reader, "name", reader.text("name"));
  spec.pattern = reader.text("pattern");
  spec.last = reader.word("select", {"first", "last"}, "first") == "last";
  reader.finish();
  Pattern(spec.pattern, reader.file(), reader.path_of("pattern"));  // throws where it does not compile
  return spec;
}

MatchSpec parse_match(ObjectReader reader) {
  MatchSpec match;
  match.ignore_case = reader.flag("ignore_case", false);
  match.ignore_punctuation = reader.flag("ignore_punctuation", false);
  match.ignore = reader.texts("ignore", {});
  for (const std::string& pattern : match.ignore) Pattern(pattern, reader.file(), reader.path_of("ignore"));
  reader.finish();
  return match;
}

FewShot parse_fewshot(ObjectReader reader, const Strategy& strategy, const DatasetSpec& dataset) {
  FewShot shots;
  shots.count = static_cast<int>(reader.integer("count", 0, 1000));
  const std::string sampler = reader.word("sampler", {"first", "random", "listed"});
  shots.sampler = sampler == "first" ? ExampleSampler::first : sampler == "random" ? ExampleSampler::random : ExampleSampler::listed;
  shots.delimiter = reader.text("delimiter", "\n\n");
  shots.prompt = text_template(reader, "prompt", strategy.prompt.source());
  shots.target = text_template(reader, "target", strategy.target.source());
  if (shots.sampler == ExampleSampler::listed) {
    const Json& examples = reader.value("examples");
    if (!examples.is_array()) reader.fail("examples", "an array of objects", describe_json(examples));
    for (std::size_t i = 0; i < examples.size(); ++i) {
      ObjectReader one(examples[i], reader.file(), fmt::format("{}[{}]", reader.path_of("examples"), i));
      std::map<std::string, std::string> fields;
      for (const std::string& key : one.keys()) fields[key] = one.text(key);
      for (const TextTemplate* text : {&shots.prompt, &shots.target}) {
        for (const std::string& name : text->names()) {
          if (fields.count(name) == 0) one.fail(name, "the field its template names", "no such key");
        }
      }
      shots.examples.push_back(std::move(fields));
    }
    if (static_cast<std::size_t>(shots.count) > shots.examples.size()) {
      reader.fail("count", fmt::format("at most {}, the examples listed", shots.examples.size()),
                  fmt::format("{}", shots.count));
    }
  } else {
    shots.split = reader.text("split");
    if (dataset.splits.count(shots.split) == 0) {
      reader.fail("split", "one of the dataset's splits", "\"" + shots.split + "\"");
    }
  }
  reader.finish();
  return shots;
}

Strategy parse_strategy(ObjectReader reader, const std::string& name, const DatasetSpec& dataset) {
  Strategy s;
  s.name = name;
  s.note = reader.text("note", "");
  s.kind = reader.word("kind", {"loglikelihood", "generate"}) == "generate" ? Kind::generate : Kind::loglikelihood;
  s.chat = reader.word("chat", {"never", "if_present"}, "never") == "never" ? ChatUse::never : ChatUse::if_present;
  s.system = reader.text("system", "");
  if (!reader.has("prompt")) reader.fail("prompt", "a string", "no such key");
  s.prompt = text_template(reader, "prompt");
  s.target = text_template(reader, "target", "{target}");
  s.target_delimiter = reader.text("target_delimiter", " ");
  s.response_prefix = reader.text("response_prefix", "");
  s.lm_eval = reader.flag("lm_eval", false);
  if (reader.has("choices")) {
    ObjectReader choices = reader.object("choices");
    s.choice_line = text_template(choices, "line", "{letter}. {choice}");
    s.choice_join = choices.text("join", "\n");
    s.most_choices = static_cast<std::size_t>(choices.integer("most", 0, 26, 0));
    s.order = choices.word("order", {"file", "counterbalanced"}, "file") == "file" ? ChoiceOrder::file
                                                                                   : ChoiceOrder::counterbalanced;
    choices.finish();
  } else {
    s.choice_line = TextTemplate("{letter}. {choice}", reader.file(), reader.path_of("choices.line"));
  }
  if (reader.has("fewshot")) s.fewshot = parse_fewshot(reader.object("fewshot"), s, dataset);
  if (s.kind == Kind::loglikelihood) {
    s.continuation = text_template(reader, "continuation", "{choice}");
    s.metrics = reader.texts("metrics", {"acc"});
    for (const std::string& metric : s.metrics) {
      if (metric != "acc" && metric != "acc_norm" && metric != "acc_bytes") {
        reader.fail("metrics", "among acc, acc_norm, acc_bytes", "\"" + metric + "\"");
      }
    }
  } else {
    s.stop = reader.texts("stop", {});
    if (std::count(s.stop.begin(), s.stop.end(), "") > 0) reader.fail("stop", "strings that are not empty", "\"\"");
    s.max_tokens = static_cast<int>(reader.integer("max_tokens", 1, 1 << 20));
    s.metrics = {"exact_match"};
    s.answer_kind = reader.word("answer_kind", {"number", "math", "choice"});
    const Json& extractors = reader.value("extractors");
    if (!extractors.is_array() || extractors.empty()) {
      reader.fail("extractors", "an array of at least one chain", describe_json(extractors));
    }
    for (std::size_t i = 0; i < extractors.size(); ++i) {
      s.extractors.push_back(parse_extractor(extractors[i], reader, i));
      for (std::size_t j = 0; j < i; ++j) {
        if (s.extractors[j].name == s.extractors[i].name) {
          reader.fail("extractors", "names that differ", "\"" + s.extractors[i].name + "\" twice");
        }
      }
    }
    if (reader.has("match")) s.match = parse_match(reader.object("match"));
  }
  reader.finish();
  return s;
}

// Every template may only name what documents of the format have, so that a misspelt placeholder fails at load.
void check_names(const Task& task, const Strategy& s) {
  std::set<std::string> known = {"question", "answer", "target", "choices", "letters", "letter", "id"};
  if (task.dataset.format == "arc") known.insert("label");
  if (task.dataset.format == "math") known.insert({"problem", "solution", "level", "subject"});
  if (task.dataset.format == "truthfulqa") known.insert("category");
  for (const auto& [name, unused] : task.dataset.fields) known.insert(name);
  const auto check = [&](const TextTemplate& text, const char* key, bool of_choice) {
    for (const std::string& name : text.names()) {
      if (known.count(name) != 0 || (of_choice && name == "choice")) continue;
      std::string list;
      for (const std::string& word : known) list += (list.empty() ? "" : ", ") + word;
      throw Error(ErrorKind::config, Fault{task.file, fmt::format("strategies.{}.{}", s.name, key),
                                           "a placeholder among " + list, "{" + name + "}"});
    }
  };
  check(s.prompt, "prompt", false);
  check(s.target, "target", false);
  check(s.continuation, "continuation", true);
  check(s.choice_line, "choices.line", true);
  if (s.fewshot.sampler != ExampleSampler::listed) {
    check(s.fewshot.prompt, "fewshot.prompt", false);
    check(s.fewshot.target, "fewshot.target", false);
  }
}

}  // namespace

Task parse_task(std::string_view json_text, const std::string& file) {
  const Json root = parse_json(json_text, file, "");
  ObjectReader reader(root, file, "");
  Task task;
  task.file = file;
  task.name = plain_name(reader, "task", reader.text("task"));
  task.version = reader.text("version");
  task.title = reader.text("title");
  task.dataset = parse_dataset(reader.object("dataset"));
  task.eval_split = reader.text("eval_split", "test");
  if (task.dataset.splits.count(task.eval_split) == 0) {
    reader.fail("eval_split", "one of the dataset's splits", "\"" + task.eval_split + "\"");
  }
  ObjectReader strategies = reader.object("strategies");
  for (const std::string& name : strategies.keys()) {
    plain_name(strategies, name, name);
    task.strategies.push_back(parse_strategy(strategies.object(name), name, task.dataset));
    check_names(task, task.strategies.back());
  }
  if (task.strategies.empty()) reader.fail("strategies", "at least one strategy", "none");
  task.default_strategy = reader.text("default_strategy", task.strategies.front().name);
  const auto known = [&](const Strategy& s) { return s.name == task.default_strategy; };
  if (std::none_of(task.strategies.begin(), task.strategies.end(), known)) {
    reader.fail("default_strategy", "one of the strategies", "\"" + task.default_strategy + "\"");
  }
  reader.finish();
  task.hash = sha256_hex(json_text);
  return task;
}

}  // namespace moe::eval

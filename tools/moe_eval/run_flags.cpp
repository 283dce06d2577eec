// The flags of `moe-eval run`.
#include "tools/moe_eval/run_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/base/error.h"
#include "eval/run/reply_scheduler.h"
#include "eval/util/json.h"
#include "eval/util/text_file.h"

namespace moe::tools {

using namespace moe::eval;

namespace {

constexpr const char* kOwn = "own";

[[noreturn]] void bad(const std::string& flag, const std::string& expected, const std::string& found) {
  throw Error(ErrorKind::usage, Fault{"", flag, expected, "\"" + found + "\""});
}

// "own" or a whole number from `low` on.
std::optional<int> own_or_number(const std::string& flag, const std::string& text, int low) {
  if (text == kOwn) return std::nullopt;
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value < low) {
    bad(flag, fmt::format("whole numbers from {} on, or \"own\"", low), text);
  }
  return value;
}

std::optional<bool> own_or_switch(const std::string& flag, const std::string& text) {
  if (text == kOwn) return std::nullopt;
  if (text != "on" && text != "off" && text != "true" && text != "false") bad(flag, "on, off or own", text);
  return text == "on" || text == "true";
}

// 500M, 8G, 1.5GB, or bytes; powers of 1000.
std::size_t bytes_of(const std::string& flag, const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  std::string unit(end);
  if (!unit.empty() && (unit.back() == 'B' || unit.back() == 'b')) unit.pop_back();
  const double scale = unit.empty()                 ? 1
                       : unit == "k" || unit == "K" ? 1e3
                       : unit == "M"                ? 1e6
                       : unit == "G"                ? 1e9
                       : unit == "T"                ? 1e12
                                                    : 0;
  if (end == text.c_str() || !(number > 0) || scale == 0 || number * scale > 1e18)
    bad(flag, "an amount of memory such as 8G or 500M", text);
  return static_cast<std::size_t>(number * scale);
}

template <typename Value>
std::vector<Value> distinct(std::vector<Value> values) {
  std::vector<Value> out;
  for (Value& value : values) {
    if (std::find(out.begin(), out.end(), value) == out.end()) out.push_back(std::move(value));
  }
  return out;
}

void settle_axes(RunFlags& flags) {
  for (const std::string& text : flags.max_tokens)
    flags.caps.push_back(own_or_number("--max-tokens", text, 1));
  std::vector<std::optional<int>> experts;
  for (const std::string& text : flags.experts_per_token)
    experts.push_back(own_or_number("--experts-per-token", text, 1));
  std::vector<std::optional<bool>> renormalise;
  for (const std::string& text : flags.renormalise)
    renormalise.push_back(own_or_switch("--renormalise", text));
  if (flags.caps.empty()) flags.caps.emplace_back();
  if (experts.empty()) experts.emplace_back();
  if (renormalise.empty()) renormalise.emplace_back();
  for (const auto& k : experts) {
    for (const auto& sum_to_one : renormalise) flags.routers.push_back({k, sum_to_one});
  }
  flags.caps = distinct(std::move(flags.caps));
  flags.routers = distinct(std::move(flags.routers));
}

// FILE, or TASK=FILE.
void settle_items(RunFlags& flags, const TaskRegistry& registry) {
  for (const std::string& text : flags.items) {
    const std::size_t equals = text.find('=');
    const std::string task = equals == std::string::npos ? "" : text.substr(0, equals);
    const bool named =
        std::ranges::any_of(registry.tasks(), [&](const Task& known) { return known.name == task; });
    if (named) {
      flags.run.task_items[task] = read_items(text.substr(equals + 1));
    } else {
      flags.run.items = read_items(text);
    }
  }
}

std::vector<std::string> texts_of(const Json& value, const std::string& path, const std::string& key) {
  if (value.is_array()) {
    std::vector<std::string> out;
    for (const Json& one : value) {
      if (one.is_array())
        throw Error(ErrorKind::config, Fault{path, key, "no array inside an array", describe_json(one)});
      for (std::string& text : texts_of(one, path, key)) out.push_back(std::move(text));
    }
    return out;
  }
  if (value.is_null()) return {kOwn};
  if (value.is_string()) return {value.get<std::string>()};
  // An object is the value of a flag that takes JSON (--chat-template-kwargs).
  return {value.dump()};
}

}  // namespace

void add_run_flags(CLI::App& app, RunFlags& f) {
  app.add_option("--sweep,--config", f.sweep,
                 "JSON file with flags: {\"model\": [...], \"tasks\": [...], \"max_tokens\": [256, 512]}; "
                 "the command line wins")->type_name("FILE");
  app.add_option("-m,--model,--models", f.models,
                 "Model directory, or org/name in the Hugging Face cache; may be given again")->type_name("MODEL")
      ->allow_extra_args(false);
  add_selection_flags(app, f.selection);
  app.add_option("-o,--output-path", f.output,
                 "Directory of journals and results; each model has a folder in it")->type_name("DIR")
      ->capture_default_str();
  app.add_option("-L,--limit", f.limit, "Only the first so many items of each task")
      ->check(CLI::Range(1, INT32_MAX));
  app.add_option("--items", f.items,
                 "A file with the items to run (numbers from 0, or JSON Lines with sample_id and question); "
                 "TASK=FILE for one task; may be given again")->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("-f,--num-fewshot", f.run.prompt.fewshot,
                 "Worked examples in a prompt (default: as the strategy says)")
      ->check(CLI::Range(0, 1000));
  app.add_option("--fewshot-seed", f.run.prompt.fewshot_seed, "Seed of drawn examples (lm_eval's default)")
      ->capture_default_str();
  app.add_option("--extractor", f.run.extractors,
                 "Extractor chains in place of the strategy's, separated by commas")->type_name("NAMES")
      ->delimiter(',');
  app.add_flag("--apply-chat-template", f.chat, "Wrap every prompt in the model's chat template");
  app.add_flag("--no-chat-template", f.no_chat, "Never use the chat template");
  app.add_option("--system-instruction", f.run.prompt.system, "Text before the prompt, as the system's turn");
  app.add_option("--temp,--temperature", f.run.sampling.temperature, "Temperature; 0: greedy")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--top-k", f.run.sampling.top_k, "Keep the k most likely tokens; 0: all")
      ->check(CLI::Range(0, 1 << 30));
  app.add_option("--top-p", f.run.sampling.top_p, "Keep the fewest tokens that hold this much probability")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--min-p", f.run.sampling.min_p, "Drop tokens below this share of the likeliest one")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--repeats", f.run.repeats, "Samples of each item (needs --temp)")
      ->check(CLI::Range(1, 10000));
  app.add_option("-s,--seed", f.run.seed, "Seed of draws and of the order of choices; recorded")
      ->capture_default_str();
  app.add_option("-c,--ctx-size", f.engine.context,
                 "Tokens a sequence may hold (default: what the model was made for)")
      ->check(CLI::Range(1, INT32_MAX));
  add_rope_length_flag(app, f.engine.rope_length);
  app.add_option("-t,--threads", f.engine.threads,
                 "Threads (default: the physical cores this process may use)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--batch-size", f.engine.sequences, "Items worked on at once; answers do not depend on it")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_flag("--latency", f.latency,
               "One item at a time and nothing shared, as latency is measured; recorded, and never mixed "
               "with records of batches");
  app.add_flag(
      "--ignore-stops", f.run.ignore_stops,
      "Every reply runs to its cap, for measuring time: its accuracy means nothing; recorded, and part of "
      "the result's name");
  app.add_flag("--no-share-prefix", f.no_share, "Compute what prompts begin with for each of them");
  app.add_option(
      "--kv-memory", f.kv_memory,
      "Memory for keys and values, such as 8G: items beyond it wait (default: half of what is free)")->type_name("SIZE");
  app.add_option("--chat-template", f.engine.text.chat_template,
                 "Name or file of a chat template (default: the model's own)")->type_name("NAME|FILE");
  app.add_option("--chat-template-kwargs", f.engine.text.chat_kwargs,
                 "JSON object of variables for the chat template")->type_name("JSON");
  app.add_option("--reasoning", f.engine.text.reasoning,
                 "Whether the model thinks before it answers: on, off, or the template's default")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  auto* axes = app.add_option_group(
      "Axes of a sweep",
      "Each takes several values, separated by commas; \"own\" is the strategy's or the model's own.");
  axes->add_option("--max-tokens,--max-gen-toks", f.max_tokens, "New tokens at most")->type_name("NUMBERS")->delimiter(',');
  axes->add_option("--experts-per-token", f.experts_per_token, "Experts a token goes to")->type_name("NUMBERS")->delimiter(',');
  axes->add_option("--renormalise,--renormalize", f.renormalise,
                   "Whether the chosen experts' weights are made to sum to 1: on, off")
      ->delimiter(',');
  add_load_axes(*axes, *app.add_option_group("Weights on disk and in memory"), f.load);
  add_routing_stats_flags(*app.add_option_group("Statistics of the router", "One file for all conditions."),
                          f.routing_stats);
}

void read_flag_file(CLI::App& app, const std::string& path) {
  const Json file = parse_json(read_text_file(path, std::size_t{16} << 20), path, "");
  if (!file.is_object())
    throw Error(ErrorKind::config, Fault{path, "", "an object of flags", describe_json(file)});
  for (const auto& [key, value] : file.items()) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', '-');
    CLI::Option* option = app.get_option_no_throw("--" + name);
    if (option == nullptr || name == "help" || name == "sweep" || name == "config") {
      throw Error(ErrorKind::config,
                  Fault{path, key, "a flag of moe-eval run without its dashes", "no such flag"});
    }
    if (option->count() > 0) continue;  // the command line wins
    const bool flag = option->get_expected_max() == 0;
    if (flag && !value.is_boolean())
      throw Error(ErrorKind::config, Fault{path, key, "true or false", describe_json(value)});
    if (flag && !value.get<bool>()) continue;
    try {
      option->add_result(texts_of(value, path, key));
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      throw Error(ErrorKind::config, Fault{path, key, "a value that the flag takes", error.what()});
    }
  }
}

void settle(RunFlags& flags, const TaskRegistry& registry) {
  if (flags.chat && flags.no_chat)
    throw Error(ErrorKind::usage, "--apply-chat-template and --no-chat-template exclude each other");
  if (flags.run.repeats > 1 && flags.run.sampling.temperature <= 0) {
    throw Error(ErrorKind::usage, Fault{"", "--repeats", "--temp above 0 (greedy answers are all the same)",
                                        fmt::format("{} repeats at temperature 0", flags.run.repeats)});
  }
  validate(sampling_options(flags.run.sampling));
  if (const std::string& variables = flags.engine.text.chat_kwargs; !variables.empty()) {
    const Json json = parse_json(variables, "--chat-template-kwargs", "");
    if (!json.is_object()) throw Error(ErrorKind::usage, Fault{"", "--chat-template-kwargs", "a JSON object", describe_json(json)});
  }
  flags.models = distinct(std::move(flags.models));
  if (flags.limit > 0) flags.run.limit = flags.limit;
  if (flags.latency) flags.engine.sequences = 1;
  if (flags.engine.sequences == 1 || flags.no_share) flags.engine.share_prefix = false;
  if (!flags.kv_memory.empty()) flags.engine.kv_bytes = bytes_of("--kv-memory", flags.kv_memory);
  if (!flags.routing_stats.file.empty()) flags.engine.routing_window = flags.routing_stats.window;
  if (flags.chat) flags.run.prompt.chat = 1;
  if (flags.no_chat) flags.run.prompt.chat = 0;
  flags.run.data = data_directories(flags.selection.data);
  settle_axes(flags);
  flags.forms = combinations(flags.load);
  settle_items(flags, registry);
}

}  // namespace moe::tools

// moe-run's way from flags to text: load, tokenise, generate, report.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/base/atomic_file.h"
#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/base/json.h"
#include "engine/checkpoint/hub.h"
#include "engine/checkpoint/identity.h"
#include "engine/runtime/generate.h"
#include "engine/text/tokenizer.h"
#include "models/registry.h"
#include "tools/common/interrupt.h"
#include "tools/common/memory.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"
#include "tools/common/routing_json.h"
#include "tools/moe_run/npy_writer.h"
#include "tools/moe_run/options.h"
#include "tools/moe_run/report.h"
#include "tools/moe_run/stop_text.h"

namespace moe::tools {
namespace {

constexpr std::size_t kLongestPrompt = std::size_t{1} << 30;

std::vector<std::int32_t> read_ids(const std::string& path) {
  const nlohmann::json json = parse_json_file(path);
  if (!json.is_array()) throw Error(ErrorKind::format, Fault{path, "", "an array of token ids", json.type_name()});
  std::vector<std::int32_t> ids;
  for (const auto& value : json) {
    if (!value.is_number_integer() || value.get<std::int64_t>() < 0 || value.get<std::int64_t>() > INT32_MAX) {
      throw Error(ErrorKind::format, Fault{path, fmt::format("element {}", ids.size()), "a token id", value.dump()});
    }
    ids.push_back(value.get<std::int32_t>());
  }
  return ids;
}

std::string drop_last_newline(std::string text) {
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string read_prompt(const RunOptions& o) {
  if (o.prompt) return *o.prompt;
  if (!o.prompt_file.empty()) return drop_last_newline(read_file(o.prompt_file, kLongestPrompt));
  if (isatty(STDIN_FILENO) != 0) throw Error(ErrorKind::usage, "no prompt: give -p, -f or --prompt-ids, or pipe one in");
  return drop_last_newline({std::istreambuf_iterator<char>(std::cin), {}});
}

std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

// Text on its way to the terminal: whole characters, and nothing from a stop string on.
class Output {
 public:
  Output(const std::shared_ptr<const Tokenizer>& tokenizer, const std::vector<std::string>& stops, bool show)
      : stops_(stops), show_(show) {
    if (tokenizer) decoder_ = std::make_unique<StreamDecoder>(tokenizer, true);
  }

  bool push(std::int32_t id) {
    if (decoder_) emit(stops_.push(decoder_->push(id)));
    return !stops_.found();
  }
  std::string finish() {
    if (decoder_) emit(stops_.push(decoder_->finish()));
    emit(stops_.finish());
    if (show_) std::fputc('\n', stdout);
    return text_;
  }

 private:
  void emit(const std::string& piece) {
    text_ += piece;
    if (!show_ || piece.empty()) return;
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    std::fflush(stdout);
  }

  std::unique_ptr<StreamDecoder> decoder_;
  StopText stops_;
  bool show_;
  std::string text_;
};

std::shared_ptr<const Model> load(const std::filesystem::path& directory, kernels::ThreadTeam& team,
                                  const models::RouterOverride& router) {
  std::unique_ptr<Progress> progress;
  LoadOptions options;
  options.team = &team;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    if (!progress) progress = std::make_unique<Progress>("loading", std::uint64_t(total), ProgressUnit::bytes);
    progress->update(std::uint64_t(done));
  };
  return models::load_model(directory, options, router);
}

}  // namespace

int run(const RunOptions& o) {
  const auto start = std::chrono::steady_clock::now();
  if (o.logprobs >= 0 && !o.json) throw Error(ErrorKind::usage, "--logprobs needs --json");
  validate(o.sampling);
  catch_interrupts();
  const std::filesystem::path directory = resolve_model(o.model);
  const kernels::KernelTable& kernels = kernels::select_kernels();
  kernels::ThreadTeam team(o.threads);

  // The prompt is read before the model: a missing file should not cost a long load.
  RunFacts facts;
  std::string prompt;
  if (!o.prompt_ids_file.empty()) {
    facts.prompt_ids = read_ids(o.prompt_ids_file);
  } else {
    prompt = read_prompt(o);
  }
  std::shared_ptr<const Tokenizer> tokenizer;
  if (std::filesystem::exists(directory / "tokenizer.json")) {
    tokenizer = Tokenizer::load(directory);
  } else if (o.prompt_ids_file.empty()) {
    throw Error(ErrorKind::io, Fault{(directory / "tokenizer.json").string(), "", "a tokenizer (or --prompt-ids)", "no such file"});
  }
  if (o.prompt_ids_file.empty()) facts.prompt_ids = tokenizer->encode(prompt);
  if (facts.prompt_ids.empty()) throw Error(ErrorKind::usage, "the prompt is empty: there is nothing to continue");
  if (!tokenizer && !o.stop.empty()) throw Error(ErrorKind::usage, "--stop needs a tokenizer, and the model directory has none");

  const std::shared_ptr<const Model> model = load(directory, team, o.router);
  Executor::Options executor_options;
  executor_options.kernels = &kernels;
  std::unique_ptr<RoutingStats> routing;
  if (!o.routing_stats.empty()) {
    routing = std::make_unique<RoutingStats>(model->spec(), o.routing_window);
    if (routing->layers().empty()) throw Error(ErrorKind::usage, Fault{"", "--routing-stats", "a model with experts", "a dense model"});
    executor_options.routing = routing.get();
  }
  Executor executor(model, team, executor_options);
  facts.load_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  facts.after_load_rss = resident_bytes();

  GenerateOptions options;
  options.max_new_tokens = o.new_tokens < 0 ? INT32_MAX : o.new_tokens;
  options.context = o.context;
  options.chunk = o.chunk;
  options.sampling = o.sampling;
  options.sampling.seed = facts.seed = o.seed ? *o.seed : random_seed();
  if (!o.ignore_eos) options.stop_ids = model->spec().stop_ids;
  options.logprobs = o.logprobs;
  options.all_prompt_logits = !o.dump_logits.empty();
  if (tokenizer) {
    for (std::int32_t id = 0; id < model->spec().vocab; ++id) options.allowed.push_back(tokenizer->is_defined(id));
  }

  std::unique_ptr<NpyWriter> dump;
  if (!o.dump_logits.empty()) dump = std::make_unique<NpyWriter>(o.dump_logits, model->spec().vocab);
  Output output(tokenizer, o.stop, !o.json);
  std::unique_ptr<Progress> progress;
  GenerateHooks hooks;
  hooks.interrupted = [] { return interrupted(); };
  hooks.on_token = [&](std::int32_t id) {
    progress.reset();
    return output.push(id);
  };
  if (dump) hooks.on_logits = [&](std::span<const float> rows) { dump->append(rows); };
  if (facts.prompt_ids.size() > std::size_t(o.chunk)) {
    progress = std::make_unique<Progress>("reading the prompt", facts.prompt_ids.size());
    hooks.on_prefill = [&](std::int32_t done) { progress->update(std::uint64_t(done)); };
  }

  facts.generation = generate(executor, facts.prompt_ids, options, hooks);
  progress.reset();
  const std::string text = output.finish();
  if (dump) dump->finish();
  if (routing) write_file_atomically(o.routing_stats, routing_json(*routing).dump(1) + "\n");
  if (tokenizer) facts.text = text;
  facts.finish_reason = name(facts.generation.finish);
  facts.with_logprobs = o.logprobs >= 0;
  facts.kernels = kernels.name;
  facts.threads = team.size();
  facts.compute = o.compute;
  facts.weights = o.weights;
  if (o.json) {
    facts.model_hash = checkpoint_hash(model->checkpoint(), unsigned(team.size()));
    const std::string json = run_json(facts).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    std::fwrite(json.data(), 1, json.size(), stdout);
    std::fputc('\n', stdout);
  }
  print_summary(facts, o.verbose);
  return facts.generation.finish == FinishReason::interrupted ? kInterrupted : kDone;
}

}  // namespace moe::tools

#include "tools/moe_run/session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/base/clock.h"
#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/base/json.h"
#include "engine/checkpoint/identity.h"
#include "models/registry.h"
#include "tools/common/interrupt.h"
#include "tools/common/memory.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"

namespace moe::tools {
namespace {

constexpr std::size_t kLongestPrompt = std::size_t{1} << 30;

// Editors end files with a newline that nobody means as part of the prompt.
std::string drop_last_newline(std::string text) {
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

std::shared_ptr<const Model> load(const std::filesystem::path& directory, kernels::ThreadTeam& team, const RunOptions& o) {
  std::unique_ptr<Progress> progress;
  LoadOptions options = load_options(o.load);
  options.team = &team;
  options.note = [&](const std::string& text) {
    progress.reset();
    print_warning("moe-run", text);
  };
  options.progress = [&](std::int64_t done, std::int64_t total) {
    stop_if_interrupted("loading the model");
    if (!progress) progress = std::make_unique<Progress>("loading", std::uint64_t(total), ProgressUnit::bytes);
    progress->update(std::uint64_t(done));
  };
  return models::load_model(directory, options, o.router);
}

}  // namespace

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

// A stream would take what cannot be read for the end.
std::string read_standard_input() {
  std::string text;
  char part[1 << 16];
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, part, sizeof part);
    if (n == 0) return text;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error(ErrorKind::io, Fault{"standard input", "", "a prompt", system_message(errno)});
    text.append(part, std::size_t(n));
    if (text.size() > kLongestPrompt) {
      throw Error(ErrorKind::limit, Fault{"standard input", "", fmt::format("at most {} bytes", kLongestPrompt), "more"});
    }
  }
}

std::string read_prompt(const RunOptions& o) {
  if (o.prompt) return *o.prompt;
  if (!o.prompt_file.empty()) return drop_last_newline(read_file(o.prompt_file, kLongestPrompt));
  if (isatty(STDIN_FILENO) != 0) throw Error(ErrorKind::usage, "no prompt: give -p, -f, --file or --prompt-ids, or pipe one in");
  return drop_last_newline(read_standard_input());
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& directory) {
  return is_present(directory / "tokenizer.json") ? Tokenizer::load(directory) : nullptr;
}

PendingTokenizer start_tokenizer(const std::filesystem::path& directory) {
  return std::async(std::launch::async, [directory] { return load_tokenizer(directory); }).share();
}

PendingTokenizer ready(std::shared_ptr<const Tokenizer> tokenizer) {
  std::promise<std::shared_ptr<const Tokenizer>> promise;
  promise.set_value(std::move(tokenizer));
  return promise.get_future().share();
}

Session::Session(const RunOptions& o, const std::filesystem::path& directory, PendingTokenizer tokenizer)
    : options_(o), tokenizer_(std::move(tokenizer)), kernels_(kernels::select_kernels()), team_(o.threads) {
  const auto start = Clock::now();
  if (o.logprobs >= 0 && !o.json) throw Error(ErrorKind::usage, "--logprobs needs --json");
  if (!o.stop.empty() && !tokenizer_.get()) throw Error(ErrorKind::usage, "--stop needs a tokenizer, and the model directory has none");
  validate(o.sampling);
  check_writable(o.routing_stats);
  model_ = load(directory, team_, o);
  const ModelSpec& spec = model_->spec();
  Executor::Options executor;
  executor.kernels = &kernels_;
  executor.compute = compute_of(o.load);
  executor.kv_type = kv_type_of(o.load);
  executor.fast_prefill = o.fast_prefill;
  executor.rope_length = o.rope_length;
  if (!o.routing_stats.file.empty()) {
    routing_ = std::make_unique<RoutingStats>(spec, o.routing_stats.window);
    executor.routing = routing_.get();
  }
  executor_ = std::make_unique<Executor>(model_, team_, executor);
  load_s_ = seconds_since(start);
  after_load_rss_ = resident_bytes();

  generate_.max_new_tokens = o.new_tokens < 0 ? INT32_MAX : o.new_tokens;
  generate_.context = o.context;
  generate_.chunk = o.chunk;
  generate_.sampling = o.sampling;
  generate_.sampling.seed = o.seed ? *o.seed : random_seed();
  if (!o.ignore_eos) generate_.stop_ids = spec.stop_ids;
  generate_.logprobs = o.logprobs;
  generate_.all_prompt_logits = !o.dump_logits.empty();
  if (!o.dump_logits.empty()) dump_ = std::make_unique<NpyWriter>(o.dump_logits, spec.vocab);
}

Generation Session::generate_from(Sequence& sequence, std::span<const std::int32_t> ids,
                                  std::function<bool(std::int32_t)> on_token) {
  std::unique_ptr<Progress> progress;
  GenerateHooks hooks;
  hooks.allowed = [&] {
    std::vector<bool> allowed;
    const std::shared_ptr<const Tokenizer> tokenizer = tokenizer_.get();
    for (std::int32_t id = 0; tokenizer && id < model_->spec().vocab; ++id) allowed.push_back(tokenizer->is_defined(id));
    return allowed;
  };
  hooks.interrupted = [] { return interrupted(); };
  hooks.on_token = [&](std::int32_t id) {
    progress.reset();
    return on_token(id);
  };
  if (dump_) hooks.on_logits = [&](std::span<const float> rows) { dump_->append(rows); };
  if (ids.size() > std::size_t(options_.chunk)) {
    progress = std::make_unique<Progress>("reading the prompt", ids.size());
    hooks.on_prefill = [&](std::int32_t done) { progress->update(std::uint64_t(done)); };
  }
  return generate(*executor_, sequence, ids, generate_, hooks);
}

void Session::finish_files() {
  if (dump_) dump_->finish();
  if (routing_) write_routing_stats(*routing_, options_.routing_stats.file);
}

RunFacts Session::facts(bool with_model_hash) const {
  RunFacts facts;
  facts.load_s = load_s_;
  facts.after_load_rss = after_load_rss_;
  facts.kernels = kernels_.name;
  facts.compute = kernels::compute_name(compute_of(options_.load));
  facts.cache = kernels::kv_type_name(kv_type_of(options_.load));
  facts.weights = options_.load.weights;
  facts.weights_in = name(model_->place());
  facts.threads = team_.size();
  facts.seed = generate_.sampling.seed;
  facts.with_logprobs = options_.logprobs >= 0;
  if (with_model_hash) {
    const std::filesystem::path cache = cache_folder();
    facts.model_hash = kept_checkpoint_hash(model_->checkpoint(), cache.empty() ? cache : cache / "hashes", unsigned(team_.size()));
  }
  return facts;
}

void show(std::string_view piece) {
  if (std::fwrite(piece.data(), 1, piece.size(), stdout) == piece.size() && std::fflush(stdout) == 0) return;
  // Said at once: a reader that is gone, or a full disk, should not cost the rest of a long text.
  throw Error(ErrorKind::io, Fault{"", "standard output", "to write all of it", system_message(errno)});
}

int report(const RunOptions& options, const RunFacts& facts) {
  if (options.json) show(run_json(facts).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  print_summary(facts, options.verbose);
  return facts.generation.finish == FinishReason::interrupted ? kInterrupted : kDone;
}

}  // namespace moe::tools

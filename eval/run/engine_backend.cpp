// The engine behind a run.
#include "eval/run/engine_backend.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/base/sha256.h"
#include "engine/checkpoint/hub.h"
#include "engine/checkpoint/identity.h"
#include "engine/model/closed_form.h"
#include "engine/runtime/generate.h"
#include "engine/runtime/score.h"
#include "engine/text/tokenizer.h"
#include "eval/extract/extractor.h"
#include "eval/run/stop_strings.h"
#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"
#include "models/registry.h"

namespace moe::eval {
namespace {

constexpr std::size_t kLargestText = std::size_t{256} << 20;  // of a tokenizer or template file

std::string hash_if_there(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? sha256_hex(read_file(path, kLargestText)) : "";
}

class EngineBackend final : public Backend {
 public:
  EngineBackend(const std::string& model, const EngineOptions& options) : team_(options.threads) {
    const std::filesystem::path directory = resolve_model(model);
    tokenizer_ = Tokenizer::load(directory);  // before the weights: a missing file should not cost a long load
    LoadOptions load;
    load.team = &team_;
    load.progress = [&](std::int64_t done, std::int64_t total) {
      if (options.loading) options.loading(static_cast<std::uint64_t>(done), static_cast<std::uint64_t>(total));
    };
    model_ = models::load_model(directory, load);
    executor_ = std::make_unique<Executor>(model_, team_);
    const ModelSpec& spec = model_->spec();
    context_ = options.context > 0 ? static_cast<std::int32_t>(options.context) : spec.max_positions;
    stop_ids_ = spec.stop_ids;
    if (const auto eos = tokenizer_->eos_id(); eos && std::ranges::find(stop_ids_, *eos) == stop_ids_.end()) {
      stop_ids_.push_back(*eos);
    }
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(tokenizer_->vocab_size()); ++id) {
      allowed_.push_back(tokenizer_->is_defined(id));
    }
    rules_.encode = [this](std::string_view text, bool add_special) { return tokenizer_->encode(text, add_special); };
    rules_.bos_text = tokenizer_->bos_token();
    rules_.prefix = tokenizer_->bos_id().value_or(tokenizer_->eos_id().value_or(-1));
    fill_info(model, directory, options);
  }

  const BackendInfo& info() const override { return info_; }
  const TokenRules& tokens() const override { return rules_; }
  const ChatRenderer& chat() const override { return chat_; }

  void run(std::span<const Job> jobs, const std::function<void(std::size_t, JobResult)>& done,
           const std::function<bool()>& interrupted) override {
    for (std::size_t i = 0; i < jobs.size() && !interrupted(); ++i) {
      JobResult result;
      try {
        if (const auto* score_job = std::get_if<ScoreJob>(&jobs[i])) {
          result = run_score(*score_job);
        } else if (!run_generate(std::get<GenerateJob>(jobs[i]), interrupted, result)) {
          return;
        }
      } catch (const Error& error) {
        // Only what this job asked for may fail it alone; a broken model or machine ends the run.
        if (error.kind() != ErrorKind::limit && error.kind() != ErrorKind::usage) throw;
        result = JobResult();
        result.error = error.what();
      }
      done(i, std::move(result));
    }
  }

 private:
  void fill_info(const std::string& model, const std::filesystem::path& directory, const EngineOptions& options) {
    const ModelSpec& spec = model_->spec();
    info_.model = model;
    info_.family = spec.family;
    info_.model_hash = checkpoint_hash(model_->checkpoint(), static_cast<unsigned>(team_.size()));
    info_.tokenizer_hash = sha256_hex(hash_if_there(directory / "tokenizer.json") +
                                      hash_if_there(directory / "tokenizer_config.json") +
                                      hash_if_there(directory / "special_tokens_map.json"));
    info_.engine_version = options.engine_version;
    info_.kernels = executor_->kernels().name;
    info_.compute = "f32";
    info_.weights = "native";
    info_.machine = machine_name();
    info_.threads = team_.size();
    info_.context = context_;
    for (const std::string_view name : model_->checkpoint().names()) {
      std::int64_t count = 1;
      for (const std::int64_t size : model_->checkpoint().require(name).shape) count *= size;
      info_.parameters += count;
    }
    info_.active_parameters = matmul_parameters(spec) + std::int64_t{spec.vocab} * spec.hidden;
    info_.after_load_rss_bytes = resident_bytes();
  }

  JobResult run_score(const ScoreJob& job) {
    const ScoreResult scored = moe::score(*executor_, job.context, job.continuations, context_);
    JobResult result;
    result.finish_reason = "scored";
    for (const ContinuationScore& one : scored.scores) {
      result.loglikelihoods.push_back(one.loglikelihood);
      result.greedy.push_back(one.is_greedy);
    }
    result.prompt_tokens = job.context.size();
    for (const TokenIds& one : job.continuations) result.prompt_tokens += one.size();
    result.prefill = scored.executed;
    result.alone_prefill = scored.as_if_alone;
    result.prefill_s = scored.seconds;
    return result;
  }

  // False: interrupted before the end.
  bool run_generate(const GenerateJob& job, const std::function<bool()>& interrupted, JobResult& result) {
    GenerateOptions options;
    options.max_new_tokens = job.max_tokens;
    options.context = context_;
    options.stop_ids = stop_ids_;
    options.allowed = allowed_;
    options.sampling.temperature = static_cast<float>(job.sampling.temperature);
    options.sampling.top_k = job.sampling.top_k;
    options.sampling.top_p = static_cast<float>(job.sampling.top_p);
    options.sampling.min_p = static_cast<float>(job.sampling.min_p);
    options.sampling.frequency_penalty = static_cast<float>(job.sampling.frequency_penalty);
    options.sampling.seed = job.sampling.seed;
    StreamDecoder decoder(tokenizer_, true);
    StopStrings stops(job.stop);
    GenerateHooks hooks;
    hooks.interrupted = interrupted;
    hooks.on_token = [&](std::int32_t id) { return stops.push(decoder.push(id)); };
    const Generation generation = generate(*executor_, job.prompt, options, hooks);
    if (generation.finish == FinishReason::interrupted) return false;
    stops.push(decoder.finish());
    result.response = stops.text();
    result.finish_reason = stops.found() ? "stop" : std::string(name(generation.finish));
    std::vector<std::int32_t> ids;
    for (const GeneratedToken& token : generation.tokens) ids.push_back(token.id);
    split_thought(ids, result);
    result.prompt_tokens = job.prompt.size();
    result.prefill = result.alone_prefill = generation.prefill;
    result.decode = result.alone_decode = generation.decode;
    result.prefill_s = generation.prefill_s;
    result.decode_s = generation.decode_s;
    result.ttft_s = generation.ttft_s;
    return true;
  }

  // Some families' markers are special tokens, which the response leaves out; so the split is made on the text
  // with them, and counted in tokens.
  void split_thought(const std::vector<std::int32_t>& ids, JobResult& result) {
    const bool truncated = result.finish_reason == "length" || result.finish_reason == "context";
    const std::string marked = tokenizer_->decode(ids, false);
    const Response split = split_response(marked, truncated);
    result.thought_unclosed = split.thought_unclosed;
    const std::size_t cut = split.thought_unclosed ? marked.size() : static_cast<std::size_t>(split.answer.data() - marked.data());
    if (split.answer.size() == marked.size() && !split.thought_unclosed) {  // no markers
      result.answer = result.response;
      result.answer_tokens = ids.size();
      return;
    }
    // The fewest tokens whose text reaches the cut.
    std::size_t low = 0, high = ids.size();
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      if (tokenizer_->decode(std::span(ids).first(middle), false).size() >= cut) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    result.thought_tokens = low;
    result.answer_tokens = ids.size() - low;
    result.thought = tokenizer_->decode(std::span(ids).first(low), true);
    result.answer = result.response.size() >= result.thought.size() && result.response.compare(0, result.thought.size(), result.thought) == 0
                        ? result.response.substr(result.thought.size())
                        : tokenizer_->decode(std::span(ids).subspan(low), true);
    if (result.thought_unclosed) result.answer.clear();
  }

  kernels::ThreadTeam team_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Executor> executor_;
  std::int32_t context_ = 0;
  std::vector<std::int32_t> stop_ids_;
  std::vector<bool> allowed_;
  TokenRules rules_;
  ChatRenderer chat_;
  BackendInfo info_;
};

}  // namespace

std::unique_ptr<Backend> open_model(const std::string& model, const EngineOptions& options) {
  return std::make_unique<EngineBackend>(model, options);
}

}  // namespace moe::eval

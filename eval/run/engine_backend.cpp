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
#include "engine/text/reasoning.h"
#include "engine/text/template/chat_template.h"
#include "engine/text/tokenizer.h"
#include "eval/run/generate_batch.h"
#include "eval/run/score_batch.h"
#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"
#include "models/registry.h"

namespace moe::eval {
namespace {

constexpr std::size_t kLargestText = std::size_t{256} << 20;  // of a tokenizer or template file

std::string hash_if_there(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? sha256_hex(read_file(path, kLargestText)) : "";
}

// Templates that print the date get this one, so that a run resumed tomorrow asks what it asked today.
std::tm fixed_day() {
  std::tm day{};
  day.tm_year = 124, day.tm_mon = 6, day.tm_mday = 26, day.tm_wday = 5, day.tm_yday = 207;
  return day;
}

class EngineBackend final : public Backend {
 public:
  EngineBackend(const std::string& model, const EngineOptions& options) : team_(options.threads) {
    const std::filesystem::path directory = resolve_model(model);
    // Before the weights: a missing file should not cost a long load.
    tokenizer_ = Tokenizer::load(directory);
    load_template(directory, options);
    LoadOptions load;
    load.team = &team_;
    load.progress = [&](std::int64_t done, std::int64_t total) {
      if (options.loading) options.loading(static_cast<std::uint64_t>(done), static_cast<std::uint64_t>(total));
    };
    model_ = models::load_model(directory, load);
    executor_ = std::make_unique<Executor>(model_, team_);
    const ModelSpec& spec = model_->spec();
    context_ = options.context > 0 ? static_cast<std::int32_t>(options.context) : spec.max_positions;
    sequences_ = std::max<std::size_t>(options.sequences, 1);
    share_prefix_ = options.share_prefix;
    kv_bytes_ = options.kv_bytes > 0 ? options.kv_bytes : free_bytes() / 2;
    replies_.tokenizer = tokenizer_;
    replies_.stop_ids = spec.stop_ids;
    if (const auto eos = tokenizer_->eos_id(); eos && std::ranges::find(replies_.stop_ids, *eos) == replies_.stop_ids.end()) {
      replies_.stop_ids.push_back(*eos);
    }
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(tokenizer_->vocab_size()); ++id) {
      replies_.allowed.push_back(tokenizer_->is_defined(id));
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
    BatchOptions batch;
    batch.share_prefix = share_prefix_;
    batch.sequences = sequences_;
    batch.context = context_;
    batch.kv_bytes = kv_bytes_;
    batch.interrupted = interrupted;
    const bool scored = std::ranges::any_of(jobs, [](const Job& job) { return std::holds_alternative<ScoreJob>(job); });
    if (scored) {
      score_batch(*executor_, team_, jobs, batch, done);
    } else {
      generate_batch(*executor_, jobs, replies_, batch, done);
    }
  }

 private:
  void load_template(const std::filesystem::path& directory, const EngineOptions& options) {
    const ReasoningSwitch reasoning = reasoning_switch_from_name(options.reasoning);
    if (options.chat_template.empty() && !ChatTemplate::present(directory)) {
      if (reasoning != ReasoningSwitch::automatic) {
        throw Error(ErrorKind::usage, Fault{directory.string(), "--reasoning", "a model with a chat template", "one without"});
      }
      replies_.reasoning = ReasoningFormat::think_tags;
      return;
    }
    auto found = std::make_shared<const ChatTemplate>(ChatTemplate::load(directory, options.chat_template));
    replies_.reasoning = reasoning_format_of(found->source());
    info_.chat_template = std::string(found->source());
    info_.template_hash = sha256_hex(info_.chat_template);
    RenderOptions render;
    render.add_generation_prompt = true;
    render.kwargs_json = options.chat_kwargs;
    render.reasoning = reasoning;
    render.clock = fixed_day;
    chat_ = [found, render](const std::vector<eval::ChatMessage>& messages) {
      std::vector<moe::ChatMessage> converted;
      for (const eval::ChatMessage& one : messages) converted.push_back({one.role, one.content, ""});
      return found->render(Conversation::of(converted), render);
    };
  }

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
    if (sequences_ == 1) info_.mode = "latency";
    for (const std::string_view name : model_->checkpoint().names()) {
      std::int64_t count = 1;
      for (const std::int64_t size : model_->checkpoint().require(name).shape) count *= size;
      info_.parameters += count;
    }
    info_.active_parameters = matmul_parameters(spec) + std::int64_t{spec.vocab} * spec.hidden;
    info_.after_load_rss_bytes = resident_bytes();
  }

  kernels::ThreadTeam team_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Executor> executor_;
  std::int32_t context_ = 0;
  std::size_t sequences_ = 1, kv_bytes_ = 0;
  bool share_prefix_ = true;
  ReplyRules replies_;
  TokenRules rules_;
  ChatRenderer chat_;
  BackendInfo info_;
};

}  // namespace

std::unique_ptr<Backend> open_model(const std::string& model, const EngineOptions& options) {
  return std::make_unique<EngineBackend>(model, options);
}

}  // namespace moe::eval

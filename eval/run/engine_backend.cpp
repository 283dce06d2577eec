// The engine behind a run.
#include "eval/run/engine_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "engine/base/error.h"
#include "engine/base/memory.h"
#include "engine/checkpoint/hub.h"
#include "engine/checkpoint/identity.h"
#include "engine/model/weights.h"
#include "engine/runtime/usual_types.h"
#include "eval/run/generate_batch.h"
#include "eval/run/score_batch.h"
#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"
#include "models/registry.h"

namespace moe::eval {
namespace {

models::RouterOverride override_of(const RouterSetting& setting) {
  models::RouterOverride change;
  change.experts_per_token = setting.experts_per_token;
  change.renormalise = setting.renormalise;
  return change;
}

bool same_routing(const ModelSpec& a, const ModelSpec& b) {
  return std::ranges::equal(a.layers, b.layers, [](const LayerSpec& x, const LayerSpec& y) {
    if (!x.experts || !y.experts) return x.experts.has_value() == y.experts.has_value();
    const RouterSpec &r = x.experts->router, &s = y.experts->router;
    return r.top_k == s.top_k && r.score == s.score && r.renormalise == s.renormalise;
  });
}

bool routes(const ModelSpec& spec) {
  return std::ranges::any_of(spec.layers, [](const LayerSpec& layer) { return layer.experts.has_value(); });
}

// Ids that mean something. None are listed where all do: most models' draws need not look then.
std::vector<bool> allowed_ids(const Tokenizer& tokenizer, std::int32_t vocab) {
  std::vector<bool> allowed;
  for (std::int32_t id = 0; id < vocab; ++id) {
    allowed.push_back(id < static_cast<std::int32_t>(tokenizer.vocab_size()) && tokenizer.is_defined(id));
  }
  if (std::ranges::find(allowed, false) == allowed.end()) allowed.clear();
  return allowed;
}

void describe_forms(const EngineOptions& options, BackendInfo& info) {
  const bool quantised = options.load.quantise.has_value();
  info.weights = form_name(options.load.quantise);
  info.compute = kernels::compute_name(options.compute);
  info.cache = kernels::kv_type_name(options.kv_type);
  std::vector<std::string> parts;
  if (quantised) parts.push_back("weights_" + info.weights);
  if (options.compute != usual_compute(quantised)) parts.push_back("compute_" + info.compute);
  if (options.kv_type != usual_kv_type(options.compute)) parts.push_back("cache_" + info.cache);
  info.forms = fmt::format("{}", fmt::join(parts, "__"));
}

// What records say of a model, weights and machine apart.
BackendInfo outline_info(const std::string& model, const ModelSpec& spec, const ModelText& text,
                         const EngineOptions& options) {
  BackendInfo info;
  info.model = model;
  info.family = spec.family;
  info.engine_version = options.engine_version;
  info.router = options.router;
  describe_forms(options, info);
  info.context = options.context > 0 ? options.context : spec.max_positions;
  if (options.sequences <= 1) info.mode = "latency";
  if (std::ranges::any_of(spec.ropes, &RopeSpec::depends_on_length)) info.rope_length = options.rope_length;
  info.proxies = CostProxies(spec);
  info.parameters = count_parameters(spec).total();
  text.describe(info);
  return info;
}

class EngineBackend final : public Backend {
 public:
  EngineBackend(const std::string& model, const EngineOptions& options) : team_(options.threads) {
    const std::filesystem::path directory = resolve_model(model);
    // Before the weights: a missing file should not cost a long load.
    text_ = std::make_unique<ModelText>(directory, models::describe(directory).spec, options.text);
    LoadOptions load = options.load;
    load.team = &team_;
    load.progress = [&](std::int64_t done, std::int64_t total) {
      if (options.loading)
        options.loading(static_cast<std::uint64_t>(done), static_cast<std::uint64_t>(total));
    };
    model_ = models::load_model(directory, load, override_of(options.router));
    Executor::Options executor;
    executor.compute = options.compute;
    executor.kv_type = options.kv_type;
    executor.rope_length = options.rope_length;
    if (options.routing_window > 0 && routes(model_->spec())) {
      routing_ = std::make_unique<RoutingStats>(model_->spec(), options.routing_window);
      executor.routing = routing_.get();
    }
    executor_ = std::make_unique<Executor>(model_, team_, executor);
    info_ = outline_info(model, model_->spec(), *text_, options);
    info_.model_hash =
        kept_checkpoint_hash(model_->checkpoint(), options.hash_folder, static_cast<unsigned>(team_.size()));
    info_.kernels = executor_->kernels().name;
    info_.machine = machine_name();
    info_.threads = team_.size();
    info_.after_load_rss_bytes = resident_bytes();
    batch_.share_prefix = options.share_prefix;
    batch_.sequences = std::max<std::size_t>(options.sequences, 1);
    batch_.context = info_.context;
    const std::size_t free = available_memory().value_or(0);
    batch_.kv_bytes = options.kv_bytes > 0 ? options.kv_bytes : free / 2;
    batch_.kv_most = std::max(batch_.kv_bytes, free / 10 * 9);
    replies_.tokenizer = text_->tokenizer();
    replies_.reasoning = text_->reasoning();
    replies_.stop_ids = text_->stop_ids();
    replies_.allowed = allowed_ids(*replies_.tokenizer, model_->spec().vocab);
  }

  const BackendInfo& info() const override { return info_; }
  const TokenRules& tokens() const override { return text_->rules(); }
  const ChatRenderer& chat() const override { return text_->chat(); }
  RoutingStats* routing() override { return routing_.get(); }

  void run(std::span<const Job> jobs, const std::function<void(std::size_t, JobResult)>& done,
           const std::function<bool()>& interrupted) override {
    BatchOptions batch = batch_;
    batch.interrupted = interrupted;
    const bool scored =
        std::ranges::any_of(jobs, [](const Job& job) { return std::holds_alternative<ScoreJob>(job); });
    if (scored) {
      score_batch(*executor_, team_, jobs, batch, done);
    } else {
      generate_batch(*executor_, team_, jobs, replies_, batch, done);
    }
  }

 private:
  kernels::ThreadTeam team_;
  std::unique_ptr<ModelText> text_;
  std::shared_ptr<const Model> model_;
  std::unique_ptr<RoutingStats> routing_;
  std::unique_ptr<Executor> executor_;
  BatchOptions batch_;
  ReplyRules replies_;
  BackendInfo info_;
};

class OutlineBackend final : public Backend {
 public:
  OutlineBackend(const std::string& model, const std::filesystem::path& directory, const ModelSpec& spec,
                 const EngineOptions& options)
      : text_(directory, spec, options.text), info_(outline_info(model, spec, text_, options)) {}

  const BackendInfo& info() const override { return info_; }
  const TokenRules& tokens() const override { return text_.rules(); }
  const ChatRenderer& chat() const override { return text_.chat(); }
  void run(std::span<const Job>, const std::function<void(std::size_t, JobResult)>&,
           const std::function<bool()>&) override {
    throw Error(ErrorKind::usage, "a model without its weights cannot run");
  }

 private:
  ModelText text_;
  BackendInfo info_;
};

}  // namespace

std::unique_ptr<Backend> open_model(const std::string& model, const EngineOptions& options) {
  return std::make_unique<EngineBackend>(model, options);
}

ModelOutline open_outline(const std::string& model, const EngineOptions& options) {
  const std::filesystem::path directory = resolve_model(model);
  ModelOutline outline;
  models::Description description = models::describe(directory, override_of(options.router));
  outline.spec = std::move(description.spec);
  outline.stored = description.stored;
  outline.backend = std::make_unique<OutlineBackend>(model, directory, outline.spec, options);
  return outline;
}

bool has_experts(const std::string& model) { return routes(models::describe(resolve_model(model)).spec); }

RouterSetting effective_router(const std::string& model, const RouterSetting& setting) {
  if (!setting.changed()) return setting;
  const ModelSpec own = models::describe(resolve_model(model)).spec;
  const auto changes = [&](const RouterSetting& part) {
    ModelSpec changed = own;
    models::apply(override_of(part), changed);
    return !same_routing(own, changed);
  };
  RouterSetting out;
  if (setting.experts_per_token && changes({setting.experts_per_token, {}}))
    out.experts_per_token = setting.experts_per_token;
  if (setting.renormalise && changes({{}, setting.renormalise})) out.renormalise = setting.renormalise;
  return out;
}

}  // namespace moe::eval

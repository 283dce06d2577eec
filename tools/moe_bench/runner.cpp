#include "tools/moe_bench/runner.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>

#include "engine/base/clock.h"
#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/checkpoint/hub.h"
#include "engine/runtime/synthetic_weights.h"
#include "engine/runtime/usual_types.h"
#include "models/registry.h"
#include "tools/common/interrupt.h"
#include "tools/common/load_flags.h"
#include "tools/common/progress.h"

namespace moe::tools {
namespace {

namespace fs = std::filesystem;

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Weights in the form that a checkpoint of this description stores them in.
SyntheticOptions stored_form(const StoredTypes& stored, std::uint64_t seed) {
  SyntheticOptions form;
  form.seed = seed;
  form.type = stored.type;
  if (stored.blocks == StoredTypes::Blocks::mxfp4) form.experts = Encoding::mxfp4;
  if (stored.blocks == StoredTypes::Blocks::fp8) form.matrices = Encoding::fp8_block;
  return form;
}

// Whether there is a part of a checkpoint. Then all of it must be there: made-up weights are for a config.json by itself.
bool has_weights(const fs::path& directory) {
  if (is_present(directory / "model.safetensors.index.json")) return true;
  std::error_code ignored;
  for (fs::directory_iterator at(directory, ignored), end; !ignored && at != end; at.increment(ignored)) {
    if (at->path().extension() == ".safetensors") return true;
  }
  return false;
}

// The first `count` layers. A layer that reads another's cache stands behind it, so any beginning is a model.
void keep_layers(ModelSpec& spec, const std::optional<std::int32_t>& count) {
  if (!count) return;
  if (*count > spec.layer_count()) {
    throw Error(ErrorKind::usage,
                Fault{"", "--layers", fmt::format("1 to {}", spec.layer_count()), std::to_string(*count)});
  }
  spec.layers.resize(*count);
}

// Numbers that say nothing: any token costs the same, but for the experts it goes to.
class Tokens {
 public:
  explicit Tokens(std::int32_t vocab) : vocab_(std::uint32_t(vocab)) {}
  std::int32_t next() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return std::int32_t((state_ >> 33) % vocab_);
  }

 private:
  std::uint32_t vocab_;
  std::uint64_t state_ = 1;
};

// One test on one executor.
class TestRun {
 public:
  TestRun(Executor& executor, Profile& profile, LimitsMeter& limits, const BenchTest& test,
          const BenchOptions& options)
      : executor_(executor), profile_(profile), limits_(limits), test_(test), options_(options) {
    Tokens tokens(executor.model().spec().vocab);
    for (std::int32_t b = 0; b < test.batch; ++b) {
      auto& own = tokens_.emplace_back(test.depth + test.prompt + test.generated);
      for (std::int32_t i = 0; i < std::int32_t(own.size()); ++i) {
        own[i] = options.shared_prefix && b > 0 && i < test.depth ? tokens_[0][i] : tokens.next();
      }
    }
  }

  // False if interrupted.
  bool run(BenchResult& result) {
    if (!fill()) return false;
    if (options_.warm_up) repeat(nullptr, std::min(test_.generated, 1));
    profile_ = Profile();
    Limits before = limits_.now();
    for (std::int32_t r = 0; r < options_.repetitions; ++r) {
      if (interrupted()) return false;
      CostMeter meter(executor_.model().spec());
      result.samples.push_back(repeat(&meter, test_.generated));
      result.costs = meter.read();
      const Limits after = limits_.now();
      result.samples.back().limits = mean(before, after);
      before = after;
    }
    result.profile = profile_;
    return true;
  }

 private:
  // Every sequence reads its depth; shared, the others are copies of the first.
  bool fill() {
    for (std::int32_t b = 0; b < test_.batch; ++b) {
      if (options_.shared_prefix && b > 0) {
        filled_.push_back(filled_[0]);
        continue;
      }
      filled_.push_back(executor_.new_sequence());
      filled_.back().expect_length(test_.depth + test_.prompt + test_.generated);
      for (std::int32_t at = 0; at < test_.depth; at += options_.chunk) {
        if (interrupted()) return false;
        const std::int32_t count = std::min(options_.chunk, test_.depth - at);
        const Feed feed{&filled_[b], std::span(tokens_[b]).subspan(at, count), LogitsWanted::none};
        executor_.forward({&feed, 1});
      }
    }
    return true;
  }

  Sample repeat(CostMeter* meter, std::int32_t generated) {
    std::vector<Sequence> sequences = filled_;
    const auto start = Clock::now();
    const double processor = processor_seconds();
    if (test_.prompt > 0) read_prompts(sequences, meter);
    for (std::int32_t i = 0; i < generated; ++i) step(sequences, test_.depth + test_.prompt + i, 1, meter);
    Sample sample;
    sample.seconds = seconds_since(start);
    sample.processor_seconds = processor_seconds() - processor;
    return sample;
  }

  // As many sequences together as a chunk has room for.
  void read_prompts(std::vector<Sequence>& sequences, CostMeter* meter) {
    const std::int32_t together = std::max(1, options_.chunk / test_.prompt);
    for (std::size_t first = 0; first < sequences.size(); first += together) {
      const auto group =
          std::span(sequences).subspan(first, std::min<std::size_t>(together, sequences.size() - first));
      for (std::int32_t at = 0; at < test_.prompt; at += options_.chunk) {
        step(group, test_.depth + at, std::min(options_.chunk, test_.prompt - at), meter, first);
      }
    }
  }

  // Each sequence reads `count` of its tokens from position `at` on.
  void step(std::span<Sequence> sequences, std::int32_t at, std::int32_t count, CostMeter* meter,
            std::size_t first = 0) {
    feeds_.clear();
    // As generate() asks for: logits behind the whole prompt, and behind each token that is written.
    const bool last = at + count >= test_.depth + test_.prompt;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      feeds_.push_back({&sequences[i], std::span(tokens_[first + i]).subspan(at, count),
                        last ? LogitsWanted::last : LogitsWanted::none});
    }
    executor_.forward(feeds_, meter);
  }

  Executor& executor_;
  Profile& profile_;
  LimitsMeter& limits_;
  const BenchTest test_;
  const BenchOptions& options_;
  std::vector<std::vector<std::int32_t>> tokens_;  // of each sequence: depth, prompt, generated
  std::vector<Sequence> filled_;                   // that hold their depth
  std::vector<Feed> feeds_;
};

// All tests of one model, form of weights and number of threads. False if interrupted.
bool run_group(const BenchOptions& o, const BenchModel& loaded, const std::string& weights, int threads,
               std::vector<BenchResult>& results) {
  const kernels::KernelTable& table = kernels::select_kernels();
  kernels::ThreadTeam team(threads);
  LimitsMeter limits(table, team, *loaded.model);
  bool complete = true;
  std::vector<kernels::Compute> computes = o.computes;
  if (computes.empty()) computes.push_back(usual_compute(weights != "native"));
  for (const kernels::Compute compute : computes) {
    Profile profile;
    Executor::Options options;
    options.kernels = &table;
    options.profile = &profile;
    options.compute = compute;
    options.kv_type = usual_kv_type(compute);
    options.fast_prefill = o.fast_prefill;
    Executor executor(loaded.model, team, options);
    for (const BenchTest& test : planned_tests(o)) {
      BenchResult result;
      result.model = loaded.name;
      result.parameters = count_parameters(loaded.model->spec()).total();
      result.weight_bytes = loaded.model->weight_bytes();
      result.layers = loaded.model->spec().layer_count();
      result.random = loaded.random;
      result.weights = weights;
      result.compute = compute;
      result.cache = options.kv_type;
      result.products = kernels::product_compute(loaded.model->layers[0].attention.in.type(), compute);
      result.attention_in_f32 = attention_in_f32(loaded.model->spec(), table, options.kv_type);
      result.kernels = table.name;
      result.threads = team.size();
      result.chunk = o.chunk;
      result.fast_prefill = o.fast_prefill;
      result.test = test;
      complete = complete && TestRun(executor, profile, limits, test, o).run(result);
      if (!complete) break;
      results.push_back(std::move(result));
    }
  }
  return complete;
}

}  // namespace

BenchModel load_bench_model(const std::string& name, const std::string& weights, const BenchOptions& o,
                            kernels::ThreadTeam& team) {
  const bool is_file = fs::is_regular_file(name);
  const fs::path directory = is_file ? fs::absolute(name).parent_path() : resolve_model(name);
  const fs::path config = is_file ? fs::path(name) : directory / "config.json";
  std::unique_ptr<Progress> progress;
  LoadOptions options;
  options.team = &team;
  options.quantise = quantisation(weights);
  options.progress = [&](std::int64_t done, std::int64_t total) {
    if (!progress)
      progress = std::make_unique<Progress>("loading", std::uint64_t(total), ProgressUnit::bytes);
    progress->update(std::uint64_t(done));
  };
  BenchModel loaded;
  loaded.name = fs::absolute(directory / "config.json").parent_path().filename().string();
  models::Description description = models::describe_file(config);
  keep_layers(description.spec, o.layers);
  loaded.random = o.random || is_file || !has_weights(directory);
  if (loaded.random) {
    const SyntheticWeights made = synthetic_weights(description.spec, stored_form(description.stored, o.seed));
    loaded.model = Model::load(std::move(description.spec), made.locate, made.checkpoint, options);
  } else {
    loaded.model = models::load_model(std::move(description), directory, options);
  }
  return loaded;
}

void run_bench(const BenchOptions& o, const std::function<void(std::span<const BenchResult>)>& done) {
  planned_tests(o);  // faults of the options before the first model is loaded
  for (const std::string& model : o.models) {
    for (const std::string& weights : o.weights) {
      BenchModel loaded;
      {
        kernels::ThreadTeam team;
        loaded = load_bench_model(model, weights, o, team);
      }
      for (const int threads : o.threads) {
        std::vector<BenchResult> results;
        const bool complete = run_group(o, loaded, weights, threads, results);
        done(results);
        if (!complete) return;
      }
    }
  }
}

}  // namespace moe::tools

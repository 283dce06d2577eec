// What a run needs of a model, so that runs can be tested without one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/model/costs.h"
#include "engine/model/proxies.h"
#include "engine/runtime/routing_stats.h"
#include "eval/prompt/prompt.h"

namespace moe::eval {

// Log-likelihoods of continuations of one context.
struct ScoreJob {
  TokenIds context;
  std::vector<TokenIds> continuations;
};

struct Sampling {
  double temperature = 0;  // 0: greedy
  int top_k = 0;
  double top_p = 1;
  double min_p = 0;
  double frequency_penalty = 0;
  std::uint64_t seed = 0;
};

// Text written on from a prompt.
struct GenerateJob {
  TokenIds prompt;
  std::string prompt_text;  // as rendered: a template may open a thought at its end
  int max_tokens = 0;
  std::vector<std::string> stop;
  bool ignore_stops = false;  // ids that end a text do not end this one
  Sampling sampling;
};

using Job = std::variant<ScoreJob, GenerateJob>;

struct JobResult {
  std::string error;  // not empty: the job failed, and nothing below counts

  std::vector<double> loglikelihoods;  // one a continuation
  std::vector<bool> greedy;            // each token of the continuation was the most likely one

  std::string response;          // all that was written, up to a stop string
  std::vector<std::int32_t> response_tokens;  // all that were drawn, the one that ended the reply included
  std::string thought, answer;   // the response split by the model's thinking markers
  bool thought_unclosed = false;
  std::string finish_reason;     // stop, length, context; scored: "scored"
  std::uint64_t answer_tokens = 0, thought_tokens = 0;

  // Tokens of the prompt (scored: of the context and all continuations), and those of them another job computed.
  std::uint64_t prompt_tokens = 0, shared_tokens = 0;
  Costs prefill, decode;  // as executed; scoring is all prefill
  // As if this job were the only one and each of its continuations had its context to itself.
  Costs alone_prefill, alone_decode;
  double prefill_s = 0, decode_s = 0, ttft_s = 0;
};

// A change of a model's routing. Empty: as its checkpoint says.
struct RouterSetting {
  std::optional<int> experts_per_token;
  std::optional<bool> renormalise;

  bool changed() const { return experts_per_token.has_value() || renormalise.has_value(); }
  friend bool operator==(const RouterSetting&, const RouterSetting&) = default;
};

// What identifies a model and the way it is run; all of it goes into records.
struct BackendInfo {
  std::string model;          // as the user named it
  std::string family;
  std::string model_hash;     // weights and config.json
  std::string tokenizer_hash, template_hash;  // empty: there is none
  std::vector<std::int32_t> stop_ids;
  RouterSetting router;
  std::string engine_version, kernels, machine;
  std::string compute, weights, cache = "f32";  // of products, of weights, of keys and values
  std::string forms;  // what of those three is not native or usual beside it: "weights_q8__cache_q8"
  int threads = 0;
  std::int64_t context = 0;   // tokens a sequence may hold
  std::int32_t rope_length = 0;  // what rotations that depend on length take a sequence for, at least
  std::string mode = "throughput";  // or "latency": one item at a time, nothing shared
  std::int64_t parameters = 0;
  CostProxies proxies;
  std::string chat_template;
  std::string reasoning = "auto", chat_kwargs;  // what the template was told beside the messages
  std::uint64_t after_load_rss_bytes = 0;
};

// Not thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual const BackendInfo& info() const = 0;
  virtual const TokenRules& tokens() const = 0;
  // Empty where the model has no chat template.
  virtual const ChatRenderer& chat() const = 0;
  // What the routers have chosen; null where nobody asked for it or nothing routes.
  virtual RoutingStats* routing() { return nullptr; }

  // Runs the jobs in whatever order is quickest and calls `done` once for each, one call at a time, though not always from
  // this thread; `interrupted` may be called by several threads at once. A job that fails
  // alone (a prompt longer than the context) is reported in its result. Stops early once `interrupted` says so;
  // jobs that are not finished by then are not reported. What `done` throws ends the run.
  virtual void run(std::span<const Job> jobs, const std::function<void(std::size_t index, JobResult result)>& done,
                   const std::function<bool()>& interrupted) = 0;
};

// Resident bytes of this process: now, and at most so far. 0 where the system does not tell.
std::uint64_t resident_bytes();
std::uint64_t peak_resident_bytes();

// The processor's name, for records.
std::string machine_name();

}  // namespace moe::eval

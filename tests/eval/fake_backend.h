// A scripted model: tokens are bytes, answers are what the test says.
#pragma once

#include <map>

#include "eval/run/backend.h"
#include "eval/run/stop_strings.h"

namespace moe::eval::testing {

class FakeBackend : public Backend {
 public:
  FakeBackend() {
    info_.model = "fake/model";
    info_.model_hash = "h1";
    info_.engine_version = "1";
    info_.kernels = "none";
    info_.compute = "f32";
    info_.weights = "native";
    info_.threads = 1;
    rules_.encode = [](std::string_view text, bool) { return TokenIds(text.begin(), text.end()); };
  }
  const BackendInfo& info() const override { return info_; }
  const TokenRules& tokens() const override { return rules_; }
  const ChatRenderer& chat() const override { return chat_; }

  void run(std::span<const Job> jobs, const std::function<void(std::size_t, JobResult)>& done,
           const std::function<bool()>& interrupted) override {
    for (std::size_t i = 0; i < jobs.size() && !interrupted(); ++i) {
      ++ran;
      done(i, std::holds_alternative<ScoreJob>(jobs[i]) ? score(std::get<ScoreJob>(jobs[i]))
                                                        : write(std::get<GenerateJob>(jobs[i])));
    }
  }

  // Longer choices are likelier here; `tie` makes all alike.
  virtual JobResult score(const ScoreJob& job) {
    JobResult result;
    result.finish_reason = "scored";
    for (const TokenIds& continuation : job.continuations) {
      result.loglikelihoods.push_back(tie ? -1.0 : -10.0 + 0.125 * static_cast<double>(continuation.size()));
      result.greedy.push_back(false);
    }
    count(result, job.context.size());
    return result;
  }

  JobResult write(const GenerateJob& job) {
    JobResult result;
    const std::string prompt(job.prompt.begin(), job.prompt.end());
    for (const auto& [in_prompt, text] : replies) {
      if (prompt.find(in_prompt) != std::string::npos) result.response = text;
    }
    if (result.response == "FAIL") {
      result.error = "scripted failure";
      return result;
    }
    result.finish_reason = "stop";
    if (result.response.size() > static_cast<std::size_t>(job.max_tokens)) {
      result.response.resize(static_cast<std::size_t>(job.max_tokens));
      result.finish_reason = "length";
    }
    StopStrings stops(job.stop);
    stops.push(result.response);
    result.response = result.answer = stops.text();
    result.answer_tokens = result.answer.size();
    count(result, job.prompt.size());
    return result;
  }

  void count(JobResult& result, std::size_t tokens) {
    result.prompt_tokens = tokens;
    result.prefill.tokens = result.alone_prefill.tokens = tokens;
    result.prefill.a(Component::attn_proj, 20 * tokens);
    result.alone_prefill.a(Component::attn_proj, 20 * tokens);
  }

  std::map<std::string, std::string> replies;  // in the prompt -> reply
  bool tie = false;
  std::size_t ran = 0;
  BackendInfo info_;
  TokenRules rules_;
  ChatRenderer chat_;
};

}  // namespace moe::eval::testing

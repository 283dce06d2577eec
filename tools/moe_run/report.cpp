#include "tools/moe_run/report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tools/common/costs_json.h"
#include "tools/common/memory.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"

namespace moe::tools {
namespace {

double per_second(double amount, double seconds) { return seconds > 0 ? amount / seconds : 0; }

// Small models answer in no time.
std::string duration(double seconds) { return seconds < 0.1 ? fmt::format("{:.1f} ms", 1000 * seconds) : format_duration(seconds); }

void phase_line(const char* label, const Costs& c, double seconds) {
  const double tokens = static_cast<double>(c.tokens);
  fmt::print(stderr, "{:8} {:>6} tokens {:>11} {:>10.2f} tokens/s {:>8.2f} GB/s {:>8.2f} GFLOP/s\n", label, c.tokens,
             duration(seconds), per_second(tokens, seconds),
             per_second(static_cast<double>(c.weight_bytes + c.kv_bytes), seconds) / 1e9,
             per_second(static_cast<double>(c.total().class_a), seconds) / 1e9);
}

// Exact sums, and what they make a token.
void flops_line(const char* label, const Costs& c) {
  if (c.tokens == 0) return;
  const Flops total = c.total();
  const double tokens = static_cast<double>(c.tokens);
  fmt::print(stderr, "FLOPs    {}: {} matrix (A) + {} other (B), {} + {} a token\n", label, total.class_a, total.class_b,
             format_count(static_cast<double>(total.class_a) / tokens), format_count(static_cast<double>(total.class_b) / tokens));
}

void component_lines(const Costs& c) {
  for (std::size_t i = 0; i < kComponents; ++i) {
    const auto part = static_cast<Component>(i);
    if (c[part] == Flops{}) continue;
    fmt::print(stderr, "           {:20} {:>18} A {:>16} B\n", name(part), c[part].class_a, c[part].class_b);
  }
  fmt::print(stderr, "           weights read {}, cache read {}, parameters touched {}\n", format_bytes(c.weight_bytes),
             format_bytes(c.kv_bytes), c.params_touched);
}

}  // namespace

nlohmann::json run_json(const RunFacts& f) {
  using nlohmann::json;
  const Generation& g = f.generation;
  json ids = json::array();
  for (const GeneratedToken& t : g.tokens) ids.push_back(t.id);
  json out{{"prompt_ids", f.prompt_ids}, {"output_ids", ids}, {"text", nullptr}, {"finish_reason", f.finish_reason}};
  if (f.text) out["text"] = *f.text;
  if (f.thought) out["thought"] = *f.thought;
  if (f.with_logprobs) {
    json list = json::array();
    for (const GeneratedToken& t : g.tokens) {
      json top = json::array();
      for (const TokenLogprob& p : t.top) top.push_back({{"id", p.id}, {"logprob", p.logprob}});
      list.push_back({{"id", t.id}, {"logprob", t.logprob}, {"top", top}});
    }
    out["logprobs"] = list;
  }
  out["timing"] = {{"load_s", f.load_s},
                   {"prefill_s", g.prefill_s},
                   {"decode_s", g.decode_s},
                   {"ttft_s", g.ttft_s},
                   {"prefill_tps", per_second(static_cast<double>(g.prefill.tokens), g.prefill_s)},
                   {"decode_tps", per_second(static_cast<double>(g.decode.tokens), g.decode_s)}};
  out["memory"] = {{"peak_rss_bytes", peak_resident_bytes()}, {"after_load_rss_bytes", f.after_load_rss}};
  out["cost"] = {{"prefill", costs_json(g.prefill)}, {"decode", costs_json(g.decode)}};
  out["env"] = {{"engine_version", version()}, {"kernels", f.kernels},   {"threads", f.threads},
                {"compute", f.compute},        {"weights", f.weights},   {"weights_in", f.weights_in},
                {"cache", f.cache},            {"model_hash", f.model_hash},  {"seed", f.seed},              {"logits_hash", fmt::format("{:016x}", g.logits_hash)}};
  return out;
}

void print_summary(const RunFacts& f, bool verbose) {
  const Generation& g = f.generation;
  fmt::print(stderr, "load     {}, {} in memory; kernels {}, {} thread{}, compute {}, cache {}, weights {} in {}, seed {}\n", duration(f.load_s),
             format_bytes(f.after_load_rss), f.kernels, f.threads, f.threads == 1 ? "" : "s", f.compute, f.cache, f.weights, f.weights_in, f.seed);
  phase_line("prompt", g.prefill, g.prefill_s);
  if (!g.tokens.empty()) phase_line("decode", g.decode, g.decode_s);
  flops_line("prompt", g.prefill);
  if (verbose) component_lines(g.prefill);
  if (!g.tokens.empty()) {
    flops_line("decode", g.decode);
    if (verbose) component_lines(g.decode);
    fmt::print(stderr, "output   {} new token{} ({}), the first after {}\n", g.tokens.size(), g.tokens.size() == 1 ? "" : "s", f.finish_reason,
               duration(g.ttft_s));
  }
  fmt::print(stderr, "memory   {} at the peak; last logits {:016x}\n", format_bytes(peak_resident_bytes()), g.logits_hash);
}

}  // namespace moe::tools

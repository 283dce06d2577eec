// moe-inspect: what a model is and what it costs, from config.json alone.
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "engine/checkpoint/hub.h"
#include "tools/common/program.h"
#include "tools/common/router_flags.h"
#include "tools/moe_inspect/report.h"

namespace moe::tools {
namespace {

struct Options {
  std::string model;
  std::vector<std::int64_t> contexts{1, 1024, 4096, 32768};
  std::int64_t chunk = 512;
  double tokens = 0;
  models::RouterOverride router;
  bool json = false, markdown = false;
};

void describe_flags(CLI::App& app, Options& o) {
  app.add_option("model", o.model, "Directory with a config.json, or org/name[@revision] in the Hugging Face cache")
      ->required()
      ->type_name("MODEL");
  auto* json = app.add_flag("--json", o.json, "One JSON object, numbers exact");
  app.add_flag("--markdown", o.markdown, "Markdown tables")->excludes(json);
  app.add_option("--context", o.contexts, "Context lengths, separated by commas")->delimiter(',')->capture_default_str()->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 30));
  app.add_option("--chunk", o.chunk, "Prompt tokens a forward pass takes: windows hold one such chunk more")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--tokens", o.tokens, "Tokens the model was trained on (36e12): adds tokens per parameter");
  add_router_flags(app, o.router);
}

int run(const Options& o, bool with_tokens) {
  InspectReport report;
  report.model = o.model;
  report.chunk = o.chunk;
  if (with_tokens) {
    if (!std::isfinite(o.tokens) || o.tokens <= 0) throw Error(ErrorKind::usage, Fault{"", "--tokens", "a number above 0", std::to_string(o.tokens)});
    report.training_tokens = o.tokens;
  }
  report.description = models::describe(resolve_model(o.model), o.router);
  report.numbers = inspect(report.description.spec, o.contexts, o.chunk);
  const std::string text = o.json ? inspect_json(report).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
                                  : inspect_text(report, o.markdown);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return kDone;
}

}  // namespace
}  // namespace moe::tools

int main(int argc, char** argv) {
  moe::tools::Options options;
  const moe::tools::Program program{
      "moe-inspect",
      "Says what a model is and what it costs: dimensions, parameters (stored, and used by one token), exact FLOPs at\n"
      "given contexts, bytes of weights and cache. Needs config.json alone, no weights.",
      "Examples:\n"
      "  moe-inspect ./Qwen3-30B-A3B\n"
      "  moe-inspect org/name --context 512,2048 --json\n"
      "  moe-inspect ./Qwen3-30B-A3B --experts-per-token 4 --tokens 36e12 --markdown\n\n"
      "FLOPs of a context L: one token that sees L keys, and a prompt of L with the logits of its last token. Memory is\n"
      "that of the weights, one sequence's cache, a chunk's buffers and the program, or what loading takes if that is more.\n"
      "Exit codes: 0 done, 1 failure (one line on stderr), 2 usage."};
  return moe::tools::run_program(
      program, argc, argv,
      [&](CLI::App& app) { moe::tools::describe_flags(app, options); },
      [&](CLI::App& app) { return moe::tools::run(options, app.count("--tokens") > 0); });
}

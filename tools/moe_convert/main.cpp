// moe-convert: GGUF, llama2.c and Hugging Face checkpoints to Hugging Face directories, dense or upcycled.
#include <fmt/format.h>

#include <charconv>

#include "engine/base/error.h"
#include "engine/convert/convert.h"
#include "engine/convert/upcycle.h"
#include "engine/convert/write_model.h"
#include "tools/common/interrupt.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"

namespace moe::tools {
namespace {

constexpr const char* kPurpose =
    "Converts a language model to a Hugging Face directory: config.json, safetensors, tokenizer files.\n"
    "The output loads in moe-run, in moe-eval and in transformers.";

constexpr const char* kExamples = R"(IN is one of
  a GGUF file          architectures llama, qwen2, qwen3, qwen3moe, gemma3; tensors in F32, F16, BF16, Q8_0,
                       Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K. Quantised weights become the floats they
                       stand for; nothing is lost in F32.
  a llama2.c .bin      with its tokenizer .bin beside it, or named by --tokenizer
  a directory          a Hugging Face checkpoint, or org/name in the Hugging Face cache

Examples:
  moe-convert model-q4_k_m.gguf model-hf
  moe-convert model-q4_k_m.gguf model-hf --dtype bf16       half the size; rounds to nearest even
  moe-convert stories260K.bin stories-hf --tokenizer tok512.bin
  moe-convert model-hf model-moe --upcycle 8:2              8 experts, 2 a token, each a copy of the dense
                                                            MLP: the outputs stay those of the dense model

OUT_DIR must not exist or be empty. A conversion that fails or is interrupted leaves nothing behind.
Exit codes: 0 done, 1 failure (one line on stderr says why), 2 wrong usage, 130 interrupted.)";

struct Flags {
  std::string input;
  std::string output;
  std::string dtype;
  std::string tokenizer;
  std::string upcycle;
  std::uint64_t seed = 0;
  bool quiet = false;
};

void describe_flags(CLI::App& app, Flags& flags) {
  app.add_option("IN", flags.input, "The model to convert")->required();
  app.add_option("OUT_DIR", flags.output, "The directory to write")->required();
  app.add_option(
         "--dtype", flags.dtype,
         "Type of all weights written. Without it: f32, or what the tensors have if IN is a directory")
      ->check(CLI::IsMember({"f32", "bf16"}));
  app.add_option("--tokenizer", flags.tokenizer, "The tokenizer of a llama2.c checkpoint")->type_name("FILE");
  app.add_option(
      "--upcycle", flags.upcycle,
      "E:k turns a dense llama or qwen3 model into a mixture of E experts of which each token uses k");
  app.add_option("-s,--seed", flags.seed, "Seed of the random router of --upcycle (default 0)")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("-q,--quiet", flags.quiet, "No progress, no summary");
}

Upcycling parse_upcycling(const std::string& text, std::uint64_t seed) {
  Upcycling out;
  out.seed = seed;
  const char* end = text.data() + text.size();
  const auto experts = std::from_chars(text.data(), end, out.experts);
  const bool colon = experts.ec == std::errc() && experts.ptr != end && *experts.ptr == ':';
  const auto used = colon ? std::from_chars(experts.ptr + 1, end, out.used) : experts;
  if (!colon || used.ec != std::errc() || used.ptr != end || out.used < 1 || out.used > out.experts ||
      out.experts > 1024) {
    throw Error(ErrorKind::usage, Fault{"", "--upcycle", "E:k with 1 <= k <= E <= 1024, such as 8:2", text});
  }
  return out;
}

int convert(const Flags& flags) {
  catch_interrupts();
  std::optional<Upcycling> upcycling;
  if (!flags.upcycle.empty()) upcycling = parse_upcycling(flags.upcycle, flags.seed);
  check_output_directory(flags.output);
  std::optional<std::filesystem::path> tokenizer;
  if (!flags.tokenizer.empty()) tokenizer = flags.tokenizer;
  ModelImage image = read_any_model(flags.input, tokenizer);
  if (upcycling) upcycle(image, *upcycling);

  WriteModelOptions options;
  if (!flags.dtype.empty()) options.dtype = flags.dtype == "bf16" ? DType::bf16 : DType::f32;
  options.interrupted = &interrupt_flag();
  std::optional<Progress> progress;
  std::uint64_t bytes = 0;
  options.progress = [&](std::uint64_t done, std::uint64_t total, std::string_view) {
    bytes = total;
    if (flags.quiet) return;
    if (!progress) progress.emplace("converting", total, ProgressUnit::bytes);
    progress->update(done);
  };
  write_model(image, flags.output, options);
  if (progress) progress->finish(fmt::format("{} tensors -> {}", image.tensors.size(), flags.output));
  return kDone;
}

}  // namespace
}  // namespace moe::tools

int main(int argc, char** argv) {
  using namespace moe::tools;
  Flags flags;
  return run_program(
      {"moe-convert", kPurpose, kExamples}, argc, argv, [&](CLI::App& app) { describe_flags(app, flags); },
      [&](CLI::App&) { return convert(flags); });
}

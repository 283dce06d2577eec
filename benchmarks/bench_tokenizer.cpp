// Encoding, decoding and loading of real tokenizers on real text.
//
//   MOE_BENCH_TOKENIZERS=DIR[:DIR...] MOE_BENCH_TEXT=FILE bench-tokenizer
//
// The text is encoded whole, and again as documents of about 4 kB. benchmarks/compare_tokenizers.py runs this
// in turn with the `tokenizers` library. Bytes a second are those of the text, for loading those of tokenizer.json. They
// stand beside no limit: what a tokenizer does is look-ups that wait for one another, far from any bandwidth.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "benchmarks/bench_main.h"
#include "engine/text/tokenizer.h"

namespace {

std::string text() {
  const char* path = std::getenv("MOE_BENCH_TEXT");
  std::ifstream file(path ? path : "", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string_view> documents(std::string_view all) {
  std::vector<std::string_view> out;
  while (!all.empty()) {
    std::size_t end = all.size() > 4096 ? all.find('\n', 4096) : all.size();
    end = std::min(end, all.size() - 1) + 1;
    out.push_back(all.substr(0, end));
    all.remove_prefix(end);
  }
  return out;
}

// `bytes` were gone through in every iteration.
void report(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

void load(benchmark::State& state, const std::string& model) {
  for (auto _ : state) benchmark::DoNotOptimize(moe::Tokenizer::load(model));
  report(state, std::filesystem::file_size(std::filesystem::path(model) / "tokenizer.json"));
}

void encode_whole(benchmark::State& state, const std::string& model) {
  const auto tokenizer = moe::Tokenizer::load(model);
  const std::string all = text();
  std::size_t tokens = 0;
  for (auto _ : state) tokens = tokenizer->encode(all).size();
  report(state, all.size());
  state.counters["tokens"] = static_cast<double>(tokens);
}

void encode_documents(benchmark::State& state, const std::string& model) {
  const auto tokenizer = moe::Tokenizer::load(model);
  const std::string all = text();
  const auto parts = documents(all);
  std::size_t tokens = 0;
  for (auto _ : state) {
    tokens = 0;
    for (const std::string_view part : parts) tokens += tokenizer->encode(part).size();
  }
  report(state, all.size());
  state.counters["tokens"] = static_cast<double>(tokens);
}

void decode_whole(benchmark::State& state, const std::string& model) {
  const auto tokenizer = moe::Tokenizer::load(model);
  const std::string all = text();
  const auto ids = tokenizer->encode(all);
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer->decode(ids));
  report(state, all.size());
}

}  // namespace

int main(int argc, char** argv) {
  const char* models = std::getenv("MOE_BENCH_TOKENIZERS");
  if (models == nullptr) {
    std::fputs("bench-tokenizer: error: MOE_BENCH_TOKENIZERS: expected model directories, separated by ':', found nothing\n", stderr);
    return 2;
  }
  std::istringstream list(models);
  for (std::string model; std::getline(list, model, ':');) {
    const auto add = [&](const char* name, void (*run)(benchmark::State&, const std::string&)) {
      benchmark::RegisterBenchmark((std::string(name) + "/" + model).c_str(), run, model)
          ->Unit(benchmark::kMillisecond);
    };
    add("load", load);
    add("encode", encode_whole);
    add("documents", encode_documents);
    add("decode", decode_whole);
  }
  return moe::bench::run_registered(argc, argv);
}

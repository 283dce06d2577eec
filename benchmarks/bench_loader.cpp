// Loading: from a checkpoint's bytes to packed weights, by stored type; and opening a checkpoint of many
// tensors.
#include <unistd.h>

#include <filesystem>

#include "benchmarks/bench_main.h"
#include "benchmarks/bench_model.h"
#include "engine/checkpoint/safetensors_writer.h"

namespace moe::bench {
namespace {

namespace fs = std::filesystem;
using kernels::bench::BestTime;

// One dense layer of Qwen3-8B's width: 150 M numbers.
ModelSpec layer_to_load() {
  LayerSpec layer;
  layer.dense = MlpSpec{12288, {}, false};
  return one_layer_model(layer, 4096);
}

void pack(benchmark::State& state, const SyntheticOptions& form) {
  const ModelSpec spec = layer_to_load();
  const SyntheticWeights made = synthetic_weights(spec, form);
  std::int64_t bytes = 0;
  BestTime time;
  for (auto _ : state) {
    time.start();
    const auto model = Model::load(spec, made.locate, made.checkpoint);
    time.stop(state);
    bytes = model->weight_bytes();
  }
  // Packed bytes a second; the stored ones are in a cache here.
  time.report_bytes(state, static_cast<double>(bytes), kernels::select_kernels(""));
}

class ManyTensors {
 public:
  explicit ManyTensors(int tensors)
      : directory_(fs::temp_directory_path() / ("bench-loader-" + std::to_string(getpid()))) {
    fs::create_directories(directory_);
    SafetensorsWriter writer(directory_);
    for (int i = 0; i < tensors; ++i)
      writer.declare("model.layers." + std::to_string(i) + ".weight", DType::bf16, {4, 8});
    const std::vector<std::byte> bytes(std::size_t(tensors) * 64);
    writer.write(bytes);
    writer.finish();
  }
  ~ManyTensors() { fs::remove_all(directory_); }
  const fs::path& directory() const { return directory_; }

 private:
  fs::path directory_;
};

// Bytes of the files that are no numbers.
double header_bytes(const fs::path& directory) {
  std::uintmax_t bytes = 0;
  for (const fs::directory_entry& file : fs::directory_iterator(directory)) bytes += file.file_size();
  return static_cast<double>(bytes) - static_cast<double>(Checkpoint::open(directory).total_bytes());
}

void open(benchmark::State& state, int tensors) {
  const ManyTensors files(tensors);
  BestTime time;
  for (auto _ : state) {
    time.start();
    benchmark::DoNotOptimize(Checkpoint::open(files.directory()).total_bytes());
    time.stop(state);
  }
  // Of the headers, which are parsed: a small part of the bandwidth, and all that opening reads.
  time.report_bytes(state, header_bytes(files.directory()), kernels::select_kernels(""));
  state.counters["us/tensor"] = time.seconds() / tensors * 1e6;
}

void add(const std::string& name, auto run) {
  benchmark::RegisterBenchmark(name.c_str(), run)->UseManualTime()->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace moe::bench

int main(int argc, char** argv) {
  using namespace moe;
  const std::pair<const char*, SyntheticOptions> forms[] = {
      {"f32", {DType::f32}},
      {"f16", {DType::f16}},
      {"bf16", {DType::bf16}},
      {"fp8_block", {DType::bf16, Encoding::fp8_block}},
  };
  for (const auto& [name, form] : forms) {
    bench::add(std::string("load/") + name,
               [form = form](benchmark::State& state) { bench::pack(state, form); });
  }
  for (const int tensors : {300, 20000}) {
    bench::add("open/tensors:" + std::to_string(tensors),
               [=](benchmark::State& state) { bench::open(state, tensors); });
  }
  return moe::bench::run_registered(argc, argv);
}

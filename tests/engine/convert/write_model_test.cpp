// Writing models: element types, streaming, output folders, failures that leave nothing behind; upcycling.
#include "engine/convert/write_model.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/checkpoint/checkpoint.h"
#include "engine/convert/convert.h"
#include "engine/convert/gguf_model.h"
#include "engine/convert/upcycle.h"
#include "tests/engine/convert/support.h"

namespace moe {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

ModelImage fixture(const char* name) {
  return read_gguf_model(testing::data_folder() / (std::string(name) + ".gguf"));
}

json config_of(const fs::path& folder) { return json::parse(testing::read_text(folder / "config.json")); }

TEST(WriteModel, F32IsExactAndBf16Rounds) {
  const testing::TempDir folder;
  const ModelImage image = fixture("qwen3");
  std::uint64_t last = 0, total = 0;
  WriteModelOptions options;
  options.progress = [&](std::uint64_t done, std::uint64_t all, std::string_view) {
    EXPECT_GE(done, last);
    last = done;
    total = all;
  };
  write_model(image, folder / "deep/er/f32", options);
  EXPECT_EQ(last, total);
  options.dtype = DType::bf16;
  last = 0;
  write_model(image, folder / "bf16", options);
  EXPECT_EQ(config_of(folder / "deep/er/f32").at("torch_dtype"), "float32");
  EXPECT_EQ(config_of(folder / "bf16").at("torch_dtype"), "bfloat16");
  for (const auto& [name, text] : image.files) {
    if (name != "config.json") EXPECT_EQ(testing::read_text(folder / "bf16" / name), text);
  }
  const Checkpoint exact = Checkpoint::open(folder / "deep/er/f32");
  const Checkpoint rounded = Checkpoint::open(folder / "bf16");
  EXPECT_EQ(exact.names().size(), image.tensors.size());
  for (const ImageTensor& tensor : image.tensors) {
    const std::vector<float> values = testing::all_values(tensor);
    EXPECT_EQ(exact.require(tensor.name, tensor.shape).dtype, DType::f32);
    EXPECT_EQ(to_floats(exact.require(tensor.name)), values);
    EXPECT_EQ(rounded.require(tensor.name, tensor.shape).dtype, DType::bf16);
    const std::vector<float> narrow = to_floats(rounded.require(tensor.name));
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(narrow[i], bf16_to_f32(f32_to_bf16(values[i])));
  }
}

TEST(WriteModel, ADirectoryKeepsItsTypesUnlessToldOtherwise) {
  const testing::TempDir folder;
  WriteModelOptions bf16;
  bf16.dtype = DType::bf16;
  write_model(fixture("qwen3"), folder / "a", bf16);
  testing::write_text(folder / "a" / "chat_template.jinja", "{{ x }}");
  testing::write_text(folder / "a" / "notes.md", "not copied");
  write_model(read_any_model(folder / "a", {}), folder / "b", {});
  EXPECT_EQ(testing::read_text(folder / "a/model.safetensors").size(),
            testing::read_text(folder / "b/model.safetensors").size());
  EXPECT_EQ(testing::read_text(folder / "a/config.json"), testing::read_text(folder / "b/config.json"));
  EXPECT_EQ(testing::read_text(folder / "b/chat_template.jinja"), "{{ x }}");
  EXPECT_FALSE(fs::exists(folder / "b/notes.md"));
  WriteModelOptions f32;
  f32.dtype = DType::f32;
  write_model(read_any_model(folder / "a", {}), folder / "c", f32);
  const Checkpoint narrow = Checkpoint::open(folder / "a");
  const Checkpoint wide = Checkpoint::open(folder / "c");
  for (const std::string_view name : narrow.names()) {
    EXPECT_EQ(wide.require(name).dtype, DType::f32);
    EXPECT_EQ(to_floats(narrow.require(name)), to_floats(wide.require(name)));
  }
  EXPECT_EQ(config_of(folder / "c").at("torch_dtype"), "float32");
}

TEST(WriteModel, RefusesFoldersThatAreNotEmpty) {
  const testing::TempDir folder;
  const ModelImage image = fixture("qwen2");
  testing::write_text(folder / "file", "x");
  const auto usage = ErrorKind::usage;
  testing::expect_error(usage, {folder.path().string(), "an empty one"},
                        [&] { write_model(image, folder.path(), {}); });
  testing::expect_error(usage, {"a file"}, [&] { write_model(image, folder / "file", {}); });
  EXPECT_EQ(testing::read_text(folder / "file"), "x");
  fs::create_directory(folder / "empty");
  EXPECT_NO_THROW(write_model(image, folder / "empty/", {}));
  EXPECT_TRUE(fs::exists(folder / "empty/config.json"));
}

TEST(WriteModel, AFailureLeavesNothingBehind) {
  const testing::TempDir folder;
  ModelImage image = fixture("qwen2");
  image.tensors.back().read = [](std::int64_t, std::int64_t, float*) {
    throw Error(ErrorKind::format, "broken tensor");
  };
  testing::expect_error(ErrorKind::format, {"broken tensor"},
                        [&] { write_model(image, folder / "x/y/z", {}); });
  EXPECT_TRUE(fs::is_empty(folder.path()));
  fs::create_directory(folder / "mine");
  testing::expect_error(ErrorKind::format, {"broken tensor"},
                        [&] { write_model(image, folder / "mine", {}); });
  EXPECT_TRUE(fs::is_empty(folder / "mine")) << "an empty folder of the user's stays, and stays empty";
  std::atomic<bool> interrupted = false;
  WriteModelOptions options;
  options.interrupted = &interrupted;
  options.progress = [&](std::uint64_t done, std::uint64_t total, std::string_view) {
    interrupted = done > total / 2;
  };
  testing::expect_error(ErrorKind::io, {"interrupted"},
                        [&] { write_model(fixture("qwen3"), folder / "mine", options); });
  EXPECT_TRUE(fs::is_empty(folder / "mine"));
  // A name that cannot be written comes after the weights.
  ModelImage unwritable = fixture("qwen3");
  unwritable.files["no/such/folder.json"] = "{}";
  testing::expect_error(ErrorKind::io, {"no/such"}, [&] { write_model(unwritable, folder / "new", {}); });
  EXPECT_FALSE(fs::exists(folder / "new"));
}

TEST(ReadAnyModel, TellsFormatsApart) {
  const testing::TempDir folder;
  testing::write_text(folder / "a.txt", "hello");
  testing::write_text(folder / "a.gguf", "GGUF");
  fs::create_directory(folder / "empty");
  testing::expect_error(ErrorKind::unsupported, {"a.txt", "GGUF file"},
                        [&] { read_any_model(folder / "a.txt", {}); });
  testing::expect_error(ErrorKind::format, {"a.gguf", "version"},
                        [&] { read_any_model(folder / "a.gguf", {}); });
  testing::expect_error(ErrorKind::io, {"config.json"}, [&] { read_any_model(folder / "empty", {}); });
  EXPECT_THROW(read_any_model(folder / "absent", {}), Error);
  testing::expect_error(ErrorKind::usage, {"--tokenizer"},
                        [&] { read_any_model(folder / "a.gguf", folder / "a.txt"); });
  testing::write_text(folder / "empty/config.json", R"({"quantization_config": {"quant_method": "fp8"}})");
  testing::expect_error(ErrorKind::unsupported, {"quantization_config"},
                        [&] { read_any_model(folder / "empty", {}); });
}

const ImageTensor& tensor_named(const ModelImage& image, const std::string& name) {
  for (const ImageTensor& tensor : image.tensors) {
    if (tensor.name == name) return tensor;
  }
  throw Error(ErrorKind::usage, "no tensor " + name);
}

struct UpcycleCase {
  const char* fixture;
  const char* model_type;
  std::string block, gate, up, down;
};

TEST(Upcycle, ExpertsAreCopiesOfTheDenseMlp) {
  for (const UpcycleCase& one :
       {UpcycleCase{"llama_types", "mixtral", "block_sparse_moe", "w1", "w3", "w2"},
        UpcycleCase{"qwen3", "qwen3_moe", "mlp", "gate_proj", "up_proj", "down_proj"}}) {
    const ModelImage dense = fixture(one.fixture);
    ModelImage image = fixture(one.fixture);
    upcycle(image, {4, 2, 1});
    const json config = json::parse(image.files.at("config.json"));
    const json before = json::parse(dense.files.at("config.json"));
    EXPECT_EQ(config.at("model_type"), one.model_type);
    EXPECT_EQ(config.at("num_experts_per_tok"), 2);
    EXPECT_EQ(config.at(one.block == "mlp" ? "num_experts" : "num_local_experts"), 4);
    if (one.block == "mlp") {
      EXPECT_EQ(config.at("norm_topk_prob"), true);
      EXPECT_EQ(config.at("moe_intermediate_size"), before.at("intermediate_size"));
    }
    for (const char* key :
         {"hidden_size", "rope_theta", "rope_scaling", "rms_norm_eps", "head_dim", "tie_word_embeddings"}) {
      EXPECT_EQ(config.at(key), before.at(key)) << key;
    }
    EXPECT_EQ(image.tensors.size(), dense.tensors.size() - 2 * 3 + 2 * (1 + 4 * 3));
    for (int layer = 0; layer < 2; ++layer) {
      const std::string start = "model.layers." + std::to_string(layer) + ".";
      for (int e = 0; e < 4; ++e) {
        const std::string expert = start + one.block + ".experts." + std::to_string(e) + ".";
        for (const auto& [from, to] :
             {std::pair{"gate_proj", one.gate}, {"up_proj", one.up}, {"down_proj", one.down}}) {
          EXPECT_EQ(testing::all_values(tensor_named(dense, start + "mlp." + from + ".weight")),
                    testing::all_values(tensor_named(image, expert + to + ".weight")));
        }
      }
      const ImageTensor& router = tensor_named(image, start + one.block + ".gate.weight");
      EXPECT_EQ(router.shape, (std::vector<std::int64_t>{4, before.at("hidden_size").get<std::int64_t>()}));
    }
  }
}

TEST(Upcycle, TheRouterIsRandomAndTheSameForASeed) {
  const auto router = [](std::uint64_t seed) {
    ModelImage image = fixture("llama_types");
    upcycle(image, {8, 2, seed});
    return testing::all_values(tensor_named(image, "model.layers.1.block_sparse_moe.gate.weight"));
  };
  const std::vector<float> values = router(3);
  EXPECT_EQ(values, router(3));
  EXPECT_NE(values, router(4));
  double sum = 0, squares = 0;
  for (const float v : values) {
    EXPECT_EQ(v, bf16_to_f32(f32_to_bf16(v)));
    sum += v;
    squares += static_cast<double>(v) * v;
  }
  const auto n = static_cast<double>(values.size());
  EXPECT_NEAR(sum / n, 0, 0.002);
  EXPECT_NEAR(std::sqrt(squares / n), 0.02, 0.002);
}

TEST(Upcycle, RefusesWhatTheTargetCannotSay) {
  const auto with = [](const char* name, const char* key, json value) {
    ModelImage image = fixture(name);
    json config = json::parse(image.files.at("config.json"));
    config[key] = std::move(value);
    image.files["config.json"] = config.dump();
    return image;
  };
  const auto unsupported = ErrorKind::unsupported;
  ModelImage gemma = fixture("gemma3");
  testing::expect_error(unsupported, {"gemma3.gguf", "model_type", "llama or qwen3", "gemma3_text"}, [&] {
    upcycle(gemma, {2, 1, 0});
  });
  ModelImage already = fixture("qwen3moe");
  testing::expect_error(unsupported, {"qwen3_moe"}, [&] { upcycle(already, {2, 1, 0}); });
  ModelImage biased = fixture("llama_v2_biases");
  testing::expect_error(unsupported, {"attention_bias"}, [&] { upcycle(biased, {2, 1, 0}); });
  ModelImage gelu = with("qwen3", "hidden_act", "gelu");
  testing::expect_error(unsupported, {"hidden_act", "gelu"}, [&] { upcycle(gelu, {2, 1, 0}); });
  ModelImage windows = with("qwen3", "use_sliding_window", true);
  testing::expect_error(unsupported, {"use_sliding_window"}, [&] { upcycle(windows, {2, 1, 0}); });
  ModelImage layers = with("qwen3", "num_hidden_layers", 3);
  testing::expect_error(unsupported, {"each of 3 layers", "2"}, [&] { upcycle(layers, {2, 1, 0}); });
  ModelImage no_size = with("qwen3", "hidden_size", "many");
  testing::expect_error(ErrorKind::config, {"hidden_size", "an integer"}, [&] {
    upcycle(no_size, {2, 1, 0});
  });
  for (const auto& [experts, used] : {std::pair{0, 0}, {2, 3}, {1025, 2}, {4, 0}, {-1, -1}}) {
    ModelImage image = fixture("qwen3");
    testing::expect_error(ErrorKind::usage, {"--upcycle"}, [&] { upcycle(image, {experts, used, 0}); });
  }
}

}  // namespace
}  // namespace moe

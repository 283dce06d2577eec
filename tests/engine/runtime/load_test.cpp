// Loading: the same bits from memory, from a packed file and from a copy of one; sizes as predicted; files
// that do not fit.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "engine/runtime/executor.h"
#include "engine/runtime/inspect.h"
#include "models/registry.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

namespace fs = std::filesystem;
using kernels::WeightType;
using test::TempDir;

struct Loaded {
  std::shared_ptr<const Model> model;
  std::vector<std::string> notes;
};

Loaded load(const fs::path& model, LoadOptions options) {
  Loaded out;
  options.note = [&](const std::string& text) { out.notes.push_back(text); };
  out.model = models::load_model(model, options);
  return out;
}

std::vector<float> logits(const std::shared_ptr<const Model>& model, kernels::ThreadTeam& team) {
  Executor executor(model, team);
  Sequence sequence = executor.new_sequence();
  const std::vector<std::int32_t> tokens = {1, 5, 3, 2, 9, 4};
  const Feed feed{&sequence, tokens, LogitsWanted::all};
  const auto rows = executor.forward({&feed, 1});
  return {rows.begin(), rows.end()};
}

fs::path copy_of(const std::string& name, const TempDir& folder) {
  fs::copy(test::fixture("golden/models/" + name), folder / "model");
  return folder / "model";
}

// Makes the packed file in `folder` where there is none that fits.
LoadOptions packing_into(const fs::path& folder) {
  LoadOptions options;
  options.packed_folder = folder;
  options.make_packed = true;
  return options;
}

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, PackedFilesGiveTheSameBits) {
  const TempDir folder;
  const fs::path model = copy_of(GetParam(), folder);
  kernels::ThreadTeam team(2);
  LoadOptions options;
  options.team = &team;
  const Loaded plain = load(model, options);
  EXPECT_EQ(plain.model->place(), WeightPlace::memory);
  const std::vector<float> expected = logits(plain.model, team);

  options.packed_folder = folder / "cache" / "packed";
  EXPECT_EQ(load(model, options).model->place(), WeightPlace::memory);
  EXPECT_FALSE(fs::exists(options.packed_folder)) << "nothing is made unasked";
  options.make_packed = true;
  options.verify_packed = true;
  for (int i = 0; i < 2; ++i) {
    const Loaded packed = load(model, options);
    EXPECT_EQ(packed.model->place(), WeightPlace::packed_file);
    EXPECT_EQ(packed.model->weight_bytes(), plain.model->weight_bytes());
    EXPECT_TRUE(packed.notes.empty()) << packed.notes.front();
    EXPECT_EQ(logits(packed.model, team), expected);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(options.packed_folder), {}), 1);
  options.make_packed = false;
  options.mapping = LoadOptions::Mapping::never;
  options.team = nullptr;
  const Loaded copied = load(model, options);
  EXPECT_EQ(copied.model->place(), WeightPlace::memory);
  EXPECT_TRUE(copied.notes.empty());
  EXPECT_EQ(logits(copied.model, team), expected);
}

TEST_P(Golden, WeightsLeftInTheCheckpointGiveTheSameBits) {
  const fs::path model = test::fixture(std::string("golden/models/") + GetParam());
  kernels::ThreadTeam team(2);
  LoadOptions options;
  options.team = &team;
  const std::vector<float> expected = logits(load(model, options).model, team);
  options.mapping = LoadOptions::Mapping::always;
  const Loaded mapped = load(model, options);
  EXPECT_EQ(mapped.model->place(), WeightPlace::checkpoint);
  EXPECT_EQ(logits(mapped.model, team), expected);
  options.mapping = LoadOptions::Mapping::automatic;
  options.memory = mapped.model->weight_bytes() - 1;
  const Loaded too_large = load(model, options);
  EXPECT_EQ(too_large.model->place(), WeightPlace::checkpoint);
  EXPECT_EQ(too_large.notes.size(), 1U);
  options.memory = mapped.model->weight_bytes();
  EXPECT_EQ(load(model, options).model->place(), WeightPlace::memory);
}

TEST_P(Golden, MemoryIsWhatInspectPredicts) {
  const fs::path model = test::fixture(std::string("golden/models/") + GetParam());
  std::int64_t vectors = 0;
  const models::Description description = models::describe(model);
  const ModelSpec& spec = description.spec;
  for (std::int32_t i = -1; i < spec.layer_count(); ++i) {
    for (const WeightUse& use : i < 0 ? model_weights(spec) : layer_weights(spec, i)) {
      if (use.is_vector()) vectors += use.rows * std::int64_t{sizeof(float)};
    }
  }
  const auto expect = [&](std::string_view form) {
    LoadOptions options;
    options.quantise = quantisation(form);
    const auto* f = std::ranges::find(kWeightForms, form, &WeightForm::name);
    EXPECT_EQ(load(model, options).model->weight_bytes() + vectors, weight_bytes_in_memory(spec, description.stored, *f).resident) << form;
  };
  const bool f32 = Checkpoint::open(model).require(Checkpoint::open(model).names()[0]).dtype == DType::f32;
  expect(f32 ? "f32" : "bf16");
  // Quantised forms are of bf16 checkpoints, whose routers stay as they are.
  if (f32) return;
  for (const Quantisation& form : kQuantisations) expect(form.name);
}

INSTANTIATE_TEST_SUITE_P(Models, Golden,
                         testing::Values("llama-f32", "qwen3-tied-bf16", "qwen2_moe-f32", "olmoe-clip-bf16",
                                         "deepseek_v3-bf16-v4", "gemma4_text-moe-bf16",
                                         "gemma4_text-layer-inputs", "gpt_oss-bf16-v4"),
                         [](const auto& param_info) {
                           std::string name = param_info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Packed, FormsHaveFilesOfTheirOwn) {
  const TempDir folder;
  const fs::path model = copy_of("qwen3-tied-bf16", folder);
  kernels::ThreadTeam team(1);
  LoadOptions options = packing_into(folder / "packed");
  std::map<std::int64_t, int> sizes;
  for (const char* form : {"native", "q8", "q4", "q4h8"}) {
    options.quantise = quantisation(form);
    LoadOptions in_memory = options;
    in_memory.packed_folder.clear();
    const Loaded packed = load(model, options);
    EXPECT_EQ(packed.model->place(), WeightPlace::packed_file);
    EXPECT_EQ(logits(packed.model, team), logits(load(model, in_memory).model, team));
    ++sizes[packed.model->weight_bytes()];
  }
  EXPECT_EQ(sizes.size(), 4U);
  EXPECT_EQ(std::distance(fs::directory_iterator(options.packed_folder), {}), 4);
}

TEST(Packed, StaleAndDamagedFilesAreMadeAgain) {
  const TempDir folder;
  const fs::path model = copy_of("llama-f32", folder);
  kernels::ThreadTeam team(1);
  LoadOptions use, make = packing_into(folder / "packed");
  use.packed_folder = make.packed_folder;
  const std::vector<float> expected = logits(load(model, make).model, team);
  const fs::path file = packed_path(make.packed_folder, model, std::nullopt);
  const std::string good = test::read_all(file);

  const auto expect_rebuilt = [&](const char* why, const char* said) {
    const Loaded ignored = load(model, use);
    EXPECT_EQ(ignored.model->place(), WeightPlace::memory) << why;
    ASSERT_EQ(ignored.notes.size(), 1U) << why;
    EXPECT_NE(ignored.notes[0].find(said), std::string::npos) << ignored.notes[0];
    EXPECT_EQ(logits(ignored.model, team), expected) << why;
    const Loaded made = load(model, make);
    EXPECT_EQ(made.model->place(), WeightPlace::packed_file) << why;
    EXPECT_TRUE(made.notes.empty()) << why;
    EXPECT_EQ(logits(made.model, team), expected) << why;
    EXPECT_TRUE(load(model, use).notes.empty()) << why;
  };
  const auto damage = [&](const std::string& bytes) {
    folder.write("packed/" + file.filename().string(), bytes);
  };
  damage(good.substr(0, good.size() / 2));
  expect_rebuilt("cut short", "cut short");
  damage("");
  expect_rebuilt("empty", "empty");
  std::string bad = good;
  bad[bad.size() - 100] ^= 1;
  damage(bad);
  expect_rebuilt("a flipped bit of the directory", "hash");
  // The checkpoint in another state: here a file that was written again.
  fs::last_write_time(model / "model.safetensors", fs::file_time_type::clock::now() - std::chrono::hours(1));
  expect_rebuilt("an older checkpoint", "older state");
  bad = test::read_all(file);
  bad[5000] ^= 1;
  damage(bad);
  use.verify_packed = make.verify_packed = true;
  expect_rebuilt("a flipped bit of a weight", "checksum");
}

// A checkpoint whose weights changed while sizes and times of change stayed must not meet its old packed
// weights.
TEST(Packed, OtherWeightsInTheSamePlaceAreSeen) {
  const TempDir folder;
  const fs::path model = copy_of("llama-f32", folder);
  kernels::ThreadTeam team(1);
  const LoadOptions make = packing_into(folder / "packed");
  const std::vector<float> before = logits(load(model, make).model, team);
  const fs::path weights = model / "model.safetensors";
  const auto time = fs::last_write_time(weights);
  std::string bytes = test::read_all(weights);
  bytes[bytes.size() / 2 + 3] ^= 0x10;
  folder.write("model/model.safetensors", bytes);
  fs::last_write_time(weights, time);
  EXPECT_NE(logits(load(model, make).model, team), before);
}

TEST(Packed, AFolderThatCannotBeWrittenIsDoneWithout) {
  const TempDir folder;
  const fs::path model = copy_of("llama-f32", folder);
  folder.write("file", "");
  const LoadOptions make = packing_into(folder / "file" / "packed");
  const Loaded loaded = load(model, make);
  EXPECT_EQ(loaded.model->place(), WeightPlace::memory);
  ASSERT_EQ(loaded.notes.size(), 1U);
  EXPECT_NE(loaded.notes[0].find("packed weights are not kept"), std::string::npos) << loaded.notes[0];
}

TEST(HugeArena, RegionsAreAlignedZeroAndBounded) {
  HugeArena memory(100 + 64, "memory for tests");
  std::byte* a = memory.take(100);
  std::byte* b = memory.take(36);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a) % 64, 0U);
  EXPECT_EQ(b - a, 128);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(a[i], std::byte{0});
  a[99] = std::byte{1};
  HugeArena moved = std::move(memory);
  EXPECT_EQ(a[99], std::byte{1});
  EXPECT_THROW(moved.take(std::int64_t{1} << 40), Error);
  EXPECT_THROW(HugeArena(std::int64_t{1} << 62, "memory for tests"), Error);
}

}  // namespace
}  // namespace moe

// Packed weights as users meet them: flags of moe-run, two processes at once, full disks, folders that cannot
// be written.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/temp_dir.h"
#include "tests/tools/broken_inputs.h"

namespace moe::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kModel = "qwen3-tied-bf16";

struct Setting {
  TempDir folder;
  Setting() {
    copy_model(kModel, folder / "model");
    folder.write("ids.json", "[3, 4, 5]");
  }
  Command command(const std::vector<std::string>& more) const {
    Command c{
        "moe-run", {"-m", "model", "--prompt-ids", "ids.json", "-n", "3", "--temp", "0", "-t", "2", "--json"},
        "",        {},
        "",        0};
    c.args.insert(c.args.end(), more.begin(), more.end());
    c.variables = {{"XDG_CACHE_HOME", (folder / "cache").string()}};
    return c;
  }
  Outcome run(const std::vector<std::string>& more) const {
    return run_command(command(more), folder.path());
  }
  json result(const std::vector<std::string>& more) const {
    const Outcome out = run(more);
    EXPECT_EQ(out.code, 0) << out.err;
    return out.code == 0 ? json::parse(out.out) : json();
  }
  std::vector<fs::path> packed() const {
    std::vector<fs::path> out;
    for (const fs::path& home : {folder / "cache" / "moe" / "packed", folder / "own"}) {
      if (!fs::exists(home)) continue;
      for (const auto& entry : fs::directory_iterator(home)) out.push_back(entry.path());
    }
    return out;
  }
};

bool warns(const Outcome& out, std::string_view text) {
  const std::size_t at = out.err.find("moe-run: warning: ");
  return at != out.err.npos && out.err.find(text, at) < out.err.find('\n', at);
}

TEST(PackedCache, IsMadeWhenAskedAndUsedFromThenOn) {
  const Setting s;
  const json plain = s.result({});
  EXPECT_EQ(plain["env"]["weights_in"], "memory");
  EXPECT_TRUE(s.packed().empty()) << "nothing is made unasked";
  const json made = s.result({"--packed-cache", "on"});
  EXPECT_EQ(made["env"]["weights_in"], "packed file");
  ASSERT_EQ(s.packed().size(), 1U);
  const json used = s.result({});
  EXPECT_EQ(used["env"]["weights_in"], "packed file");
  const json copied = s.result({"--mmap", "off", "--check-weights"});
  EXPECT_EQ(copied["env"]["weights_in"], "memory");
  const json off = s.result({"--packed-cache", "off"});
  EXPECT_EQ(off["env"]["weights_in"], "memory");
  for (const json* other : {&made, &used, &copied, &off}) {
    EXPECT_EQ((*other)["env"]["logits_hash"], plain["env"]["logits_hash"]);
    EXPECT_EQ((*other)["env"]["model_hash"], plain["env"]["model_hash"]);
    EXPECT_EQ((*other)["output_ids"], plain["output_ids"]);
    EXPECT_EQ((*other)["cost"], plain["cost"]);
  }
}

TEST(PackedCache, AFolderOfOnesOwn) {
  const Setting s;
  EXPECT_EQ(s.result({"--packed-cache", "own"})["env"]["weights_in"], "packed file");
  ASSERT_EQ(s.packed().size(), 1U);
  EXPECT_EQ(s.packed()[0].parent_path(), s.folder / "own");
}

TEST(PackedCache, TwoProcessesMakeItAtOnce) {
  const Setting s;
  const json expected = s.result({});
  std::vector<Outcome> outcomes(3);
  {
    std::vector<std::jthread> threads;
    for (Outcome& outcome : outcomes)
      threads.emplace_back([&] { outcome = s.run({"--packed-cache", "on"}); });
  }
  for (const Outcome& outcome : outcomes) {
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(json::parse(outcome.out)["env"]["logits_hash"], expected["env"]["logits_hash"]);
    EXPECT_EQ(json::parse(outcome.out)["env"]["weights_in"], "packed file");
  }
  ASSERT_EQ(s.packed().size(), 1U) << "one file, and nothing left of the others";
  EXPECT_EQ(s.result({"--check-weights"})["env"]["weights_in"], "packed file");
}

TEST(PackedCache, OtherLayoutsAndDamagedFilesAreNotBelieved) {
  const Setting s;
  const json expected = s.result({"--packed-cache", "on"});
  const fs::path file = s.packed().at(0);
  const std::string good = read_all(file);
  std::string other_layout = good;
  other_layout[other_layout.size() - 80 + 12] ^= 0x40;
  for (const std::string& bytes :
       {other_layout, good.substr(0, good.size() - 9), std::string("not packed weights\n"), std::string()}) {
    write_text(file, bytes);
    const Outcome ignored = s.run({});
    ASSERT_EQ(ignored.code, 0) << ignored.err;
    EXPECT_TRUE(warns(ignored, file.filename().string())) << ignored.err;
    EXPECT_EQ(json::parse(ignored.out)["env"]["weights_in"], "memory");
    const json again = s.result({"--packed-cache", "on"});
    EXPECT_EQ(again["env"]["weights_in"], "packed file");
    EXPECT_EQ(again["env"]["logits_hash"], expected["env"]["logits_hash"]);
    EXPECT_EQ(read_all(file).size(), good.size());
  }
}

TEST(PackedCache, AFullDiskLeavesAWarningAndNoFile) {
  const Setting s;
  const json expected = s.result({});
  Command command = s.command({"--packed-cache", "on"});
  command.largest_file = 20000;
  const Outcome out = run_command(command, s.folder.path());
  ASSERT_EQ(out.code, 0) << out.err;
  EXPECT_TRUE(warns(out, "packed weights are not kept")) << out.err;
  EXPECT_EQ(json::parse(out.out)["env"]["logits_hash"], expected["env"]["logits_hash"]);
  EXPECT_TRUE(s.packed().empty());
}

TEST(PackedCache, AFolderThatCannotBeWrittenLeavesAWarning) {
  const Setting s;
  const Outcome out = s.run({"--packed-cache", "ids.json/below"});
  ASSERT_EQ(out.code, 0) << out.err;
  EXPECT_TRUE(warns(out, "packed weights are not kept")) << out.err;
  // One that can only be read serves all the same. (Root may write everywhere: then there is nothing to see.)
  s.result({"--packed-cache", "own"});
  fs::permissions(s.folder / "own", fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(s.result({"--packed-cache", "own"})["env"]["weights_in"], "packed file");
  fs::permissions(s.folder / "own", fs::perms::owner_all);
}

TEST(LoadFlags, FormsOfWeightsAndArithmetic) {
  const Setting s;
  const auto env = [&](const std::vector<std::string>& flags) { return s.result(flags)["env"]; };
  EXPECT_EQ(env({})["compute"], "f32");
  EXPECT_EQ(env({})["cache"], "f32");
  EXPECT_EQ(env({"--cache-type", "q8"})["cache"], "q8");
  EXPECT_NE(env({"--cache-type", "q8"})["logits_hash"], env({})["logits_hash"]);
  const json bf16 = env({"--compute", "bf16"});
  EXPECT_EQ(bf16["compute"], "bf16");
  for (const std::string form : {"q8", "q4", "q4h8"}) {
    const json quantised = env({"--weights", form});
    EXPECT_EQ(quantised["weights"], form);
    EXPECT_EQ(quantised["compute"], "int8");
    EXPECT_EQ(quantised["cache"], "bf16");
    EXPECT_EQ(env({"--weights", form, "--packed-cache", "on"})["logits_hash"], quantised["logits_hash"]);
    EXPECT_EQ(env({"--weights", form})["weights_in"], "packed file");
    const json f32 = env({"--weights", form, "--compute", "f32"});
    EXPECT_EQ(f32["compute"], "f32");
    EXPECT_NE(f32["logits_hash"], quantised["logits_hash"]);
  }
  EXPECT_EQ(s.run({"--weights", "q5"}).code, 2);
  EXPECT_EQ(s.run({"--compute", "f16"}).code, 2);
  EXPECT_EQ(s.run({"--packed-cache", ""}).code, 2);
}

}  // namespace
}  // namespace moe::test

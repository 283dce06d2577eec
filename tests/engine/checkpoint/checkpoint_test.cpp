// Model directories: single files, shards, indexes that lie, links that lead away, and identity.
#include "engine/checkpoint/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/checkpoint/identity.h"
#include "tests/engine/checkpoint/safetensors_text.h"
#include "tests/support/expect_error.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

namespace fs = std::filesystem;
using test::entry;
using test::expect_error;
using test::file_with;
using test::read_all;
using test::TempDir;

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

std::string holding(const char* name) { return file_with(8, entry(name, "F32", "[2]", "[0,8]")); }

std::string index_of(std::string_view a, std::string_view b) {
  return fmt::format(R"({{"metadata":{{"total_size":16}},"weight_map":{{"a":"{}","b":"{}"}}}})", a, b);
}

// A directory of two shards, each with one tensor.
void make_sharded(const TempDir& folder) {
  folder.write(kFirst, holding("a"));
  folder.write(kSecond, holding("b"));
  folder.write(kIndex, index_of(kFirst, kSecond));
}

TEST(Checkpoint, OpensOneFile) {
  const TempDir folder;
  folder.write("model.safetensors", holding("a"));
  // As transformers does, the single file wins over an index beside it.
  folder.write(kIndex, "not even JSON");
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string_view>{"a"}));
  EXPECT_EQ(checkpoint.total_bytes(), 8U);
  EXPECT_TRUE(checkpoint.index().empty());
  EXPECT_EQ(checkpoint.file_of("a"), folder / "model.safetensors");
}

TEST(Checkpoint, HoldsTensorsOfNoFile) {
  auto bytes = std::make_shared<std::vector<std::byte>>(8, std::byte{0});
  const std::weak_ptr<void> alive = bytes;
  const Tensor tensor{"a", DType::f32, {2}, *bytes};
  {
    const Checkpoint checkpoint = Checkpoint::in_memory({tensor}, std::move(bytes));
    EXPECT_EQ(checkpoint.names(), (std::vector<std::string_view>{"a"}));
    EXPECT_EQ(checkpoint.require("a", {2}).data.size(), 8U);
    EXPECT_EQ(checkpoint.total_bytes(), 8U);
    EXPECT_TRUE(checkpoint.directory().empty());
    EXPECT_TRUE(checkpoint.file_of("a").empty());
    checkpoint.will_need(*checkpoint.find("a"), checkpoint.find("a")->data);
    checkpoint.drop(*checkpoint.find("a"), checkpoint.find("a")->data);
    EXPECT_FALSE(alive.expired());
  }
  EXPECT_TRUE(alive.expired());
  EXPECT_THROW(Checkpoint::in_memory({tensor, tensor}, nullptr), std::logic_error);
}

TEST(Checkpoint, OpensShards) {
  const TempDir folder;
  make_sharded(folder);
  Checkpoint opened = Checkpoint::open(folder.path());
  const Checkpoint checkpoint = std::move(opened);
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string_view>{"a", "b"}));
  EXPECT_EQ(checkpoint.total_bytes(), 16U);
  EXPECT_EQ(checkpoint.file_of("b"), folder / kSecond);
  EXPECT_EQ(checkpoint.require("b", {2}).elements(), 2);
  EXPECT_EQ(checkpoint.require("b", {-1}).elements(), 2);
  checkpoint.drop(checkpoint.require("b"), checkpoint.require("b").data);
  EXPECT_EQ(to_floats(checkpoint.require("b")).size(), 2U) << "dropped pages are read again";
}

TEST(Checkpoint, WhatIsRequiredIsNamedWithBothShapes) {
  const TempDir folder;
  make_sharded(folder);
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_EQ(checkpoint.find("c"), nullptr);
  expect_error(ErrorKind::config,
               {kIndex, "tensor \"c\"", "expected it to be there", "found no tensor of that name"},
               [&] { checkpoint.require("c"); });
  expect_error(ErrorKind::config,
               {kIndex, "tensor \"c\"", "expected shape [4, any]", "found no tensor of that name"}, [&] {
                 checkpoint.require("c", {4, -1});
               });
  expect_error(ErrorKind::config, {kSecond, "tensor \"b\"", "expected shape [3]", "found shape [2]"},
               [&] { checkpoint.require("b", {3}); });
  expect_error(ErrorKind::config, {kSecond, "tensor \"b\"", "expected shape [2, 1]", "found shape [2]"}, [&] {
    checkpoint.require("b", {2, 1});
  });
  expect_error(ErrorKind::config, {kFirst, "tensor \"a\"", "expected shape []", "found shape [2]"},
               [&] { checkpoint.require("a", std::span<const std::int64_t>()); });
}

struct Broken {
  const char* what;
  std::function<void(const TempDir&)> make;
  ErrorKind kind;
  std::vector<std::string> parts;
};

std::vector<Broken> broken_directories() {
  constexpr ErrorKind kFormat = ErrorKind::format;
  const auto index = [](std::string text) {
    return [text](const TempDir& d) {
      make_sharded(d);
      d.write(kIndex, text);
    };
  };
  const auto shard_named = [&](std::string name) { return index(index_of(kFirst, name)); };
  const std::string plain = "expected a plain file name in weight_map";
  std::vector<Broken> table = {
      {"empty directory",
       [](const TempDir&) {},
       ErrorKind::io,
       {"weights", "expected model.safetensors or model.safetensors.index.json", "found neither"}},
      {"PyTorch weights only",
       [](const TempDir& d) { d.write("pytorch_model.bin", "x"); },
       ErrorKind::unsupported,
       {"weights", "expected model.safetensors", "found only PyTorch pickles (\"pytorch_model.bin\")",
        "save"}},
      {"GGUF only",
       [](const TempDir& d) { d.write("m-q8_0.gguf", "GGUF"); },
       ErrorKind::unsupported,
       {"weights", "expected model.safetensors",
        "found only GGUF (\"m-q8_0.gguf\"): convert it with moe-convert"}},
      {"shards without an index",
       [](const TempDir& d) { d.write(kFirst, holding("a")); },
       ErrorKind::io,
       {"weights", "expected model.safetensors", std::string("found \"") + kFirst + "\" and no index"}},
      {"weights are a directory",
       [](const TempDir& d) { fs::create_directory(d / "model.safetensors"); },
       ErrorKind::io,
       {"model.safetensors", "expected a regular file", "found a directory"}},
      {"weights are a pipe",
       [](const TempDir& d) { ::mkfifo((d / "model.safetensors").c_str(), 0600); },
       ErrorKind::io,
       {"model.safetensors", "expected a regular file", "found a pipe"}},
      {"weights are empty",
       [](const TempDir& d) { d.write("model.safetensors", ""); },
       ErrorKind::io,
       {"model.safetensors", "expected a file with contents", "found an empty file"}},
      {"weights link to nothing",
       [](const TempDir& d) { fs::create_symlink("gone", d / "model.safetensors"); },
       ErrorKind::io,
       {"model.safetensors", "No such file"}},
      {"weights are broken",
       [](const TempDir& d) { d.write("model.safetensors", "\1\2"); },
       kFormat,
       {"model.safetensors", "header length", "expected 8 bytes", "found a file of 2 bytes"}},
      {"index is a directory",
       [](const TempDir& d) { fs::create_directory(d / kIndex); },
       ErrorKind::io,
       {kIndex, "expected a regular file", "found a directory"}},
      {"index is empty", index(""), kFormat, {kIndex, "line 1, column 1", "a value", "the end of the text"}},
      {"index is cut", index(R"({"weight_map":{"a")"), kFormat, {kIndex, "column 19", "expected ':'"}},
      {"index is an array",
       index("[]"),
       kFormat,
       {kIndex, "shard index", "expected an object", "found an array"}},
      {"index without a map",
       index("{}"),
       kFormat,
       {kIndex, "weight_map", "expected an object", "found none"}},
      {"map is a list",
       index(R"({"weight_map":[]})"),
       kFormat,
       {kIndex, "weight_map", "expected an object", "found an array"}},
      {"map is empty",
       index(R"({"weight_map":{}})"),
       kFormat,
       {kIndex, "weight_map", "expected at least one tensor", "found an empty object"}},
      {"map twice",
       index(R"({"weight_map":{"a":"x"},"weight_map":{}})"),
       kFormat,
       {kIndex, "weight_map", "expected one", "found a second one"}},
      {"tensor twice in the map",
       index(R"({"weight_map":{"a":"x","a":"y"}})"),
       kFormat,
       {kIndex, "tensor \"a\"", "expected one entry in weight_map", "found a second one"}},
      {"file name is a number",
       index(R"({"weight_map":{"a":1}})"),
       kFormat,
       {kIndex, "tensor \"a\"", "expected a file name", "found a non-negative integer"}},
      {"index too deep",
       index("{\"metadata\":" + std::string(100'000, '[')),
       ErrorKind::limit,
       {kIndex, "expected at most 16 nested", "found more"}},
      {"shard up and out",
       shard_named("../x.safetensors"),
       kFormat,
       {kIndex, "tensor \"b\"", plain, "found \"../x.safetensors\""}},
      {"shard absolute",
       shard_named("/etc/passwd"),
       kFormat,
       {kIndex, "tensor \"b\"", plain, "found \"/etc/passwd\""}},
      {"shard in a folder",
       shard_named("sub/x"),
       kFormat,
       {kIndex, "tensor \"b\"", plain, "found \"sub/x\""}},
      {"shard with a backslash",
       shard_named("..\\\\x"),
       kFormat,
       {kIndex, "tensor \"b\"", plain, "found \"..\\x\""}},
      {"shard is the parent", shard_named(".."), kFormat, {kIndex, "tensor \"b\"", plain, "found \"..\""}},
      {"shard without a name", shard_named(""), kFormat, {kIndex, "tensor \"b\"", plain, "found \"\""}},
      {"shard with a zero byte",
       shard_named("x\\u0000y"),
       kFormat,
       {kIndex, "tensor \"b\"", plain, "found \"x\\x00y\""}},
      {"shard missing",
       shard_named("model-3.safetensors"),
       ErrorKind::io,
       {kIndex, "tensor \"b\"", "expected file \"model-3.safetensors\"", "found no such file"}},
      {"shard is the index", shard_named(kIndex), ErrorKind::limit, {kIndex, "header length", "found"}},
      {"tensor in another shard",
       index(index_of(kSecond, kFirst)),
       kFormat,
       {kSecond, "tensor \"a\"", "expected it in this file", std::string("found it in \"") + kFirst}},
      {"tensor in no shard",
       [&](const TempDir& d) {
         make_sharded(d);
         d.write(kIndex,
                 fmt::format(R"({{"weight_map":{{"a":"{0}","b":"{1}","c":"{1}"}}}})", kFirst, kSecond));
       },
       kFormat,
       {kSecond, "tensor \"c\"", "expected it in this file", "found no tensor of that name"}},
      {"tensor not in the index",
       [&](const TempDir& d) {
         make_sharded(d);
         d.write(kSecond,
                 file_with(16, entry("b", "F32", "[2]", "[0,8]"), entry("x", "F32", "[2]", "[8,16]")));
       },
       kFormat,
       {kSecond, "tensor \"x\"", std::string("expected an entry in ") + kIndex, "found none"}},
      {"tensor in two shards",
       [&](const TempDir& d) {
         make_sharded(d);
         d.write(kSecond,
                 file_with(16, entry("a", "F32", "[2]", "[0,8]"), entry("b", "F32", "[2]", "[8,16]")));
       },
       kFormat,
       {kSecond, "tensor \"a\"", "expected it in one shard", std::string("found it in \"") + kFirst}},
      {"shard cut short",
       [&](const TempDir& d) {
         make_sharded(d);
         fs::resize_file(d / kSecond, fs::file_size(d / kSecond) - 3);
       },
       kFormat,
       {kSecond, "tensor \"b\"", "inside the 5 bytes of data", "found data_offsets [0, 8]"}},
      {"shard cut in its header",
       [&](const TempDir& d) {
         make_sharded(d);
         fs::resize_file(d / kSecond, 20);
       },
       kFormat,
       {kSecond, "header length", "expected at most 12 bytes", "found"}},
      {"shard links away",
       [&](const TempDir& d) {
         make_sharded(d);
         fs::remove(d / kSecond);
         fs::create_symlink("/etc/passwd", d / kSecond);
       },
       kFormat,
       {kIndex, std::string("shard \"") + kSecond, "expected a file inside",
        "found a link to \"/etc/passwd\""}},
      {"shard links to nothing",
       [&](const TempDir& d) {
         make_sharded(d);
         fs::remove(d / kSecond);
         fs::create_symlink("gone", d / kSecond);
       },
       ErrorKind::io,
       {kSecond, "No such file"}},
      {"shard links to itself",
       [&](const TempDir& d) {
         make_sharded(d);
         fs::remove(d / kSecond);
         fs::create_symlink(kSecond, d / kSecond);
       },
       ErrorKind::io,
       {kSecond, "symbolic links"}},
  };
  return table;
}

TEST(Checkpoint, EveryBrokenDirectoryIsToldInOneLine) {
  for (const Broken& broken : broken_directories()) {
    SCOPED_TRACE(broken.what);
    const TempDir folder;
    broken.make(folder);
    try {
      Checkpoint::open(folder.path());
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(broken.kind)) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos);
      EXPECT_EQ(message.rfind(folder.path().string(), 0), 0U) << message;
      for (const std::string& part : broken.parts) {
        EXPECT_NE(message.find(part), std::string::npos) << "no \"" << part << "\" in: " << message;
      }
    }
  }
}

TEST(Checkpoint, WhatIsNoDirectoryIsNamed) {
  const TempDir folder;
  folder.write("file", "x");
  expect_error(ErrorKind::io, {"file", "expected a model directory", "found a file"},
               [&] { Checkpoint::open(folder / "file"); });
  expect_error(ErrorKind::io, {"none", "expected a model directory", "found nothing of that name"},
               [&] { Checkpoint::open(folder / "none"); });
}

// The cache's layout: snapshots/COMMIT/FILE links to ../../blobs/HASH.
TEST(Checkpoint, LinksOfTheHuggingFaceCacheAreFollowed) {
  const TempDir cache;
  cache.write("models--o--n/blobs/11", holding("a"));
  cache.write("models--o--n/blobs/22", holding("b"));
  cache.write("models--o--n/blobs/33", index_of(kFirst, kSecond));
  const fs::path snapshot = cache / "models--o--n/snapshots/abc";
  fs::create_directories(snapshot);
  fs::create_symlink("../../blobs/11", snapshot / kFirst);
  fs::create_symlink("../../blobs/22", snapshot / kSecond);
  fs::create_symlink("../../blobs/33", snapshot / kIndex);
  EXPECT_EQ(Checkpoint::open(snapshot).names().size(), 2U);
  // The same through a link to the snapshot.
  fs::create_directory_symlink(snapshot, cache / "mine");
  EXPECT_EQ(Checkpoint::open(cache / "mine").names().size(), 2U);
  // The blobs of another repository are outside.
  cache.write("models--o--other/blobs/22", holding("b"));
  fs::remove(snapshot / kSecond);
  fs::create_symlink("../../../models--o--other/blobs/22", snapshot / kSecond);
  expect_error(ErrorKind::format,
               {kIndex, kSecond, "expected a file inside the directory", "models--o--other"},
               [&] { Checkpoint::open(snapshot); });
}

TEST(Checkpoint, SeveralThreadsReadIt) {
  const TempDir folder;
  make_sharded(folder);
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  const std::vector<float> expected = to_floats(checkpoint.require("a"));
  std::vector<std::jthread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const Tensor& tensor = checkpoint.require(i % 2 == 0 ? "a" : "b", {2});
        if (to_floats(tensor) != expected) ++wrong;
        checkpoint.drop(tensor, tensor.data);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(Identity, StampSeesWhatSetTimesHide) {
  const TempDir folder;
  make_sharded(folder);
  const auto stamp = [&] { return checkpoint_stamp(Checkpoint::open(folder.path())); };
  const std::string before = stamp();
  const auto time = fs::last_write_time(folder / kFirst);
  std::string weights = read_all(folder / kFirst);
  weights.back() ^= 1;
  folder.write(kFirst, weights);
  fs::last_write_time(folder / kFirst, time);
  EXPECT_NE(stamp(), before);
}

TEST(Identity, AKeptHashSparesReadingAndFollowsTheStamp) {
  const TempDir folder, cache;
  make_sharded(folder);
  const fs::path hashes = cache / "hashes";
  const auto open = [&] { return Checkpoint::open(folder.path()); };
  const auto kept = [&] { return kept_checkpoint_hash(open(), hashes); };
  const std::string hash = checkpoint_hash(open());
  const fs::path file = hashes / (checkpoint_stamp(open()) + ".hash");
  EXPECT_EQ(kept(), hash);
  EXPECT_EQ(read_all(file), hash);
  // What is kept is believed, if it can be a hash at all.
  const std::string other(32, 'a');
  cache.write("hashes/" + file.filename().string(), other);
  EXPECT_EQ(kept(), other);
  for (const std::string& damaged : {std::string(), std::string(31, 'a'), std::string(33, 'a'), std::string(32, 'x')}) {
    cache.write("hashes/" + file.filename().string(), damaged);
    EXPECT_EQ(kept(), hash);
    EXPECT_EQ(read_all(file), hash);
  }
  cache.write("hashes/" + file.filename().string(), other);
  fs::last_write_time(folder / kFirst, fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(kept(), hash) << "another stamp";
  EXPECT_EQ(kept_checkpoint_hash(open(), fs::path()), hash);
  cache.write("file", "");
  EXPECT_EQ(kept_checkpoint_hash(open(), cache / "file" / "below"), hash) << "a folder that cannot be made";
}

TEST(Identity, HashFollowsContentsAndStampFollowsFiles) {
  const TempDir folder;
  make_sharded(folder);
  folder.write("config.json", R"({"model_type":"llama"})");
  const auto hash = [&](unsigned threads = 1) {
    return checkpoint_hash(Checkpoint::open(folder.path()), threads);
  };
  const auto stamp = [&] { return checkpoint_stamp(Checkpoint::open(folder.path())); };
  const std::string first_hash = hash();
  const std::string first_stamp = stamp();
  EXPECT_EQ(first_hash.size(), 32U);
  EXPECT_EQ(hash(3), first_hash);
  EXPECT_EQ(stamp(), first_stamp);
  folder.write("README.md", "of no account");
  EXPECT_EQ(hash(), first_hash);

  // The same files elsewhere, at another time: the same model.
  const TempDir copy;
  make_sharded(copy);
  copy.write("config.json", R"({"model_type":"llama"})");
  fs::last_write_time(copy / kFirst, fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(checkpoint_hash(Checkpoint::open(copy.path())), first_hash);
  EXPECT_NE(checkpoint_stamp(Checkpoint::open(copy.path())), first_stamp);

  folder.write("config.json", R"({"model_type":"qwen3"})");
  const std::string other_config = hash();
  EXPECT_NE(other_config, first_hash);
  EXPECT_NE(stamp(), first_stamp);
  std::string weights = holding("b");
  weights.back() ^= 1;
  folder.write(kSecond, weights);
  EXPECT_NE(hash(), other_config);
}

TEST(Checkpoint, OpensARealModel) {
  const fs::path directory = test::shared_data() / "models" / "stories260K" / "hf";
  if (!fs::exists(directory)) GTEST_SKIP() << "no model at " << directory;
  const Checkpoint checkpoint = Checkpoint::open(directory);
  const Config config = Config::open(directory / "config.json");
  const std::int64_t hidden = config.dimension("hidden_size");
  const std::int64_t vocabulary = config.dimension("vocab_size");
  const Tensor& embedding = checkpoint.require("model.embed_tokens.weight", {vocabulary, hidden});
  EXPECT_EQ(embedding.dtype, DType::f32);
  EXPECT_EQ(to_floats(embedding).size(), static_cast<std::size_t>(hidden * vocabulary));
  EXPECT_THROW(checkpoint.require("model.embed_tokens.weight", {vocabulary, hidden + 1}), Error);
}

}  // namespace
}  // namespace moe

// Finding models by name: the layouts of the Hugging Face cache.
#include "engine/checkpoint/hub.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

using test::expect_error;
using test::TempDir;

HubEnvironment with_cache(const TempDir& folder) {
  HubEnvironment environment;
  environment.hf_hub_cache = folder.path().string();
  return environment;
}

TEST(Hub, ADirectoryIsItself) {
  const TempDir folder;
  EXPECT_EQ(resolve_model(folder.path().string(), {}), folder.path());
}

TEST(Hub, MainIsFollowedToItsCommit) {
  const TempDir cache;
  cache.write("models--org--name/refs/main", "c0ffee\n");
  cache.write("models--org--name/snapshots/c0ffee/config.json", "{}");
  cache.write("models--org--name/snapshots/0ther/config.json", "{}");
  EXPECT_EQ(resolve_model("org/name", with_cache(cache)), cache / "models--org--name/snapshots/c0ffee");
}

TEST(Hub, RevisionsAreBranchesTagsPullRequestsOrCommits) {
  const TempDir cache;
  cache.write("models--org--name/refs/main", "aaa");
  cache.write("models--org--name/refs/v1.0", "bbb");
  cache.write("models--org--name/refs/refs/pr/1", "ccc");
  for (const char* commit : {"aaa", "bbb", "ccc", "ddd"}) {
    cache.write(std::string("models--org--name/snapshots/") + commit + "/config.json", "{}");
  }
  const auto snapshots = cache / "models--org--name/snapshots";
  const HubEnvironment environment = with_cache(cache);
  EXPECT_EQ(resolve_model("org/name", environment), snapshots / "aaa");
  EXPECT_EQ(resolve_model("org/name@main", environment), snapshots / "aaa");
  EXPECT_EQ(resolve_model("org/name@v1.0", environment), snapshots / "bbb");
  EXPECT_EQ(resolve_model("org/name@refs/pr/1", environment), snapshots / "ccc");
  EXPECT_EQ(resolve_model("org/name@ddd", environment), snapshots / "ddd");
  expect_error(ErrorKind::io, {"org/name@v2", "without revision \"v2\"", "aaa, bbb, ccc, ddd"},
               [&] { resolve_model("org/name@v2", environment); });
}

TEST(Hub, WithoutMainTheOnlySnapshotIsTaken) {
  const TempDir cache;
  cache.write("models--org--name/snapshots/only/config.json", "{}");
  EXPECT_EQ(resolve_model("org/name", with_cache(cache)), cache / "models--org--name/snapshots/only");
  cache.write("models--org--name/snapshots/second/config.json", "{}");
  expect_error(ErrorKind::io, {"without revision \"main\"", "only, second"},
               [&] { resolve_model("org/name", with_cache(cache)); });
}

TEST(Hub, NamesWithoutAnOrganisation) {
  const TempDir cache;
  cache.write("models--gpt2/snapshots/x/config.json", "{}");
  EXPECT_EQ(resolve_model("gpt2", with_cache(cache)), cache / "models--gpt2/snapshots/x");
}

TEST(Hub, CachesAreLookedThroughInOrder) {
  const TempDir hub;
  const TempDir hf_home;
  const TempDir home;
  const TempDir xdg;
  HubEnvironment all{hub.path().string(), hf_home.path().string(), std::nullopt, home.path().string()};
  expect_error(ErrorKind::io,
               {"org/name: model: expected a model in one of \"org/name\"",
                (hub / "models--org--name").string(), (hf_home / "hub/models--org--name").string(),
                (home / ".cache/huggingface/hub/models--org--name").string(), "found none"},
               [&] { resolve_model("org/name", all); });
  home.write(".cache/huggingface/hub/models--org--name/snapshots/h/config.json", "{}");
  EXPECT_EQ(resolve_model("org/name", all), home / ".cache/huggingface/hub/models--org--name/snapshots/h");
  hf_home.write("hub/models--org--name/snapshots/f/config.json", "{}");
  EXPECT_EQ(resolve_model("org/name", all), hf_home / "hub/models--org--name/snapshots/f");
  hub.write("models--org--name/snapshots/c/config.json", "{}");
  EXPECT_EQ(resolve_model("org/name", all), hub / "models--org--name/snapshots/c");
  xdg.write("huggingface/hub/models--org--name/snapshots/x/config.json", "{}");
  EXPECT_EQ(resolve_model("org/name", {"", "", xdg.path().string(), home.path().string()}),
            xdg / "huggingface/hub/models--org--name/snapshots/x");
}

TEST(Hub, NamesThatCannotBeOneAreRefused) {
  const TempDir cache;
  cache.write("secret/config.json", "{}");
  const HubEnvironment environment = with_cache(cache);
  for (const char* name :
       {"", "../secret", "org/../secret", "a/b/c", "/no/such/place", "org/", "/name", "org/na me",
        "org/name@", "org/name@../../secret", "org/name@a//b", "org/name@/etc", "./nowhere"}) {
    SCOPED_TRACE(name);
    expect_error(ErrorKind::usage,
                 {"model", "expected a directory, or org/name[@revision]", "found no such directory"},
                 [&] { resolve_model(name, environment); });
  }
}

TEST(Hub, FilesAreRefusedByName) {
  const TempDir folder;
  folder.write("m.gguf", "GGUF");
  folder.write("model.safetensors", "");
  expect_error(ErrorKind::usage,
               {"m.gguf", "expected a directory", "found a GGUF file: convert it with moe-convert"},
               [&] { resolve_model((folder / "m.gguf").string(), {}); });
  expect_error(ErrorKind::usage, {"model.safetensors", "expected a directory", "found a file"},
               [&] { resolve_model((folder / "model.safetensors").string(), {}); });
}

TEST(Hub, AReferenceThatLeadsAwayIsAnError) {
  const TempDir cache;
  cache.write("models--org--name/refs/main", "../../../etc");
  expect_error(ErrorKind::format, {"refs/main", "expected the name of a commit", "found \"../../../etc\""},
               [&] { resolve_model("org/name", with_cache(cache)); });
  cache.write("models--org--name/refs/main", std::string(10'000, 'a'));
  expect_error(ErrorKind::limit, {"refs/main", "at most 256 bytes"},
               [&] { resolve_model("org/name", with_cache(cache)); });
  cache.write("models--org--name/refs/main", "gone");
  expect_error(ErrorKind::io, {"without revision \"main\"", "no snapshot"},
               [&] { resolve_model("org/name", with_cache(cache)); });
}

}  // namespace
}  // namespace moe

// Configuration values: what the getters give, and each complaint by file, key path, expected and found.
#include "engine/checkpoint/config.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

using test::expect_error;

const char* const kText =
    R"({
  "hidden_size": 64, "rope_theta": 10000, "rms_norm_eps": 1e-05, "tie": false, "model_type": "llama",
  "sliding_window": null, "eos_token_id": [2, 3], "bos_token_id": 1, "layer_types": ["full", "sliding"],
  "flags": [true, false], "factors": [1, 2.5], "big": 9223372036854775808, "small": -9223372036854775808,
  "negative": -1, "nan": NaN, "infinite": [1, Infinity], "mixed": [1, "x"], "wide": 1e300,
  "text_config": {"vocab_size": 1000, "rope_parameters": {"rope_type": "yarn", "factor": "4"}},
  "parts": [{"n": 1}, {"n": "two"}], "long": ")"
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
    R"("
})";

TEST(Config, GettersGiveWhatIsThere) {
  const Config config = Config::parse(kText, "config.json");
  EXPECT_EQ(config.integer("hidden_size"), 64);
  EXPECT_EQ(config.dimension("hidden_size"), 64);
  EXPECT_EQ(config.number("rope_theta"), 10000.0);
  EXPECT_EQ(config.positive("rms_norm_eps"), 1e-5);
  EXPECT_FALSE(config.boolean("tie"));
  EXPECT_EQ(config.string("model_type"), "llama");
  EXPECT_EQ(config.integer("small"), Config::kLowest);
  EXPECT_EQ(config.integers("eos_token_id"), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(config.integer_list("eos_token_id"), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(config.integer_list("bos_token_id"), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(config.strings("layer_types"), (std::vector<std::string>{"full", "sliding"}));
  EXPECT_EQ(config.booleans("flags"), (std::vector<bool>{true, false}));
  EXPECT_EQ(config.numbers("factors"), (std::vector<double>{1, 2.5}));
  const Config rope = config.section("text_config").section("rope_parameters");
  EXPECT_EQ(rope.path(), "text_config.rope_parameters");
  EXPECT_EQ(rope.string("rope_type"), "yarn");
  EXPECT_EQ(config.sections("parts").size(), 2U);
}

TEST(Config, NullCountsAsAbsent) {
  const Config config = Config::parse(kText, "config.json");
  EXPECT_FALSE(config.has("sliding_window"));
  EXPECT_FALSE(config.has("nothing"));
  EXPECT_TRUE(config.has("tie"));
  EXPECT_EQ(config.integer_or("sliding_window", 7), 7);
  EXPECT_EQ(config.dimension_or("sliding_window", 7), 7);
  EXPECT_EQ(config.number_or("nothing", 0.5), 0.5);
  EXPECT_EQ(config.positive_or("nothing", 0.5), 0.5);
  EXPECT_TRUE(config.boolean_or("nothing", true));
  EXPECT_EQ(config.string_or("nothing", "silu"), "silu");
  EXPECT_FALSE(config.find_section("sliding_window"));
  EXPECT_TRUE(config.find_section("text_config"));
  EXPECT_EQ(config.kind("sliding_window"), ConfigKind::absent);
  EXPECT_EQ(config.kind("hidden_size"), ConfigKind::integer);
  EXPECT_EQ(config.kind("rms_norm_eps"), ConfigKind::number);
  EXPECT_EQ(config.kind("parts"), ConfigKind::array);
  EXPECT_EQ(config.kind("text_config"), ConfigKind::object);
  EXPECT_EQ(config.first_of({"num_local_experts", "hidden_size"}), "hidden_size");
  EXPECT_EQ(config.first_of({"one", "other"}), "one");
  for (const std::string& key : config.keys()) EXPECT_TRUE(config.has(key)) << key;
}

TEST(Config, EveryWrongValueIsNamed) {
  const Config config = Config::parse(kText, "dir/config.json");
  const Config text = config.section("text_config");
  const auto wrong = [](std::string_view key, std::string_view expected, std::string_view found, auto get) {
    SCOPED_TRACE(std::string(key));
    expect_error(ErrorKind::config,
                 {"dir/config.json: " + std::string(key) + ": expected " + std::string(expected) +
                  ", found " + std::string(found)},
                 get);
  };
  wrong("nothing", "an integer", "nothing", [&] { config.integer("nothing"); });
  wrong("sliding_window", "an integer", "null", [&] { config.integer("sliding_window"); });
  wrong("model_type", "an integer", "\"llama\"", [&] { config.integer("model_type"); });
  wrong("rms_norm_eps", "an integer", "1e-05", [&] { config.integer("rms_norm_eps"); });
  wrong("big", "an integer", "9223372036854775808", [&] { config.integer("big"); });
  wrong("negative", "an integer from 1 to 1073741824", "-1", [&] { config.dimension("negative"); });
  wrong("hidden_size", "an integer from 1 to 63", "64", [&] { config.dimension("hidden_size", 63); });
  wrong("hidden_size", "an integer of at least 65", "64", [&] { config.integer("hidden_size", 65); });
  wrong("hidden_size", "an integer of at most 5", "64",
        [&] { config.integer("hidden_size", Config::kLowest, 5); });
  wrong("hidden_size", "an integer from 0 to 5", "64", [&] { config.integer_or("hidden_size", 1, 0, 5); });
  wrong("tie", "an integer", "false", [&] { config.integer("tie"); });
  wrong("wide", "an integer", "1e+300", [&] { config.integer("wide"); });
  wrong("nan", "a finite number", "nan", [&] { config.number("nan"); });
  wrong("infinite[1]", "a finite number", "inf", [&] { config.numbers("infinite"); });
  wrong("negative", "a finite number above 0", "-1", [&] { config.positive("negative"); });
  wrong("tie", "a finite number", "false", [&] { config.number("tie"); });
  wrong("hidden_size", "true or false", "64", [&] { config.boolean("hidden_size"); });
  wrong("parts", "a string", "an array of 2", [&] { config.string("parts"); });
  wrong("text_config", "a string", "an object", [&] { config.string_or("text_config", ""); });
  wrong("long", "an integer", "a string of 100 bytes", [&] { config.integer("long"); });
  wrong("hidden_size", "an array of integers", "64", [&] { config.integers("hidden_size"); });
  wrong("mixed[1]", "an integer", "\"x\"", [&] { config.integers("mixed"); });
  wrong("mixed[0]", "a string", "1", [&] { config.strings("mixed"); });
  wrong("mixed[0]", "true or false", "1", [&] { config.booleans("mixed"); });
  wrong("eos_token_id[1]", "an integer from 0 to 2", "3", [&] { config.integer_list("eos_token_id", 0, 2); });
  wrong("model_type", "an integer or an array of integers", "\"llama\"",
        [&] { config.integer_list("model_type"); });
  wrong("hidden_size", "an object", "64", [&] { config.section("hidden_size"); });
  wrong("mixed[0]", "an object", "1", [&] { config.sections("mixed"); });
  wrong("parts[1].n", "an integer", "\"two\"", [&] { config.sections("parts")[1].integer("n"); });
  wrong("text_config.rope_parameters.factor", "a finite number", "\"4\"",
        [&] { text.section("rope_parameters").number("factor"); });
  wrong("text_config.hidden_size", "an integer", "nothing", [&] { text.integer("hidden_size"); });
}

TEST(Config, FilesThatAreNoConfigurationAreNamed) {
  const test::TempDir folder;
  folder.write("list.json", "[1]");
  folder.write("twice.json", R"({"a":1,"a":2})");
  folder.write("deep.json", std::string(1000, '[') + std::string(1000, ']'));
  expect_error(ErrorKind::config,
               {"list.json", "outermost value", "expected an object", "found an array of 1"},
               [&] { Config::open(folder / "list.json"); });
  expect_error(ErrorKind::format, {"twice.json", "key \"a\"", "expected each key once", "found a second one"},
               [&] { Config::open(folder / "twice.json"); });
  expect_error(ErrorKind::limit, {"deep.json", "expected at most 64 nested"},
               [&] { Config::open(folder / "deep.json"); });
  expect_error(ErrorKind::io, {"none.json", "No such file"}, [&] { Config::open(folder / "none.json"); });
  expect_error(ErrorKind::io, {folder.path().string(), "found a directory"},
               [&] { Config::open(folder.path()); });
}

}  // namespace
}  // namespace moe

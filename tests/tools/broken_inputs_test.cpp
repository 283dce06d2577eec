// A table of broken inputs: each gives one clear line on stderr, exit code 1 (or 2 for usage), and nothing else.
#include <gtest/gtest.h>
#include <sys/file.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/broken_inputs.h"

namespace moe::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Args = std::vector<std::string>;
using Damage = std::function<void(const fs::path&)>;

struct Case {
  std::string name;
  int code;                        // 1 failure, 2 usage
  std::vector<std::string> parts;  // of the message: the file or thing, what was expected and found
  std::function<Command(const fs::path&)> make;  // fills the folder it runs in
};

std::vector<Case> table;

// moe-run on a damaged checkpoint.
void model_case(const std::string& name, const std::string& from, std::vector<std::string> parts, const Damage& damage, int code = 1) {
  table.push_back({name, code, std::move(parts), [=](const fs::path& folder) {
                     damage(copy_model(from, folder / "model"));
                     write_text(folder / "ids.json", "[3, 4, 5]");
                     return Command{"moe-run", {"-m", "model", "--prompt-ids", "ids.json", "-n", "2", "-t", "1"}, "", {}, "", 0};
                   }});
}
void config_case(const std::string& name, std::vector<std::string> parts, const json& change, const std::string& from = "llama-f32") {
  parts.push_back("config.json");
  parts.push_back("expected");
  model_case(name, from, std::move(parts), [=](const fs::path& model) {
    edit_json(model / "config.json", [&](json& config) { config.merge_patch(change); });
  });
}
void header_case(const std::string& name, std::vector<std::string> parts, const std::function<void(json&)>& edit) {
  parts.push_back("model.safetensors");
  parts.push_back("expected");
  model_case(name, "llama-f32", std::move(parts), [=](const fs::path& model) { edit_header(model / "model.safetensors", edit); });
}
void safetensors_case(const std::string& name, std::vector<std::string> parts, const std::string& header, std::size_t data = 8) {
  parts.push_back("model.safetensors");
  parts.push_back("expected");
  model_case(name, "llama-f32", std::move(parts),
             [=](const fs::path& model) { write_safetensors(model / "model.safetensors", header, data); });
}
void index_case(const std::string& name, std::vector<std::string> parts, const std::function<void(json&)>& edit) {
  parts.push_back("expected");
  model_case(name, "llama-sharded", std::move(parts),
             [=](const fs::path& model) { edit_json(model / "model.safetensors.index.json", edit); });
}
// moe-run with flags on a sound model without a tokenizer, and ids.json of three.
void flag_case(const std::string& name, int code, std::vector<std::string> parts, const Args& flags, const std::string& ids = "[3, 4, 5]",
               std::pair<std::string, std::string> variable = {"X", ""}, const std::string& standard_output = "", std::uint64_t largest = 0) {
  table.push_back({name, code, std::move(parts), [=](const fs::path& folder) {
                     copy_model("llama-f32", folder / "model");
                     write_text(folder / "ids.json", ids);
                     Args args = {"-m", "model", "--prompt-ids", "ids.json", "-n", "2"};
                     args.insert(args.end(), flags.begin(), flags.end());
                     return Command{"moe-run", args, "", {variable}, standard_output, largest};
                   }});
}
// moe-run (or another program) on a model with a tokenizer.
void text_case(const std::string& name, int code, std::vector<std::string> parts, const Damage& damage, const Command& command) {
  table.push_back({name, code, std::move(parts), [=](const fs::path& folder) {
                     damage(copy_text_model(folder / "model"));
                     return command;
                   }});
}
void plain_case(const std::string& name, int code, std::vector<std::string> parts, const Command& command, const Damage& prepare = [](const fs::path&) {}) {
  table.push_back({name, code, std::move(parts), [=](const fs::path& folder) {
                     prepare(folder);
                     return command;
                   }});
}
// The table's loop puts a sound checkpoint without a tokenizer under the name "model".
Command eval_run(Args flags, const std::string& model = "model") {
  flags.insert(flags.begin(), {"run", "-m", model, "-o", "results", "-t", "1"});
  return {"moe-eval", flags, "", {}, "", 0};
}

const std::string kNorm = "model.norm.weight", kQuery = "model.layers.0.self_attn.q_proj.weight";

void safetensors_cases() {
  const auto file = [](const char* text) { return [=](const fs::path& model) { write_text(model / "model.safetensors", text); }; };
  model_case("safetensors_empty", "llama-f32", {"model.safetensors", "expected a file with contents", "found an empty file"}, file(""));
  model_case("safetensors_short", "llama-f32", {"model.safetensors", "expected 8 bytes", "found"}, file("abc"));
  model_case("safetensors_text", "llama-f32", {"model.safetensors", "header length", "found"}, file("version https://git-lfs.github.com/spec/v1\n"));
  model_case("safetensors_cut", "llama-f32", {"model.safetensors", "expected", "found"},
             [](const fs::path& model) { fs::resize_file(model / "model.safetensors", 200'000); });
  model_case("safetensors_longer", "llama-f32", {"model.safetensors", "data", "expected", "found"},
             [](const fs::path& model) { fs::resize_file(model / "model.safetensors", 300'000); });
  safetensors_case("safetensors_header_no_json", {}, "{\"a\": nonsense}");
  safetensors_case("safetensors_header_array", {}, "[1, 2]");
  safetensors_case("safetensors_header_open", {}, "{\"a\": {\"dtype\": \"F32\"");
  safetensors_case("safetensors_header_deep", {}, std::string(100'000, '['));
  safetensors_case("safetensors_no_tensors", {}, "{}", 0);
  safetensors_case("safetensors_no_dtype", {"dtype"}, R"({"a": {"shape": [2], "data_offsets": [0, 8]}})");
  safetensors_case("safetensors_twice", {"\"a\""}, R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})");
  header_case("safetensors_unknown_dtype", {kNorm, "Q99"}, [](json& h) { h[kNorm]["dtype"] = "Q99"; });
  header_case("safetensors_wrong_dtype", {kNorm, "I32"}, [](json& h) { h[kNorm]["dtype"] = "I32"; });
  header_case("safetensors_wrong_size", {kNorm}, [](json& h) { h[kNorm]["shape"] = {49}; });
  header_case("safetensors_negative_shape", {kNorm}, [](json& h) { h[kNorm]["shape"] = {-48}; });
  header_case("safetensors_huge_shape", {kNorm}, [](json& h) { h[kNorm]["shape"] = {1LL << 40, 1LL << 40}; });
  header_case("safetensors_offsets_outside", {kNorm}, [](json& h) { h[kNorm]["data_offsets"] = {271104, 9999999}; });
  header_case("safetensors_offsets_reversed", {kNorm}, [](json& h) { h[kNorm]["data_offsets"] = {271296, 271104}; });
  header_case("safetensors_overlap", {}, [](json& h) { h[kNorm]["data_offsets"] = {270912, 271104}; });
  header_case("safetensors_wrong_shape", {kQuery, "[48, 48]", "[24, 96]"}, [](json& h) { h[kQuery]["shape"] = {24, 96}; });
  header_case("safetensors_missing_tensor", {kQuery}, [](json& h) { h["renamed"] = h[kQuery], h.erase(kQuery); });
  header_case("safetensors_missing_head", {"lm_head.weight"}, [](json& h) { h["renamed"] = h["lm_head.weight"], h.erase("lm_head.weight"); });
}

void index_cases() {
  model_case("index_no_json", "llama-sharded", {"index.json", "expected"}, [](const fs::path& m) { write_text(m / "model.safetensors.index.json", "{"); });
  index_case("index_no_map", {"index.json", "weight_map"}, [](json& i) { i.erase("weight_map"); });
  index_case("index_empty_map", {"index.json", "weight_map"}, [](json& i) { i["weight_map"] = json::object(); });
  index_case("index_map_of_numbers", {"index.json", kNorm}, [](json& i) { i["weight_map"][kNorm] = 3; });
  index_case("index_missing_shard", {"model-9.safetensors"}, [](json& i) { i["weight_map"][kNorm] = "model-9.safetensors"; });
  index_case("index_path_outside", {"index.json", kNorm}, [](json& i) { i["weight_map"][kNorm] = "../../etc/passwd"; });
  index_case("index_wrong_shard", {kNorm}, [](json& i) { i["weight_map"][kNorm] = "model-00001-of-00004.safetensors"; });
  index_case("index_tensor_unlisted", {kNorm}, [](json& i) { i["weight_map"].erase(kNorm); });
  model_case("index_shard_gone", "llama-sharded", {"model-00002-of-00004.safetensors", "expected"},
             [](const fs::path& m) { fs::remove(m / "model-00002-of-00004.safetensors"); });
}

void config_cases() {
  const auto config = [](const char* text) { return [=](const fs::path& m) { write_text(m / "config.json", text); }; };
  model_case("config_missing", "llama-f32", {"config.json"}, [](const fs::path& m) { fs::remove(m / "config.json"); });
  model_case("config_empty", "llama-f32", {"config.json", "expected"}, config(""));
  model_case("config_no_json", "llama-f32", {"config.json", "expected"}, config("{\"model_type\": "));
  model_case("config_array", "llama-f32", {"config.json", "expected an object"}, config("[1]"));
  model_case("config_no_type", "llama-f32", {"config.json", "model_type", "expected"}, config("{}"));
  model_case("weights_missing", "llama-f32", {"model", "weights", "expected", "found"}, [](const fs::path& m) { fs::remove(m / "model.safetensors"); });
  config_case("config_unknown_type", {"model_type", "found \"mamba\""}, {{"model_type", "mamba"}});
  config_case("config_type_number", {"model_type", "found"}, {{"model_type", 3}});
  config_case("config_hidden_text", {"hidden_size", "found"}, {{"hidden_size", "48"}});
  config_case("config_hidden_zero", {"hidden_size", "found 0"}, {{"hidden_size", 0}});
  config_case("config_layers_negative", {"num_hidden_layers", "found -2"}, {{"num_hidden_layers", -2}});
  config_case("config_layers_huge", {"num_hidden_layers", "found"}, {{"num_hidden_layers", 1LL << 40}});
  config_case("config_vocab_huge", {"vocab_size", "found"}, {{"vocab_size", 1e30}});
  config_case("config_vocab_fraction", {"vocab_size", "found 3.5"}, {{"vocab_size", 3.5}});
  config_case("config_hidden_act", {"hidden_act", "found \"gelu\""}, {{"hidden_act", "gelu"}});
  config_case("config_rope_type", {"rope_type", "found \"spiral\""}, {{"rope_parameters", {{"rope_type", "spiral"}}}});
  config_case("config_rope_factor", {"factor"}, {{"rope_parameters", {{"rope_type", "linear"}, {"factor", -1}}}});
  config_case("config_rope_theta", {"rope_theta"}, {{"rope_parameters", {{"rope_theta", 0}}}});
  config_case("config_quantised", {"quant_method", "found", "awq"}, {{"quantization_config", {{"quant_method", "awq"}}}});
  config_case("config_heads_do_not_divide", {"num_attention_heads", "48", "found 7"}, {{"num_attention_heads", 7}, {"head_dim", nullptr}});
  config_case("config_kv_heads_do_not_divide", {"attention heads", "3 key/value heads", "found 4"}, {{"num_key_value_heads", 3}});
  config_case("config_eps_zero", {"rms_norm_eps"}, {{"rms_norm_eps", 0}});
  config_case("config_eos_text", {"eos_token_id"}, {{"eos_token_id", "end"}});
  config_case("config_layer_types_short", {"layer_types", "3 entries", "found 1"}, {{"layer_types", {"full_attention"}}}, "qwen3-window-layer-types");
  config_case("config_too_many_used_experts", {"experts per token", "1 to 6", "found 7"}, {{"num_experts_per_tok", 7}}, "mixtral-f32");
  config_case("config_no_experts", {"num_local_experts", "found 0"}, {{"num_local_experts", 0}}, "mixtral-f32");
  model_case("config_more_experts_than_weights", "mixtral-f32", {"tensor", "expected", "gate"}, [](const fs::path& m) {
    edit_json(m / "config.json", [](json& c) { c["num_local_experts"] = 8; });
  });
}

void flag_cases() {
  flag_case("flag_unknown", 2, {"--nonsense"}, {"--nonsense"});
  flag_case("flag_not_a_number", 2, {"--ctx-size", "many"}, {"-c", "many"});
  flag_case("flag_without_value", 2, {"--top-k"}, {"--top-k"});
  flag_case("flag_two_prompts", 2, {}, {"-p", "text"});
  flag_case("flag_negative_temperature", 2, {"temp", "expected", "found -1"}, {"--temp", "-1"});
  flag_case("flag_top_p", 2, {"top-p", "expected", "found 2"}, {"--top-p", "2"});
  flag_case("flag_temperature_nan", 2, {"temp", "expected", "found nan"}, {"--temp", "nan"});
  flag_case("flag_logprobs_without_json", 2, {"--logprobs needs --json"}, {"--logprobs", "3"});
  flag_case("flag_no_threads", 2, {"--threads", "0"}, {"-t", "0"});
  flag_case("flag_new_tokens", 2, {"--n-predict", "-7"}, {"-n", "-7"});
  flag_case("flag_weights", 2, {"--weights", "q1"}, {"--weights", "q1"});
  flag_case("flag_stop_without_tokenizer", 2, {"--stop", "tokenizer"}, {"--stop", "x"});
  flag_case("flag_routing_of_dense", 2, {"routing statistics", "expected", "found"}, {"--routing-stats", "routing.json"});
  flag_case("flag_experts_of_dense", 2, {"expected", "dense"}, {"--experts-per-token", "1"});
  flag_case("kernels_unknown", 1, {"kernels", "nonsense", "expected one of"}, {}, "[3]", {"MOE_KERNELS", "nonsense"});
  flag_case("ids_no_json", 1, {"ids.json", "expected"}, {}, "3, 4");
  flag_case("ids_no_array", 1, {"ids.json", "expected an array", "found object"}, {}, "{}");
  flag_case("ids_of_text", 1, {"ids.json", "element 1", "expected a token id", "found \"x\""}, {}, "[3, \"x\"]");
  flag_case("ids_negative", 1, {"ids.json", "element 0", "found -3"}, {}, "[-3]");
  flag_case("ids_huge", 1, {"ids.json", "element 0", "found 18446744073709551615"}, {}, "[18446744073709551615]");
  flag_case("ids_outside_vocabulary", 2, {"token id", "expected 0 to 319", "found 320"}, {}, "[3, 320]");
  flag_case("ids_empty", 2, {"the prompt is empty"}, {}, "[]");
  flag_case("prompt_longer_than_context", 1, {"prompt", "expected at most", "2 tokens", "found 3"}, {"-c", "2"});
  flag_case("dump_into_missing_folder", 1, {"absent/logits.npy", "expected", "found No such file"}, {"--dump-logits", "absent/logits.npy"});
  flag_case("dump_over_a_folder", 1, {"model", "expected", "found"}, {"--dump-logits", "model"});
  flag_case("dump_to_full_device", 1, {"/dev/full", "expected", "found No space left"}, {"--json", "--dump-logits", "/dev/full"});
  flag_case("dump_beyond_limit", 1, {"logits.npy", "expected", "found File too large"}, {"--json", "--dump-logits", "logits.npy"}, "[3, 4, 5, 6, 7, 8]", {"X", ""}, "", 2000);
  flag_case("json_to_full_device", 1, {"standard output", "expected", "found No space left"}, {"--json"}, "[3]", {"X", ""}, "/dev/full");
  plain_case("run_without_model", 2, {"--model"}, {"moe-run", {"-p", "x"}, "", {}, "", 0});
  plain_case("model_not_there", 1, {"org/absent", "expected a model in one of", "found"}, {"moe-run", {"-m", "org/absent", "-p", "x"}, "", {}, "", 0});
  plain_case("model_no_name", 2, {"./no/such/path", "expected", "found"}, {"moe-run", {"-m", "./no/such/path", "-p", "x"}, "", {}, "", 0});
  plain_case("model_is_a_file", 2, {"file", "expected", "found"}, {"moe-run", {"-m", "./file", "-p", "x"}, "", {}, "", 0},
             [](const fs::path& f) { write_text(f / "file", "x"); });
  text_case("prompt_file_absent", 1, {"absent.txt", "No such file"}, [](const fs::path&) {}, {"moe-run", {"-m", "model", "-f", "absent.txt"}, "", {}, "", 0});
}

void text_cases() {
  const Command run{"moe-run", {"-m", "model", "-p", "Hello", "-n", "2", "-t", "1"}, "", {}, "", 0};
  const Command chat{"moe-run", {"-m", "model", "--apply-chat-template", "-p", "Hello", "-n", "2", "-t", "1"}, "", {}, "", 0};
  const auto tokenizer = [](const std::function<void(json&)>& edit) {
    return [=](const fs::path& m) { edit_json(m / "tokenizer.json", edit); };
  };
  text_case("tokenizer_missing", 1, {"tokenizer.json", "expected a tokenizer", "found"}, [](const fs::path& m) { fs::remove(m / "tokenizer.json"); }, run);
  text_case("tokenizer_cut", 1, {"tokenizer.json", "expected"}, [](const fs::path& m) { fs::resize_file(m / "tokenizer.json", 500); }, run);
  text_case("tokenizer_array", 1, {"tokenizer.json", "expected"}, [](const fs::path& m) { write_text(m / "tokenizer.json", "[]"); }, run);
  text_case("tokenizer_no_model", 1, {"tokenizer.json", "model", "expected"}, tokenizer([](json& t) { t.erase("model"); }), run);
  text_case("tokenizer_model_type", 1, {"tokenizer.json", "model", "expected", "Magic"}, tokenizer([](json& t) { t["model"]["type"] = "Magic"; }), run);
  text_case("tokenizer_vocab_text", 1, {"tokenizer.json", "id of token 'zz'", "expected an id", "found a string"}, tokenizer([](json& t) { t["model"]["vocab"]["zz"] = "one"; }), run);
  text_case("tokenizer_pre_tokenizer", 1, {"tokenizer.json", "pre_tokenizer", "expected", "Magic"}, tokenizer([](json& t) { t["pre_tokenizer"] = {{"type", "Magic"}}; }), run);
  text_case("tokenizer_regex", 1, {"tokenizer.json", "pre_tokenizer", "expected"},
            tokenizer([](json& t) { t["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "(("}}}, {"behavior", "Isolated"}, {"invert", false}}; }), run);
  text_case("tokenizer_config_no_json", 1, {"tokenizer_config.json", "expected"}, [](const fs::path& m) { write_text(m / "tokenizer_config.json", "{"); }, run);
  text_case("chat_template_unclosed", 1, {"expected"}, [](const fs::path& m) { write_text(m / "chat_template.jinja", "{% if messages %}x"); }, chat);
  text_case("chat_template_raises", 1, {"no such role"}, [](const fs::path& m) { write_text(m / "chat_template.jinja", "{{ raise_exception('no such role') }}"); }, chat);
  text_case("chat_template_endless", 1, {"chat_template.jinja", "line 1", "more work than it is allowed"}, [](const fs::path& m) {
    write_text(m / "chat_template.jinja", "{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}"); }, chat);
  text_case("messages_no_json", 1, {"messages.json", "expected"}, [](const fs::path& m) {
    write_text(m / "chat_template.jinja", "x"), write_text(m.parent_path() / "messages.json", "[{"); },
    {"moe-run", {"-m", "model", "--file", "messages.json"}, "", {}, "", 0});
  text_case("prompt_empty", 2, {"the prompt is empty"}, [](const fs::path&) {}, {"moe-run", {"-m", "model", "-p", ""}, "", {}, "", 0});
  const auto tokenize = [](Args flags, const std::string& input) {
    flags.insert(flags.begin(), "model");
    return Command{"moe-tokenize", flags, input, {}, "", 0};
  };
  const auto sound = [](const fs::path&) {};
  text_case("tokenize_bad_json", 1, {"stdin, line 1", "expected"}, sound, tokenize({"--json"}, "\"open\n"));
  text_case("tokenize_not_a_string", 1, {"stdin", "line 1", "expected a JSON string", "found number"}, sound, tokenize({"--json"}, "17\n"));
  text_case("tokenize_ids_not_array", 1, {"stdin", "line 1", "expected", "found string"}, sound, tokenize({"--json", "--decode"}, "\"x\"\n"));
  text_case("tokenize_id_negative", 1, {"stdin", "expected ids from 0", "found -1"}, sound, tokenize({"--decode"}, "3 -1"));
  text_case("tokenize_id_huge", 1, {"stdin", "expected ids from 0", "found 99999999999"}, sound, tokenize({"--decode"}, "99999999999"));
  text_case("tokenize_id_word", 1, {"stdin", "expected"}, sound, tokenize({"--decode"}, "3 x"));
  plain_case("tokenize_absent", 1, {"absent"}, {"moe-tokenize", {"absent"}, "", {}, "", 0});
  plain_case("tokenize_no_model", 2, {"model"}, {"moe-tokenize", {}, "", {}, "", 0});
}

void convert_cases() {
  const std::string gguf = fixture("engine/convert/data/qwen3.gguf").string();
  const auto damaged = [=](const std::string& name, std::vector<std::string> parts, const std::function<void(std::string&)>& damage) {
    plain_case(name, 1, std::move(parts), {"moe-convert", {"in.gguf", "out"}, "", {}, "", 0}, [=](const fs::path& f) {
      std::string bytes = read_all(gguf);
      damage(bytes);
      write_text(f / "in.gguf", bytes);
    });
  };
  damaged("gguf_cut", {"in.gguf", "expected"}, [](std::string& b) { b.resize(b.size() / 2); });
  damaged("gguf_header_only", {"in.gguf", "expected"}, [](std::string& b) { b.resize(10); });
  damaged("gguf_magic", {"in.gguf", "expected"}, [](std::string& b) { b[0] = 'X'; });
  damaged("gguf_version", {"in.gguf", "version", "expected", "found 99"}, [](std::string& b) { b[4] = 99; });
  damaged("gguf_tensor_count", {"in.gguf", "expected"}, [](std::string& b) { b.replace(8, 8, 8, '\xff'); });
  damaged("gguf_key_count", {"in.gguf", "expected"}, [](std::string& b) { b.replace(16, 8, 8, '\xff'); });
  const auto write_bin = [](const fs::path& f) { write_text(f / "in.bin", std::string(64, '\x7f')); };
  plain_case("llama2c_nonsense", 1, {"in.bin", "expected"}, {"moe-convert", {"in.bin", "out"}, "", {}, "", 0}, write_bin);
  plain_case("convert_output_not_empty", 2, {"full", "expected"}, {"moe-convert", {gguf, "full"}, "", {}, "", 0},
             [](const fs::path& f) { fs::create_directory(f / "full"), write_text(f / "full/x", "x"); });
  for (const char* value : {"8", "2:3", "0:0", "a:b"}) {
    plain_case("convert_upcycle_" + std::to_string(table.size()), 2, {"--upcycle", "expected E:k", std::string("found ") + value},
               {"moe-convert", {gguf, "out", "--upcycle", value}, "", {}, "", 0});
  }
  plain_case("convert_full_disk", 1, {"out", "File too large"}, {"moe-convert", {gguf, "out"}, "", {}, "", 5000});
}

void eval_cases() {
  const std::string data = fixture("data/sample").string();
  plain_case("eval_no_command", 2, {"subcommand"}, {"moe-eval", {}, "", {}, "", 0});
  plain_case("eval_no_tasks", 2, {"--tasks"}, eval_run({}));
  plain_case("eval_unknown_task", 2, {"task", "expected one of", "found \"chess\""}, eval_run({"--tasks", "chess"}));
  plain_case("eval_unknown_strategy", 2, {"expected one of", "found \"magic\""}, eval_run({"--tasks", "gsm8k", "--strategy", "magic"}));
  plain_case("eval_no_data", 1, {"ARC-Challenge-Test.jsonl", "expected", "found"}, eval_run({"--tasks", "arc_challenge"}));
  plain_case("eval_repeats", 2, {"--repeats", "expected", "found"}, eval_run({"--tasks", "gsm8k", "--repeats", "3"}));
  plain_case("eval_limit_zero", 2, {"--limit"}, eval_run({"--tasks", "gsm8k", "--limit", "0"}));
  plain_case("eval_model_absent", 1, {"absent-model", "expected", "found"}, eval_run({"--tasks", "arc_challenge", "--data", data}, "absent-model"));
  plain_case("eval_model_without_tokenizer", 1, {"tokenizer.json"}, eval_run({"--tasks", "arc_challenge", "--data", data}));
  plain_case("eval_output_is_a_file", 1, {"results", "expected", "found"}, eval_run({"--tasks", "arc_challenge", "--data", data}),
             [](const fs::path& f) { write_text(f / "results", "x"); });
  const auto rows = [](const std::string& name, std::vector<std::string> parts, const std::string& text) {
    parts.push_back("ARC-Challenge-Test.jsonl");
    parts.push_back("expected");
    plain_case(name, 1, std::move(parts), eval_run({"--tasks", "arc_challenge", "--data", "data"}), [=](const fs::path& f) {
      fs::create_directory(f / "data");
      write_text(f / "data/ARC-Challenge-Test.jsonl", text);
    });
  };
  rows("eval_data_empty", {}, "");
  rows("eval_data_no_json", {"line 1"}, "{\"id\": \n");
  rows("eval_data_no_object", {"line 1"}, "3\n");
  rows("eval_data_no_question", {"question", "no such key"}, "{\"id\": \"a\"}\n");
  rows("eval_data_no_choices", {"choices", "found 0"}, R"({"id":"a","question":{"stem":"s","choices":[]},"answerKey":"A"})" "\n");
  rows("eval_data_wrong_key", {"answerKey", "found \"Z\""},
       R"({"id":"a","question":{"stem":"s","choices":[{"text":"x","label":"A"},{"text":"y","label":"B"}]},"answerKey":"Z"})" "\n");
  const auto include = [](const std::string& name, std::vector<std::string> parts, const std::string& text) {
    parts.push_back("bad.json");
    parts.push_back("expected");
    plain_case(name, 1, std::move(parts), {"moe-eval", {"ls", "--include", "tasks"}, "", {}, "", 0}, [=](const fs::path& f) {
      fs::create_directory(f / "tasks");
      write_text(f / "tasks/bad.json", text);
    });
  };
  include("task_no_json", {}, "{");
  include("task_array", {}, "[]");
  include("task_without_name", {"task"}, "{}");
  include("task_without_dataset", {"dataset"}, R"({"task": "t", "version": "1", "title": "T"})");
  plain_case("include_absent", 1, {"absent", "expected", "found"}, {"moe-eval", {"ls", "--include", "absent"}, "", {}, "", 0});
  const auto journal = [=](const std::string& name, std::vector<std::string> parts, const std::string& text) {
    parts.push_back("journal.jsonl");
    parts.push_back("expected");
    plain_case(name, 1, std::move(parts), eval_run({"--tasks", "arc_challenge", "--data", data}), [=](const fs::path& f) {
      fs::create_directories(f / "results/model");
      write_text(f / "results/model/journal.jsonl", text);
    });
  };
  journal("journal_no_json", {"line 1"}, "nonsense\n");
  journal("journal_no_record", {"line 1"}, "{\"a\": 1}\n");
  plain_case("items_no_numbers", 1, {"items.txt", "expected numbers", "found 'x'"}, eval_run({"--tasks", "gsm8k", "--items", "items.txt"}),
             [](const fs::path& f) { write_text(f / "items.txt", "1 x"); });
  plain_case("grade_absent", 1, {"absent.jsonl"}, {"moe-eval", {"grade", "absent.jsonl"}, "", {}, "", 0});
  plain_case("grade_nonsense", 1, {"bad.jsonl", "line 1", "expected"}, {"moe-eval", {"grade", "bad.jsonl"}, "", {}, "", 0},
             [](const fs::path& f) { write_text(f / "bad.jsonl", "{\"a\": 1}\n"); });
  plain_case("grade_unknown_chain", 2, {"extractor chain", "expected one of", "found magic"}, {"moe-eval", {"grade", "x", "--extractor", "magic"}, "", {}, "", 0});
}

const std::vector<Case>& cases() {
  if (table.empty()) {
    safetensors_cases(), index_cases(), config_cases(), flag_cases(), text_cases(), convert_cases(), eval_cases();
  }
  return table;
}

void check(const Case& one, const Outcome& outcome, const std::string& program) {
  EXPECT_FALSE(outcome.timed_out);
  EXPECT_EQ(outcome.signal, 0) << outcome.err;
  EXPECT_EQ(outcome.code, one.code) << outcome.err;
  EXPECT_EQ(outcome.err.rfind(program + ": error: ", 0), 0u) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_EQ(outcome.out, "") << outcome.err;
  for (const std::string& part : one.parts) EXPECT_NE(outcome.err.find(part), std::string::npos) << "no \"" << part << "\" in: " << outcome.err;
}

TEST(BrokenInputs, TheTableIsLong) { EXPECT_GE(cases().size(), 120u); }

// One test for the whole table: a process each is quick, a discovery each is not.
TEST(BrokenInputs, EachGivesOneClearLineAndItsCode) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    const TempDir folder;
    const Command command = one.make(folder.path());
    if (command.program == "moe-eval") copy_model("llama-f32", folder / "model");
    const std::vector<std::string> before = listing(folder.path());
    const Outcome outcome = run_command(command, folder.path());
    check(one, outcome, command.program);
    EXPECT_EQ(listing(folder.path()), before);
  }
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST(BrokenInputs, AJournalThatAnotherRunHoldsIsLeftAlone) {
  const TempDir folder;
  copy_model("llama-f32", folder / "model");
  const fs::path journal = folder.write("results/model/journal.jsonl", "");
  const int held = open(journal.c_str(), O_RDWR);
  ASSERT_EQ(flock(held, LOCK_EX | LOCK_NB), 0);
  const Outcome outcome = run_command(eval_run({"--tasks", "arc_challenge", "--data", fixture("data/sample").string()}), folder.path());
  close(held);
  check({"journal_locked", 1, {"journal.jsonl", "expected no other run", "found another process"}, {}}, outcome, "moe-eval");
  EXPECT_TRUE(fs::exists(journal));
}

}  // namespace
}  // namespace moe::test

// Checkpoints' templates: where they are found, which one is chosen, what they are given.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>

#include "engine/text/template/chat_template.h"
#include "engine/text/template/conversation.h"
#include "engine/text/tokenizer.h"
#include "tests/engine/template/support.h"

namespace moe {
namespace {

namespace fs = std::filesystem;

// A model directory that goes away.
class Folder {
 public:
  explicit Folder(const std::string& name = "model") {
    static std::atomic<int> count{0};
    top_ = fs::temp_directory_path() /
           ("moe_template_" + std::to_string(getpid()) + "_" + std::to_string(count++));
    path_ = top_ / name;
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(top_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  void put(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path top_, path_;
};

const Conversation kHello = Conversation::parse(R"([{"role":"user","content":"Hi"}])", "messages");

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(ChatTemplate, PlacesInOrder) {
  const Folder folder;
  EXPECT_FALSE(ChatTemplate::present(folder.path()));
  EXPECT_NE(error_of([&] { ChatTemplate::load(folder.path()); }).find("chat template: expected"),
            std::string::npos);
  folder.put("chat_template.json", R"({"chat_template": "old {{ messages|length }}"})");
  EXPECT_EQ(ChatTemplate::load(folder.path()).render(kHello), "old 1");
  folder.put("tokenizer_config.json", R"({"bos_token": "<s>", "chat_template": "config {{ bos_token }}"})");
  EXPECT_EQ(ChatTemplate::load(folder.path()).render(kHello), "config <s>");
  folder.put("chat_template.jinja", "file {{ bos_token }}\n");
  EXPECT_EQ(ChatTemplate::load(folder.path()).render(kHello), "file <s>");
  EXPECT_TRUE(ChatTemplate::present(folder.path()));
}

TEST(ChatTemplate, SeveralNames) {
  const Folder folder;
  folder.put("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "D"},
             {"name": "tool_use", "template": "T"}, {"name": "rag", "template": "R"}]})");
  const ChatTemplate chat = ChatTemplate::load(folder.path());
  const Conversation tools = Conversation::parse(
      R"({"messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"f"}}]})",
      "m");
  EXPECT_EQ(chat.render(kHello), "D");
  EXPECT_EQ(chat.render(tools), "T");
  EXPECT_EQ(ChatTemplate::load(folder.path(), "rag").render(tools), "R");
  const std::string error = error_of([&] { ChatTemplate::load(folder.path(), "nope"); });
  EXPECT_NE(error.find("default, tool_use, rag"), std::string::npos) << error;
  folder.put("mine.jinja", "file");
  EXPECT_EQ(ChatTemplate::load(folder.path(), (folder.path() / "mine.jinja").string()).render(kHello),
            "file");

  const Folder files;
  files.put("chat_template.jinja", "main");
  files.put("additional_chat_templates/rag.jinja", "extra");
  EXPECT_EQ(ChatTemplate::load(files.path()).render(kHello), "main");
  EXPECT_EQ(ChatTemplate::load(files.path(), "rag").render(kHello), "extra");

  const Folder twice;
  twice.put("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "first"},
             {"name": "default", "template": "second"}]})");
  EXPECT_EQ(ChatTemplate::load(twice.path()).render(kHello), "second");

  const Folder no_default;
  no_default.put("tokenizer_config.json",
                 R"({"chat_template": [{"name": "a", "template": "A"}, {"name": "b", "template": "B"}]})");
  EXPECT_NE(error_of([&] { ChatTemplate::load(no_default.path()); }).find("several templates: a, b"),
            std::string::npos);
  EXPECT_EQ(ChatTemplate::load(no_default.path(), "b").render(kHello), "B");
}

TEST(ChatTemplate, SpecialTokens) {
  const Folder folder;
  folder.put("chat_template.jinja",
             "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ image_token }}|{{ boi_token }}");
  folder.put("tokenizer_config.json", R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": null,
             "image_token": "<img>", "extra_special_tokens": {"boi_token": "<boi>"}})");
  folder.put("special_tokens_map.json", R"({"pad_token": {"content": "<pad>"}})");
  EXPECT_EQ(ChatTemplate::load(folder.path()).render(kHello), "<s>||<pad>|<img>|<boi>");
  RenderOptions options;
  options.kwargs_json = R"({"eos_token": "E", "bos_token": 5})";
  EXPECT_EQ(ChatTemplate::load(folder.path()).render(kHello, options), "5|E|<pad>|<img>|<boi>");
}

TEST(ChatTemplate, Variables) {
  const ChatTemplate chat = ChatTemplate::from_source(
      "{{ add_generation_prompt }} {{ tools is none }} {{ documents is none }} {{ x|default('-') }}", "t");
  EXPECT_EQ(chat.render(kHello), "True True True -");
  const auto render = [&](const char* json, RenderOptions options = {}) {
    return chat.render(Conversation::parse(json, "m"), options);
  };
  EXPECT_EQ(render(R"({"messages":[{"role":"user"}],"add_generation_prompt":false,"tools":[],"x":1})"),
            "False False True 1");
  RenderOptions options;
  options.add_generation_prompt = true;
  options.kwargs_json = R"({"x": "k", "documents": []})";
  EXPECT_EQ(render(R"({"messages":[{"role":"user"}],"add_generation_prompt":false,"x":1})", options),
            "True True False k");
  // Null is passed on as transformers passes None, which counts as false.
  options = {};
  options.kwargs_json = R"({"add_generation_prompt": null, "tools": null, "documents": null})";
  EXPECT_EQ(render(R"({"messages":[{"role":"user"}],"tools":[],"documents":[]})", options), "None True True -");
  EXPECT_EQ(render(R"({"messages":[{"role":"user"}],"add_generation_prompt":null})"), "None True True -");
  EXPECT_EQ(render(R"({"messages":[{"role":"user"}],"add_generation_prompt":0})"), "0 True True -");
  const ChatTemplate date = ChatTemplate::from_source("{{ strftime_now('%d %b %Y') }}", "t");
  options.clock = test::fixed_date;
  EXPECT_EQ(date.render(kHello, options), "14 Mar 2025");
}

TEST(ChatTemplate, MessagesAsTransformersPassesThem) {
  const ChatTemplate chat = ChatTemplate::from_source("{{ messages }}", "t");
  EXPECT_EQ(chat.render(Conversation::parse(R"([{"role":"a","content":null,"reasoning":"r"}])", "m")),
            "[{'thinking': 'r', 'role': 'a', 'reasoning': 'r', 'reasoning_content': 'r'}]");
  EXPECT_EQ(
      chat.render(Conversation::of(std::vector<ChatMessage>{{"user", "a\xff", {}}, {"assistant", "b", "t"}})),
      "[{'role': 'user', 'content': 'a\xef\xbf\xbd'}, {'thinking': 't', 'role': 'assistant', 'content': 'b', "
      "'reasoning_content': 't'}]");
  const Conversation with = kHello.with_system("S");
  EXPECT_EQ(chat.render(with), "[{'role': 'system', 'content': 'S'}, {'role': 'user', 'content': 'Hi'}]");
  EXPECT_EQ(chat.render(with.with_system("T")),
            "[{'role': 'system', 'content': 'T'}, {'role': 'user', 'content': 'Hi'}]");
}

// repr() of what Python 3.11 knows: U+1F9CC is of Unicode 14, U+1FAE8 and U+31350 are of 15.
TEST(ChatTemplate, CharactersNewerThanPythonsAreEscaped) {
  const ChatTemplate chat = ChatTemplate::from_source("{{ messages[0].content }}", "t");
  EXPECT_EQ(chat.render(Conversation::parse("[{\"content\": [\"\U0001f9cc\U0001fae8\U00031350\"]}]", "m")),
            "['\U0001f9cc\\U0001fae8\\U00031350']");
}

TEST(ChatTemplate, BrokenInputIsRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "JSON"},
      {"[", "JSON"},
      {"[] x", "JSON"},
      {"[\"\xff\"]", "JSON"},
      {"5", "a list of messages or an object"},
      {"[]", "at least one message"},
      {"[5]", "message 0: expected an object"},
      {"{}", "messages: expected a list of messages"},
      {R"({"messages": 5})", "expected a list of messages"},
      {R"({"messages": [{"role": "user"}], "tools": 5})", "tools: expected a list"},
      {R"({"messages": [{"role": "user"}], "tools": [5]})", "tools: expected a list"},
      {R"({"messages": [{"role": "user"}], "documents": [5]})", "documents: expected a list"},
      {R"({"messages": [{"role": "user"}], "add_generation_prompt": "yes"})", "expected true, false or null"},
      {R"({"messages": [{"role": "user"}], "continue_final_message": true})", "continue_final_message"},
  };
  for (const auto& [json, expected] : cases) {
    const std::string error = error_of([&, text = json] { Conversation::parse(text, "messages.json"); });
    EXPECT_NE(error.find(expected), std::string::npos) << json << ": " << error;
    EXPECT_EQ(error.rfind("messages.json", 0), 0U) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos);
  }
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  EXPECT_NE(error_of([&] { Conversation::parse(deep, "m"); }).find("at most 150 levels"), std::string::npos);
  RenderOptions options;
  const ChatTemplate chat = ChatTemplate::from_source("x", "t");
  for (const char* kwargs : {"[]", "{", R"({"messages": []})"}) {
    options.kwargs_json = kwargs;
    EXPECT_FALSE(error_of([&] { chat.render(kHello, options); }).empty()) << kwargs;
  }
  const Folder folder;
  for (const char* config :
       {"[", "[]", R"({"chat_template": 5})", R"({"chat_template": [5]})",
        R"({"chat_template": [{"name": "a"}]})", R"({"chat_template": [{"name": 1, "template": "x"}]})",
        R"({"chat_template": "{{"})"}) {
    folder.put("tokenizer_config.json", config);
    EXPECT_FALSE(error_of([&] { ChatTemplate::load(folder.path()); }).empty()) << config;
  }
}

TEST(ChatTemplate, TemplatesThatRaise) {
  const ChatTemplate chat =
      ChatTemplate::from_source("\n{{ raise_exception('Roles must\nalternate') }}", "chat.jinja");
  try {
    chat.render(kHello);
    ADD_FAILURE();
  } catch (const TemplateError& error) {
    EXPECT_EQ(error.message(), "Roles must\nalternate");
    EXPECT_EQ(error.line(), 2);
    EXPECT_STREQ(error.what(), "chat.jinja: line 2: Roles must\\x0aalternate");
  }
}

// ---- the reasoning switch

std::string with_switch(const char* source, ReasoningSwitch position, const char* kwargs = "") {
  RenderOptions options;
  options.reasoning = position;
  options.kwargs_json = kwargs;
  return ChatTemplate::from_source(source, "t").render(kHello, options);
}

TEST(ReasoningSwitch, MeansWhatEachFamilyUnderstands) {
  using enum ReasoningSwitch;
  const char* qwen = "{{ enable_thinking|default('unset') }}";
  EXPECT_EQ(with_switch(qwen, automatic), "unset");
  EXPECT_EQ(with_switch(qwen, on), "True");
  EXPECT_EQ(with_switch(qwen, off), "False");
  EXPECT_EQ(with_switch(qwen, off, R"({"enable_thinking": true})"), "True");
  const char* deepseek =
      "{% if not thinking is defined %}{% set thinking = false %}{% endif %}{{ thinking }}";
  EXPECT_EQ(with_switch(deepseek, on), "True");
  EXPECT_EQ(with_switch(deepseek, off), "False");
  const char* gpt_oss = "{{ reasoning_effort|default('medium') }}";
  EXPECT_EQ(with_switch(gpt_oss, automatic), "medium");
  EXPECT_EQ(with_switch(gpt_oss, on), "high");
  EXPECT_EQ(with_switch(gpt_oss, off), "low");
  EXPECT_FALSE(ChatTemplate::from_source(gpt_oss, "t").reasoning_note(off).empty());
  EXPECT_TRUE(ChatTemplate::from_source(qwen, "t").reasoning_note(off).empty());
  // No switch and no thought: off is what it does anyway.
  EXPECT_EQ(with_switch("plain", off), "plain");
  EXPECT_THROW(with_switch("plain", on), Error);
  // Always on.
  const char* phi = "<|system|>Your name is Phi, an AI math expert developed by Microsoft.";
  EXPECT_EQ(with_switch(phi, on), phi);
  try {
    with_switch(phi, off);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
    EXPECT_NE(std::string_view(error.what()).find("always reasons"), std::string_view::npos);
  }
  // A message's own field of that name is no switch.
  EXPECT_THROW(with_switch("{{ messages[0].thinking }}", on), Error);
  const Folder folder("Phi-4-reasoning");
  folder.put("chat_template.jinja", "{{ messages[0].content }}");
  RenderOptions options;
  options.reasoning = off;
  EXPECT_THROW(ChatTemplate::load(folder.path()).render(kHello, options), Error);
  EXPECT_EQ(reasoning_switch_from_name("auto"), automatic);
  EXPECT_THROW(reasoning_switch_from_name("maybe"), Error);
}

TEST(ReasoningSwitch, PublishedTemplates) {
  using enum ReasoningSwitch;
  const fs::path data = test::shared_data();
  if (!fs::exists(data / "templates")) GTEST_SKIP() << "no shared data (set MOE_SHARED_DATA)";
  const auto end_of = [&](const char* file, ReasoningSwitch position) {
    RenderOptions options;
    options.reasoning = position;
    options.clock = test::fixed_date;
    const std::string out =
        ChatTemplate::from_source(test::read_text(data / "templates" / file), file, {{"bos_token", "<bos>"}})
            .render(kHello, options);
    return out;
  };
  EXPECT_TRUE(end_of("Qwen-Qwen3-0.6B.jinja", off).ends_with("<think>\n\n</think>\n\n"));
  EXPECT_TRUE(end_of("Qwen-Qwen3-0.6B.jinja", on).ends_with("assistant\n"));
  EXPECT_TRUE(end_of("google-gemma-4-31B-it.jinja", on).starts_with("<bos><|turn>system\n<|think|>\n"));
  EXPECT_TRUE(end_of("google-gemma-4-31B-it.jinja", on).ends_with("<|turn>model\n"));
  EXPECT_EQ(end_of("google-gemma-4-31B-it.jinja", off).find("<|think|>"), std::string::npos);
  EXPECT_TRUE(end_of("deepseek-ai-DeepSeek-V3.1.jinja", on).ends_with("<think>"));
  EXPECT_TRUE(end_of("deepseek-ai-DeepSeek-V3.1.jinja", off).ends_with("</think>"));
  EXPECT_NE(end_of("openai-gpt-oss-120b.jinja", off).find("Reasoning: low"), std::string::npos);
  EXPECT_NE(end_of("openai-gpt-oss-120b.jinja", on).find("Reasoning: high"), std::string::npos);
  EXPECT_NE(end_of("openai-gpt-oss-120b.jinja", automatic).find("Reasoning: medium"), std::string::npos);
  EXPECT_THROW(end_of("meta-llama-Llama-3.1-8B-Instruct.jinja", on), Error);
}

// ---- with a tokenizer

TEST(TokenizeConversation, OneBosAndSpecialTokensParsed) {
  const auto tokenizer = Tokenizer::parse(
      R"({"version":"1.0","added_tokens":[
           {"id":0,"content":"<s>","special":true,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false},
           {"id":1,"content":"<|user|>","special":true,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false}],
         "normalizer":null,"pre_tokenizer":null,"decoder":null,
         "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
           {"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":0}}],
           "special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]}}},
         "model":{"type":"BPE","vocab":{"<s>":0,"<|user|>":1,"H":2,"i":3},"merges":[]}})",
      "tokenizer.json");
  const ChatTemplate with_bos = ChatTemplate::from_source("{{ bos_token }}<|user|>{{ messages[0].content }}",
                                                          "t", {{"bos_token", "<s>"}});
  const TokenizedPrompt prompt = tokenize_conversation(with_bos, *tokenizer, kHello);
  EXPECT_EQ(prompt.text, "<s><|user|>Hi");
  EXPECT_EQ(prompt.ids, (std::vector<std::int32_t>{0, 1, 2, 3}));
  const ChatTemplate without = ChatTemplate::from_source("<|user|>{{ messages[0].content }}", "t");
  EXPECT_EQ(tokenize_conversation(without, *tokenizer, kHello).ids, (std::vector<std::int32_t>{1, 2, 3}));
}

}  // namespace
}  // namespace moe

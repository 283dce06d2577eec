// moe-run's chat as a process: rendered prompts, single replies, conversations, thoughts.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/broken_inputs.h"
#include "tests/tools/scripted_model.h"

namespace moe::test {
namespace {

using nlohmann::json;
using Args = std::vector<std::string>;

// ChatML, with an empty thought where thinking is off.
constexpr const char* kTemplate = R"({%- for m in messages %}<|im_start|>{{ m.role + '\n' }}
{%- if m.content is string %}{{ m.content }}{% else %}{{ m.content | map(attribute='text') | join }}{% endif %}<|im_end|>{{ '\n' }}{% endfor %}
{%- if tools %}tools {{ tools | tojson }}{{ '\n' }}{% endif %}
{%- if add_generation_prompt %}<|im_start|>assistant{{ '\n' }}
{%- if enable_thinking is defined and not enable_thinking %}<think></think>{{ '\n' }}{% endif %}{% endif %})";

// A thought, then an answer whose last character comes in two tokens, then a token nothing should show.
const std::vector<std::string> kThinks = {"\n",     "<think>", "\n\n", "hm",     " so",    "</think>",
                                          "\n\n\n", "yes",     " ",    "<0xC3>", "<0xA9>", "<|im_end|>"};
constexpr const char* kAnswer = "yes \u00e9";

class MoeRunChat : public testing::Test {
 protected:
  void make_model(const std::vector<std::string>& script = kThinks, const char* chat_template = kTemplate) {
    write_scripted_model(folder_ / "model", script);
    folder_.write("model/chat_template.jinja", chat_template);
  }
  // A directory that holds the template and nothing else.
  void make_template(const char* chat_template = kTemplate) {
    folder_.write("model/chat_template.jinja", chat_template);
  }

  Outcome run(Args args, const std::string& input = "") const {
    args.insert(args.begin(), {"-m", "model", "-t", "1"});
    return run_command({"moe-run", args, input, {}, "", 0}, folder_.path());
  }
  std::string shown(Args args) const {
    args.push_back("--show-template");
    const Outcome outcome = run(args);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  }
  // Runs with --json and greedy: an object for each reply.
  std::vector<json> replies(Args args, const std::string& input = "") const {
    args.insert(args.end(), {"--json", "--temp", "0"});
    const Outcome outcome = run(args, input);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    std::vector<json> out;
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) out.push_back(json::parse(line));
    return out;
  }
  void expect_failure(Args args, int code, const std::vector<std::string>& parts,
                      const std::string& input = "") const {
    const Outcome outcome = run(args, input);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    for (const std::string& part : parts)
      EXPECT_NE(outcome.err.find(part), std::string::npos) << part << " in " << outcome.err;
  }
  // The text that a reply's prompt was.
  std::string prompt_of(const json& reply) const {
    const Outcome text = run_command(
        {"moe-tokenize", {"model", "--json", "--decode"}, reply.at("prompt_ids").dump(), {}, "", 0},
        folder_.path());
    return json::parse(text.out).at("text");
  }

  const TempDir folder_;
};

// ---- --show-template

TEST_F(MoeRunChat, ShowsTheRenderedPromptByteForByte) {
  make_template();
  folder_.write("list.json", R"([{"role": "user", "content": "a \u00fc\u0000\ud83d\ude42"}])");
  folder_.write(
      "object.json",
      R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]}],
      "add_generation_prompt": false, "tools": [{"name": "<f>"}]})");
  const std::string want =
      std::string("<|im_start|>user\na \u00fc") + '\0' + "\U0001f642<|im_end|>\n<|im_start|>assistant\n";
  EXPECT_EQ(shown({"--file", "list.json"}), want);
  EXPECT_EQ(shown({"--file", "object.json"}),
            "<|im_start|>user\nxy<|im_end|>\ntools [{\"name\": \"<f>\"}]\n");
  EXPECT_EQ(json::parse(shown({"--file", "list.json", "--json"})),
            (json{{"prompt", want}, {"ids", nullptr}}));
  EXPECT_EQ(shown({"-p", "x"}), "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n");
}

TEST_F(MoeRunChat, ShowsIdsWhereThereIsATokenizer) {
  make_model();
  folder_.write("m.json", R"([{"role": "user", "content": "yes"}])");
  const json both = json::parse(shown({"--file", "m.json", "--json"}));
  const Outcome plain = run({"--file", "m.json", "--show-template"});
  EXPECT_EQ(plain.out, both.at("prompt"));
  EXPECT_NE(plain.err.find(std::to_string(both.at("ids").size()) + " tokens:"), std::string::npos)
      << plain.err;
  EXPECT_EQ(both.at("ids"), replies({"--file", "m.json", "-n", "0"}).at(0).at("prompt_ids"));
}

TEST_F(MoeRunChat, TemplatesHaveNamesAndVariables) {
  folder_.write("model/tokenizer_config.json", R"({"bos_token": {"content": "<s>"}, "chat_template": [
      {"name": "default", "template": "{{ bos_token }}{{ mood }}{{ messages[0].content }}"},
      {"name": "tool_use", "template": "tools {{ tools | length }}"}, {"name": "other", "template": "other"}]})");
  folder_.write("mine.jinja", "mine {{ messages | length }}");
  folder_.write("m.json", R"({"messages": [{"role": "user", "content": "x"}], "mood": "calm "})");
  folder_.write("tools.json", R"({"messages": [{"role": "user", "content": "x"}], "tools": [{}]})");
  EXPECT_EQ(shown({"--file", "m.json"}), "<s>calm x");
  EXPECT_EQ(shown({"--file", "m.json", "--chat-template-kwargs", R"({"mood": "wild ", "bos_token": "[B]"})"}),
            "[B]wild x");
  EXPECT_EQ(shown({"--file", "tools.json"}), "tools 1");
  EXPECT_EQ(shown({"--file", "tools.json", "--chat-template", "other"}), "other");
  EXPECT_EQ(shown({"--file", "m.json", "--chat-template", "mine.jinja"}), "mine 1");
  expect_failure({"--file", "m.json", "--show-template", "--chat-template", "nope"}, 1,
                 {"default, tool_use, other", "nope"});
  expect_failure({"--file", "m.json", "--show-template", "--chat-template-kwargs", "[1]"}, 1,
                 {"kwargs", "a JSON object", "list"});
  expect_failure({"--file", "m.json", "--show-template", "--chat-template-kwargs", "{"}, 1,
                 {"kwargs", "JSON"});
}

TEST_F(MoeRunChat, ASystemMessageIsPutFirstOrReplaced) {
  make_template("{% for m in messages %}{{ m.role }}: {{ m.content }}; {% endfor %}");
  folder_.write("without.json", R"([{"role": "user", "content": "x"}])");
  folder_.write("with.json", R"([{"role": "system", "content": "old"}, {"role": "user", "content": "x"}])");
  EXPECT_EQ(shown({"--file", "without.json", "--system", "new"}), "system: new; user: x; ");
  EXPECT_EQ(shown({"--file", "with.json", "--system", "new"}), "system: new; user: x; ");
  EXPECT_EQ(shown({"--file", "without.json", "--system", ""}), "system: ; user: x; ");
}

TEST_F(MoeRunChat, ReasoningIsWhatTheTemplateUnderstands) {
  folder_.write("m.json", R"([{"role": "user", "content": "x"}])");
  const auto with = [&](const char* position) {
    return shown({"--file", "m.json", "--reasoning", position});
  };
  make_template("{{ enable_thinking is defined }} {{ enable_thinking }}");
  EXPECT_EQ(with("auto"), "False ");
  EXPECT_EQ(with("on"), "True True");
  EXPECT_EQ(with("off"), "True False");
  EXPECT_EQ(shown({"--file", "m.json", "--reasoning", "off", "--chat-template-kwargs",
                   R"({"enable_thinking": true})"}),
            "True True");
  make_template("effort {{ reasoning_effort }}");
  EXPECT_EQ(with("auto"), "effort ");
  EXPECT_EQ(with("on"), "effort high");
  EXPECT_EQ(with("off"), "effort low");
  EXPECT_NE(
      run({"--file", "m.json", "--reasoning", "off", "--show-template"}).err.find("cannot stop reasoning"),
      std::string::npos);
  make_template("{{ messages[0].content }}<think>");
  EXPECT_EQ(with("on"), "x<think>");
  expect_failure({"--file", "m.json", "--show-template", "--reasoning", "off"}, 1,
                 {"turn reasoning off", "always reasons"});
  make_template("{{ messages[0].content }}");
  EXPECT_EQ(with("off"), "x");
  expect_failure({"--file", "m.json", "--show-template", "--reasoning", "on"}, 1, {"a switch for reasoning"});
  expect_failure({"--file", "m.json", "--show-template", "--reasoning", "maybe"}, 2, {"reasoning"});
}

TEST_F(MoeRunChat, WrongMessagesAreOneClearError) {
  make_template();
  const std::vector<std::pair<const char*, const char*>> table = {
      {"", "JSON"},
      {"7", "a list of messages"},
      {"[]", "at least one message"},
      {"[7]", "an object with role and content"},
      {"{}", "a list of messages"},
      {R"({"messages": {}})", "a list of messages"},
      {R"([{"role": "user", "content": "\ud800"}])", "surrogate"},
      {"[{\"role\": \"user\", \"content\": \"\xff\"}]", "UTF-8"},
      {R"({"messages": [{"role": "user"}], "add_generation_prompt": "no"})", "true, false or null"},
      {R"({"messages": [{"role": "user"}], "tools": [1]})", "a list of objects"}};
  for (const auto& [text, part] : table) {
    SCOPED_TRACE(text);
    folder_.write("m.json", text);
    expect_failure({"--file", "m.json", "--show-template"}, 1, {"m.json", part});
  }
  folder_.write("m.json", std::string(100'000, '['));
  expect_failure({"--file", "m.json", "--show-template"}, 1, {"m.json", "levels"});
  expect_failure({"--file", "absent.json", "--show-template"}, 1, {"absent.json"});
}

// ---- replies

TEST_F(MoeRunChat, AReplyIsSplitIntoThoughtAndAnswer) {
  make_model();
  folder_.write("m.json", R"([{"role": "user", "content": "x"}])");
  const json reply = replies({"--file", "m.json"}).at(0);
  EXPECT_EQ(reply.at("text"), kAnswer);
  EXPECT_EQ(reply.at("thought"), "hm so");
  EXPECT_EQ(reply.at("finish_reason"), "stop");
  EXPECT_EQ(prompt_of(reply), "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n");

  const Outcome shown = run({"--file", "m.json", "--temp", "0"});
  EXPECT_EQ(shown.code, 0);
  EXPECT_EQ(shown.out, std::string(kAnswer) + "\n");
  EXPECT_EQ(shown.err.find('\x1b'), std::string::npos);  // no colours in a file
  const std::size_t thought = shown.err.find("hm so\n");
  ASSERT_NE(thought, std::string::npos) << shown.err;
  for (const char* marker : {"<think>", "</think>", "<|im_end|>"})
    EXPECT_EQ(shown.err.find(marker), std::string::npos);
}

TEST_F(MoeRunChat, TheSameReplyFromEveryWayOfAsking) {
  make_model();
  folder_.write("m.json", R"([{"role": "system", "content": "s"}, {"role": "user", "content": "x"}])");
  const json ids = replies({"--file", "m.json"}).at(0).at("prompt_ids");
  EXPECT_EQ(replies({"--apply-chat-template", "-p", "x", "--system", "s"}).at(0).at("prompt_ids"), ids);
  EXPECT_EQ(replies({"--apply-chat-template", "--system", "s"}, "x\n").at(0).at("prompt_ids"), ids);
  EXPECT_EQ(replies({"-cnv", "--system", "s"}, "x\n").at(0).at("prompt_ids"), ids);
  EXPECT_EQ(replies({"-cnv", "--system", "s", "-p", "x"}).at(0).at("prompt_ids"), ids);
}

TEST_F(MoeRunChat, AThoughtThatNeverClosesIsNoAnswer) {
  make_model();
  const json cut = replies({"--apply-chat-template", "-p", "x", "-n", "4"}).at(0);
  EXPECT_EQ(cut.at("text"), "");
  EXPECT_EQ(cut.at("thought"), "hm so");
  EXPECT_EQ(cut.at("finish_reason"), "length");
  // The chat goes on.
  const std::vector<json> two = replies({"-cnv", "-n", "4"}, "x\ny\n");
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(prompt_of(two[1]),
            "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n<|im_start|>user\ny<|im_end|>"
            "\n<|im_start|>assistant\n");
}

TEST_F(MoeRunChat, ThinkingOffIsAnEmptyThoughtInThePrompt) {
  make_model();
  const json reply = replies({"--apply-chat-template", "-p", "x", "--reasoning", "off"}).at(0);
  EXPECT_TRUE(prompt_of(reply).ends_with("<|im_start|>assistant\n<think></think>\n"));
}

TEST_F(MoeRunChat, StopStringsEndTheAnswerAndNotTheThought) {
  make_model();
  const json reply =
      replies({"--apply-chat-template", "-p", "x", "--stop", "m s", "--stop", "s \u00e9"}).at(0);
  EXPECT_EQ(reply.at("thought"), "hm so");
  EXPECT_EQ(reply.at("text"), "ye");
  EXPECT_EQ(reply.at("finish_reason"), "stop");
}

TEST_F(MoeRunChat, KnowsEachFamilysMarkers) {
  make_model({"\n", "<|channel>", "thought\n", "hm", "<channel|>", "yes", "<turn|>"},
             "{# <|channel> <channel|> #}{{ messages[0].content }}\n{{ '\\n' }}");
  const json gemma = replies({"--apply-chat-template", "-p", "x"}).at(0);
  EXPECT_EQ(gemma.at("thought"), "hm");
  EXPECT_EQ(gemma.at("text"), "yes");
  make_model({"assistant", "<|channel|>", "analysis", "<|message|>", "hm", "<|end|>"},
             "{# <|channel|> <|message|> #}<|start|>assistant{{ '' }}");
  const json harmony = replies({"--apply-chat-template", "-p", "x"}).at(0);
  EXPECT_EQ(harmony.at("thought"), "hm");
  EXPECT_EQ(harmony.at("text"), "");
}

// ---- conversations

TEST_F(MoeRunChat, AConversationRemembers) {
  make_model();
  const std::vector<json> turns = replies({"-cnv", "--system", "s"}, "a\n \nb \r\n/clear \nc\n/exit\r\nd\n");
  ASSERT_EQ(turns.size(), 3U);  // a line of spaces is no message, and nothing follows /exit
  const std::string system = "<|im_start|>system\ns<|im_end|>\n", open = "<|im_start|>assistant\n";
  const auto user = [](const char* text) {
    return "<|im_start|>user\n" + std::string(text) + "<|im_end|>\n";
  };
  EXPECT_EQ(prompt_of(turns[0]), system + user("a") + open);
  EXPECT_EQ(prompt_of(turns[1]), system + user("a") + open + kAnswer + "<|im_end|>\n" + user("b") + open);
  EXPECT_EQ(prompt_of(turns[2]), system + user("c") + open);  // the system message outlives /clear
  for (const json& turn : turns) EXPECT_EQ(turn.at("text"), kAnswer);
}

TEST_F(MoeRunChat, AConversationShowsAnswersAlone) {
  make_model();
  const Outcome outcome = run({"--cnv", "--temp", "0"}, "a\nb\n");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, std::string(kAnswer) + "\n" + kAnswer + "\n");
}

TEST_F(MoeRunChat, AConversationReadsOnlyWhatIsNew) {
  // No thought that a template could drop: the second prompt begins with all that was read before.
  make_model({"\n", "yes", "<|im_end|>"});
  const std::vector<json> turns = replies({"-cnv"}, "a\nb\n");
  ASSERT_EQ(turns.size(), 2U);
  const auto fed = [](const json& turn) {
    return turn.at("cost").at("prefill").at("tokens").get<std::size_t>();
  };
  EXPECT_EQ(fed(turns[0]), turns[0].at("prompt_ids").size());
  // All but the first prompt and the reply; the reply's last token was drawn, but not read.
  EXPECT_EQ(fed(turns[1]), turns[1].at("prompt_ids").size() - fed(turns[0]) - 1);
}

TEST_F(MoeRunChat, ConversationsRefuseWhatTheyWouldIgnore) {
  make_model();
  folder_.write("m.json", R"([{"role": "user", "content": "x"}])");
  expect_failure({"-cnv", "--file", "m.json"}, 2, {"-cnv", "--file"});
  expect_failure({"-cnv", "-f", "m.json"}, 2, {"-cnv", "--prompt-file"});
  expect_failure({"-cnv", "--prompt-ids", "m.json"}, 2, {"--prompt-ids"});
}

TEST_F(MoeRunChat, ATemplateThatRendersNothingIsAnError) {
  make_model(kThinks, "{# nothing #}");
  expect_failure({"--apply-chat-template", "-p", "x"}, 2, {"prompt", "at least one token", "none"});
}

// A process that is written to and read from in turn.
class Dialogue {
 public:
  Dialogue(const std::filesystem::path& folder, const char* model) {
    int in[2], out[2];
    if (pipe(in) != 0 || pipe(out) != 0) throw std::runtime_error("pipe");
    child_ = fork();
    if (child_ == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      for (const int end : {in[0], in[1], out[0], out[1]}) close(end);
      if (chdir(folder.c_str()) != 0) _exit(126);
      execl(program("moe-run").c_str(), "moe-run", "-m", model, "-t", "1", "--temp", "0", "-cnv", nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_ = in[1];
    from_ = out[0];
  }
  ~Dialogue() {
    close(from_);
    if (child_ > 0) kill(child_, SIGKILL), waitpid(child_, nullptr, 0);
  }
  void say(const std::string& line) { EXPECT_EQ(write(to_, line.data(), line.size()), ssize_t(line.size())); }
  // A line of the reply; what came within half a minute where it does not end.
  std::string hear() {
    std::string out;
    pollfd ready{from_, POLLIN, 0};
    for (char c; poll(&ready, 1, 30'000) == 1 && read(from_, &c, 1) == 1 && c != '\n';) out += c;
    return out;
  }
  int end() {
    close(to_);
    int status = 0;
    waitpid(std::exchange(child_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t child_ = 0;
  int to_ = -1, from_ = -1;
};

TEST_F(MoeRunChat, AnswersBeforeTheNextMessageIsWritten) {
  make_model();
  Dialogue chat(folder_.path(), "model");
  for (int turn = 0; turn < 3; ++turn) {
    chat.say("x\n");
    EXPECT_EQ(chat.hear(), kAnswer);
  }
  EXPECT_EQ(chat.end(), 0);
}

}  // namespace
}  // namespace moe::test

// moe-run's chat: conversations rendered by the model's own template, one reply or many.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/checkpoint/hub.h"
#include "engine/text/reasoning.h"
#include "engine/text/template/conversation.h"
#include "tools/common/interrupt.h"
#include "tools/common/program.h"
#include "tools/common/terminal.h"
#include "tools/moe_run/session.h"
#include "tools/moe_run/stop_text.h"

namespace moe::tools {
namespace {

constexpr std::size_t kLargestMessagesFile = std::size_t{1} << 28;

// From --file, or the prompt as one message of the user; --system before it.
Conversation read_conversation(const RunOptions& o) {
  const auto read = [&] {
    if (!o.messages_file.empty()) return Conversation::parse(read_file(o.messages_file, kLargestMessagesFile), o.messages_file);
    const ChatMessage message{"user", read_prompt(o), ""};
    return Conversation::of({&message, 1});
  };
  const Conversation conversation = read();
  return o.system ? conversation.with_system(*o.system) : conversation;
}

RenderOptions render_options(const RunOptions& o, const ChatTemplate& chat) {
  RenderOptions render;
  render.kwargs_json = o.template_kwargs;
  render.reasoning = reasoning_switch_from_name(o.reasoning);
  if (const std::string note = chat.reasoning_note(render.reasoning); !note.empty()) print_warning("moe-run", note);
  return render;
}

// One reply as it streams: the thought dimly on stderr, the answer on stdout.
class Reply {
 public:
  Reply(const std::shared_ptr<const Tokenizer>& tokenizer, ReasoningFormat format, const std::string& prompt,
        const std::vector<std::string>& stops, const std::vector<std::int32_t>& stop_ids, bool shown)
      : tokenizer_(tokenizer), decoder_(tokenizer, false), splitter_(format, prompt), stops_(stops), stop_ids_(stop_ids), shown_(shown) {}

  bool push(std::int32_t id) {
    // The markers of thoughts are special tokens and must be seen; the one that ends the reply must not.
    if (std::ranges::find(stop_ids_, id) != stop_ids_.end()) return true;
    raw_ += decoder_.push(id);
    take(splitter_.push(std::string_view(raw_).substr(taken_)));
    taken_ = raw_.size();
    return !stops_.found();
  }
  void finish() {
    raw_ += decoder_.finish();
    take(splitter_.push(std::string_view(raw_).substr(taken_)));
    taken_ = raw_.size();
    take(splitter_.finish());
    emit(stops_.finish());
    if (dimmed_) dim(false);
    if (shown_) show("\n");
  }
  const std::string& thought() const { return thought_; }
  const std::string& answer() const { return answer_; }

 private:
  void take(const ReasoningDelta& delta) {
    thought_ += delta.thought;
    if (shown_ && !delta.thought.empty()) {
      if (!dimmed_) dim(true);
      std::fwrite(delta.thought.data(), 1, delta.thought.size(), stderr);
    }
    if (!delta.answer.empty()) emit(stops_.push(delta.answer));
  }
  void emit(const std::string& piece) {
    answer_ += piece;
    if (!shown_ || piece.empty()) return;
    if (dimmed_) dim(false);
    show(piece);
  }
  void dim(bool on) {
    dimmed_ = on;
    if (use_color(stderr)) std::fputs(on ? "\x1b[2m" : "\x1b[0m", stderr);
    if (!on) std::fputc('\n', stderr);
  }

  std::shared_ptr<const Tokenizer> tokenizer_;
  StreamDecoder decoder_;
  ReasoningSplitter splitter_;
  StopText stops_;
  std::vector<std::int32_t> stop_ids_;
  bool shown_, dimmed_ = false;
  std::string raw_, thought_, answer_;
  std::size_t taken_ = 0;
};

struct Chat {
  std::shared_ptr<const Tokenizer> tokenizer;
  ChatTemplate chat_template;
  RenderOptions render;
  ReasoningFormat format;
};

Chat load_chat(const RunOptions& o, const std::filesystem::path& directory) {
  Chat chat{load_tokenizer(directory), ChatTemplate::load(directory, o.chat_template), {}, ReasoningFormat::none};
  if (!chat.tokenizer) throw Error(ErrorKind::io, Fault{(directory / "tokenizer.json").string(), "", "a tokenizer", "no such file"});
  chat.render = render_options(o, chat.chat_template);
  chat.format = reasoning_format_of(chat.chat_template.source());
  return chat;
}

// Continues `sequence` where it already holds the beginning of the prompt, else starts afresh.
RunFacts answer(const RunOptions& o, const Chat& chat, Session& session, Sequence& sequence, const Conversation& conversation,
                std::string& thought, std::string& text) {
  const TokenizedPrompt prompt = tokenize_conversation(chat.chat_template, *chat.tokenizer, conversation, chat.render);
  const auto& read = sequence.tokens();
  if (read.size() >= prompt.ids.size() || !std::equal(read.begin(), read.end(), prompt.ids.begin())) {
    sequence = session.new_sequence();
  }
  Reply reply(chat.tokenizer, chat.format, prompt.text, o.stop, session.model().spec().stop_ids, !o.json);
  const std::span<const std::int32_t> rest = std::span(prompt.ids).subspan(sequence.tokens().size());
  Generation generation = session.generate_from(sequence, rest, [&](std::int32_t id) { return reply.push(id); });
  reply.finish();
  RunFacts facts = session.facts(o.json);
  facts.prompt_ids = prompt.ids;
  facts.text = text = reply.answer();
  facts.thought = thought = reply.thought();
  facts.finish_reason = name(generation.finish);
  facts.generation = std::move(generation);
  return facts;
}

// A line as it was typed, less what cannot be seen: spaces, the CR of another system's line end.
std::string_view without_space_at_end(std::string_view line) {
  return line.substr(0, line.find_last_not_of(" \t\r") + 1);
}

int talk(const RunOptions& o, const Chat& chat, Session& session) {
  Sequence sequence = session.new_sequence();
  std::vector<ChatMessage> history;
  if (o.system) history.push_back({"system", *o.system, ""});
  const std::size_t frame = history.size();
  std::string line = o.prompt.value_or("");
  bool first = o.prompt.has_value();
  const bool at_terminal = is_terminal(stderr);
  for (;; first = false) {
    if (!first) {
      if (at_terminal) std::fputs("> ", stderr);
      if (interrupted() || !std::getline(std::cin, line)) break;
    }
    const std::string_view said = without_space_at_end(line);
    if (said == "/exit") break;
    if (said == "/clear") {
      history.resize(frame);
      sequence = session.new_sequence();
      continue;
    }
    if (said.empty()) continue;
    history.push_back({"user", std::string(said), ""});
    std::string thought, text;
    const RunFacts facts = answer(o, chat, session, sequence, Conversation::of(history), thought, text);
    if (o.json || o.verbose) report(o, facts);
    if (facts.generation.finish == FinishReason::interrupted) return kInterrupted;
    history.push_back({"assistant", text, thought});
  }
  session.finish_files();
  return interrupted() ? kInterrupted : kDone;
}

}  // namespace

bool is_chat(const RunOptions& o) {
  return o.conversation || o.apply_template || !o.messages_file.empty() || o.system || !o.chat_template.empty() ||
         !o.template_kwargs.empty() || o.reasoning != "auto";
}

int run_chat(const RunOptions& o) {
  catch_interrupts();
  if (!o.prompt_ids_file.empty()) throw Error(ErrorKind::usage, "--prompt-ids is a prompt as it is: no chat flag goes with it");
  if (o.conversation && !(o.messages_file.empty() && o.prompt_file.empty())) {
    throw Error(ErrorKind::usage, "-cnv reads standard input: neither --file nor --prompt-file goes with it");
  }
  const std::filesystem::path directory = resolve_model(o.model);
  const Chat chat = load_chat(o, directory);
  if (o.conversation) {
    Session session(o, directory, ready(chat.tokenizer));
    return talk(o, chat, session);
  }
  const Conversation conversation = read_conversation(o);
  // A template that refuses the messages says so before the model is loaded.
  chat.chat_template.render(conversation, chat.render);
  Session session(o, directory, ready(chat.tokenizer));
  Sequence sequence = session.new_sequence();
  std::string thought, text;
  const RunFacts facts = answer(o, chat, session, sequence, conversation, thought, text);
  session.finish_files();
  return report(o, facts);
}

int show_template(const RunOptions& o) {
  const std::filesystem::path directory = resolve_model(o.model);
  const ChatTemplate chat = ChatTemplate::load(directory, o.chat_template);
  const Conversation conversation = read_conversation(o);
  const std::shared_ptr<const Tokenizer> tokenizer = load_tokenizer(directory);
  const RenderOptions render = render_options(o, chat);
  const std::string prompt = chat.render(conversation, render);
  std::vector<std::int32_t> ids;
  if (tokenizer) ids = tokenizer->encode(prompt, false);
  if (o.json) {
    nlohmann::json out{{"prompt", prompt}, {"ids", nullptr}};
    if (tokenizer) out["ids"] = ids;
    show(out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    return kDone;
  }
  show(prompt);
  if (tokenizer) {
    if (!prompt.empty() && prompt.back() != '\n' && is_terminal(stdout)) std::fputc('\n', stderr);
    fmt::print(stderr, "{} tokens:", ids.size());
    for (const std::int32_t id : ids) fmt::print(stderr, " {} {}", id, nlohmann::json(tokenizer->piece(id)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    std::fputc('\n', stderr);
  }
  return kDone;
}

}  // namespace moe::tools

// Messages, tools and variables as JSON: any text is rendered, or refused with a one-line error.
#include "engine/text/reasoning.h"
#include "engine/text/template/chat_template.h"
#include "tests/fuzz/fuzz.h"

namespace {

using moe::ChatTemplate;
using moe::Conversation;
using moe::fuzz::check;
using moe::fuzz::succeeds;

// Touches messages as templates of the families do.
constexpr std::string_view kTemplate = R"({{ bos_token }}
{%- macro show(v) %}{% if v is mapping %}{% for k, x in v|dictsort %}{{ k }}:{{ show(x) }}{% endfor %}
{%- elif v is string %}{{ v|trim }}{% elif v is iterable %}{% for x in v %}{{ show(x) }}{% endfor %}{% else %}{{ v }}{% endif %}{% endmacro %}
{%- for m in messages %}<{{ m.role }}>{{ show(m.content) }}{% if m.content is string and '</think>' in m.content %}
{{- m.content.split('</think>')[-1].lstrip('\n') }}{% endif %}{{ m|tojson }}{{ m['tool_calls']|default([])|length }}
{%- endfor %}{{ tools|tojson(indent=2) }}{{ messages[::-1]|map(attribute='role')|join(',') }}{{ messages }})";

void split(moe::ReasoningFormat format, std::string_view text) {
  // The same text whole and byte by byte.
  const moe::SplitReply whole = moe::split_reply(format, text);
  moe::ReasoningSplitter splitter(format);
  moe::ReasoningDelta all;
  const auto add = [&all](const moe::ReasoningDelta& delta) {
    all.thought += delta.thought;
    all.answer += delta.answer;
  };
  for (std::size_t i = 0; i < text.size(); ++i) add(splitter.push(text.substr(i, 1)));
  add(splitter.finish());
  if (text.size() < 200) {  // beyond, a header that never ends is given up at another place
    check(all.thought == whole.thought && all.answer == whole.answer);
    check(splitter.state().closed == whole.state.closed);
  }
  check(all.thought.size() + all.answer.size() <= text.size());
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ChatTemplate chat = ChatTemplate::from_source(kTemplate, "fuzz", {{"bos_token", "<s>"}});
  const std::string_view text = moe::fuzz::text(data, size);
  succeeds([&] {
    const Conversation conversation = Conversation::parse(text, "fuzz");
    succeeds([&] { chat.render(conversation); });
    succeeds([&] { chat.render(conversation.with_system("s")); });
  });
  succeeds([&] {
    moe::RenderOptions options;
    options.kwargs_json = std::string(text);
    chat.render(Conversation::of(std::vector<moe::ChatMessage>{{"user", std::string(text), {}}}), options);
  });
  split(moe::ReasoningFormat::think_tags, text);
  split(moe::ReasoningFormat::gemma_channel, text);
  split(moe::ReasoningFormat::harmony, text);
  return 0;
}

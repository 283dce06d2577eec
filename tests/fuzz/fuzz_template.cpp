// Chat template source: parsing and rendering end in text or in a one-line error, within their limits.
#include "engine/text/template/chat_template.h"
#include "tests/fuzz/fuzz.h"

namespace {

using moe::ChatTemplate;
using moe::Conversation;
using moe::fuzz::check;
using moe::fuzz::succeeds;

const Conversation& conversation() {
  static const Conversation made = Conversation::parse(
      R"({"messages": [{"role": "system", "content": "S <b>"}, {"role": "user", "content": [{"type": "text", "text": "é🦊"}]},
          {"role": "assistant", "content": "", "reasoning_content": "t",
           "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1, 2.5, null, true]}}}]}],
          "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]})",
      "fuzz");
  return made;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  succeeds([&] {
    const ChatTemplate chat =
        ChatTemplate::from_source(moe::fuzz::text(data, size), "fuzz", {{"bos_token", "<s>"}});
    moe::RenderOptions options;
    options.clock = [] { return std::tm{}; };
    options.limits.work = 200'000;
    options.limits.output_bytes = 1 << 20;
    options.limits.string_bytes = 1 << 20;
    succeeds([&] { check(chat.render(conversation(), options).size() <= options.limits.output_bytes); });
    succeeds([&] { chat.reasoning_variables(moe::ReasoningSwitch::off); });
    succeeds([&] { chat.reasoning_variables(moe::ReasoningSwitch::on); });
  });
  return 0;
}

// The part of a model that turns questions into tokens and tokens into answers.
#include "eval/run/model_text.h"

#include <algorithm>
#include <ctime>

#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/base/sha256.h"
#include "engine/text/template/chat_template.h"

namespace moe::eval {
namespace {

constexpr std::size_t kLargestText = std::size_t{256} << 20;  // of a tokenizer or template file

std::string hash_if_there(const std::filesystem::path& path) {
  return is_present(path) ? sha256_hex(read_file(path, kLargestText)) : "";
}

// Templates that print the date get this one, so that a run resumed tomorrow asks what it asked today.
std::tm fixed_day() {
  std::tm day{};
  day.tm_year = 124, day.tm_mon = 6, day.tm_mday = 26, day.tm_wday = 5, day.tm_yday = 207;
  return day;
}

}  // namespace

ModelText::ModelText(const std::filesystem::path& directory, const ModelSpec& spec,
                     const TextOptions& options)
    : directory_(directory),
      tokenizer_(Tokenizer::load(directory)),
      reasoning_switch_(options.reasoning),
      chat_kwargs_(options.chat_kwargs),
      stop_ids_(spec.stop_ids) {
  load_template(options);
  if (const auto eos = tokenizer_->eos_id(); eos && std::ranges::find(stop_ids_, *eos) == stop_ids_.end()) {
    stop_ids_.push_back(*eos);
  }
  rules_.encode = [this](std::string_view text, bool add_special) {
    return tokenizer_->encode(text, add_special);
  };
  rules_.bos_text = tokenizer_->bos_token();
  rules_.prefix = tokenizer_->bos_id().value_or(tokenizer_->eos_id().value_or(-1));
}

void ModelText::load_template(const TextOptions& options) {
  const ReasoningSwitch reasoning = reasoning_switch_from_name(options.reasoning);
  if (options.chat_template.empty() && !ChatTemplate::present(directory_)) {
    if (reasoning != ReasoningSwitch::automatic) {
      throw Error(ErrorKind::usage,
                  Fault{directory_.string(), "--reasoning", "a model with a chat template", "one without"});
    }
    reasoning_ = ReasoningFormat::think_tags;
    return;
  }
  auto found = std::make_shared<const ChatTemplate>(ChatTemplate::load(directory_, options.chat_template));
  reasoning_ = reasoning_format_of(found->source());
  template_source_ = std::string(found->source());
  RenderOptions render;
  render.add_generation_prompt = true;
  render.kwargs_json = options.chat_kwargs;
  render.reasoning = reasoning;
  render.clock = fixed_day;
  chat_ = [found, render](const std::vector<eval::ChatMessage>& messages) {
    std::vector<moe::ChatMessage> converted;
    for (const eval::ChatMessage& one : messages) converted.push_back({one.role, one.content, ""});
    return found->render(Conversation::of(converted), render);
  };
}

void ModelText::describe(BackendInfo& info) const {
  info.tokenizer_hash = sha256_hex(hash_if_there(directory_ / "tokenizer.json") +
                                   hash_if_there(directory_ / "tokenizer_config.json") +
                                   hash_if_there(directory_ / "special_tokens_map.json"));
  info.chat_template = template_source_;
  if (!template_source_.empty()) info.template_hash = sha256_hex(template_source_);
  info.reasoning = reasoning_switch_;
  info.chat_kwargs = chat_kwargs_;
  info.stop_ids = stop_ids_;
}

}  // namespace moe::eval

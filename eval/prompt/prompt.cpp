// From a document to what a model reads.
#include "eval/prompt/prompt.h"

#include <fmt/format.h>

#include <cctype>

#include "engine/base/error.h"
#include "eval/prompt/python_random.h"

namespace moe::eval {
namespace {

bool blank(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// The delimiter, unless one side brings white space of its own or is empty.
std::string delimiter_between(const std::string& before, const std::string& after, const std::string& delimiter) {
  if (before.empty() || after.empty() || blank(before.back()) || blank(after.front())) return "";
  return delimiter;
}

std::size_t shown_choices(const Doc& doc, const Strategy& strategy) {
  return strategy.most_choices == 0 ? doc.choices.size() : std::min(doc.choices.size(), strategy.most_choices);
}

// "A, B, C or D"
std::string letter_list(std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += (i == 0 ? "" : i + 1 == count ? " or " : ", ") + letter(i);
  return out;
}

}  // namespace

std::string doc_field(const Doc& doc, const Strategy& strategy, const std::string& name) {
  if (name == "question") return doc.question;
  if (name == "answer") return doc.answer;
  if (name == "target") return doc.target;
  if (name == "letter") return doc.gold < 0 ? "" : letter(static_cast<std::size_t>(doc.gold));
  if (name == "letters") return letter_list(shown_choices(doc, strategy));
  if (name == "choices") {
    std::string out;
    for (std::size_t i = 0; i < shown_choices(doc, strategy); ++i) {
      if (i > 0) out += strategy.choice_join;
      out += strategy.choice_line.render([&](const std::string& key) {
        return key == "choice" ? doc.choices[i] : key == "letter" ? letter(i) : doc_field(doc, strategy, key);
      });
    }
    return out;
  }
  const auto found = doc.fields.find(name);
  if (found == doc.fields.end()) {
    throw Error(ErrorKind::config, Fault{"", fmt::format("document {}", doc.id), "a field {" + name + "}", "none"});
  }
  return found->second;
}

PromptBuilder::PromptBuilder(const Task& task, const Strategy& strategy, const std::vector<Doc>& docs,
                             const std::vector<Doc>* pool, PromptOptions options, ChatRenderer render)
    : task_(task), strategy_(strategy), docs_(docs), pool_(pool), options_(std::move(options)), render_(std::move(render)) {
  const FewShot& shots = strategy_.fewshot;
  fewshot_ = options_.fewshot < 0 ? shots.count : options_.fewshot;
  const std::string thing = fmt::format("--num_fewshot for {}", label(task_, strategy_));
  const auto refuse = [&](const std::string& expected) {
    throw Error(ErrorKind::usage, Fault{task_.file, thing, expected, fmt::format("{}", fewshot_)});
  };
  if (fewshot_ > 0 && shots.sampler == ExampleSampler::none) refuse("0, for the strategy has no examples");
  if (shots.sampler == ExampleSampler::listed && static_cast<std::size_t>(fewshot_) > shots.examples.size()) {
    refuse(fmt::format("at most {}, the examples listed", shots.examples.size()));
  }
  const bool drawn = shots.sampler == ExampleSampler::first || shots.sampler == ExampleSampler::random;
  if (fewshot_ > 0 && drawn && (pool_ == nullptr || pool_->size() < static_cast<std::size_t>(fewshot_))) {
    refuse(fmt::format("at most {}, the rows of the split {}", pool_ == nullptr ? 0 : pool_->size(), shots.split));
  }
  if (fewshot_ > 0 && shots.sampler == ExampleSampler::random) {
    // One generator for the whole split, as lm_eval has it: question i depends on those before it, and not on how
    // many are run.
    PythonRandom random(options_.fewshot_seed);
    for (std::size_t i = 0; i < docs_.size(); ++i) {
      drawn_.push_back(random.sample(pool_->size(), static_cast<std::size_t>(fewshot_)));
    }
  }
  const bool wanted = options_.chat == 1 || (options_.chat == -1 && strategy_.chat == ChatUse::if_present);
  if (options_.chat == 1 && !render_) {
    throw Error(ErrorKind::usage, Fault{"", "--apply_chat_template", "a model with a chat template", "one without"});
  }
  chat_ = wanted && static_cast<bool>(render_);
}

std::string PromptBuilder::examples(std::size_t index) const {
  const FewShot& shots = strategy_.fewshot;
  std::string out;
  for (int i = 0; i < fewshot_; ++i) {
    const auto lookup = [&](const std::string& name) -> std::string {
      if (shots.sampler == ExampleSampler::listed) return shots.examples[static_cast<std::size_t>(i)].at(name);
      const std::size_t row = shots.sampler == ExampleSampler::first ? static_cast<std::size_t>(i)
                                                              : drawn_[index][static_cast<std::size_t>(i)];
      return doc_field((*pool_)[row], strategy_, name);
    };
    const std::string question = shots.prompt.render(lookup);
    std::string answer = shots.target.render(lookup);
    std::string between = strategy_.target_delimiter;
    if (!strategy_.response_prefix.empty()) {
      between = delimiter_between(question, strategy_.response_prefix, between);
      answer = strategy_.response_prefix + delimiter_between(strategy_.response_prefix, answer, " ") + answer;
    }
    out += question + between + answer + shots.delimiter;
  }
  return out;
}

Prompt PromptBuilder::build(std::size_t index) const {
  const Doc& doc = docs_.at(index);
  const auto lookup = [&](const std::string& name) { return doc_field(doc, strategy_, name); };
  const std::string question = strategy_.prompt.render(lookup);
  const std::string system = strategy_.system.empty()     ? options_.system
                             : options_.system.empty()    ? strategy_.system
                                                          : options_.system + "\n\n" + strategy_.system;
  Prompt prompt;
  prompt.chat = chat_;
  if (chat_) {
    std::vector<ChatMessage> messages;
    if (!system.empty()) messages.push_back({"system", system});
    messages.push_back({"user", examples(index) + question});
    prompt.text = render_(messages) + strategy_.response_prefix;
  } else {
    prompt.text = system + examples(index) + question +
                  delimiter_between(question, strategy_.response_prefix, strategy_.target_delimiter) +
                  strategy_.response_prefix;
  }
  if (strategy_.kind == Kind::loglikelihood) {
    // A chat template ends where the reply begins, so nothing stands between it and the choice.
    const std::string delimiter = chat_ && strategy_.response_prefix.empty() ? "" : strategy_.target_delimiter;
    for (std::size_t i = 0; i < doc.choices.size(); ++i) {
      prompt.continuations.push_back(delimiter + strategy_.continuation.render([&](const std::string& name) {
        return name == "choice" ? doc.choices[i] : name == "letter" ? letter(i) : lookup(name);
      }));
    }
    prompt.target = fmt::format("{}", doc.gold);
  } else {
    prompt.target = strategy_.target.render(lookup);
  }
  return prompt;
}

namespace {

TokenIds encode_as_harness(const TokenRules& rules, const std::string& text) {
  const bool has_bos = !rules.bos_text.empty() && text.rfind(rules.bos_text, 0) == 0;
  return rules.encode(text, !has_bos);
}

}  // namespace

PairEncoding encode_pair(const TokenRules& rules, std::string context, std::string continuation) {
  PairEncoding out;
  if (context.empty()) {
    out.continuation = rules.encode(continuation, false);
    if (!out.continuation.empty() && out.continuation.front() == rules.prefix) {
      out.context = {rules.prefix};
      out.continuation.erase(out.continuation.begin());
    } else if (rules.prefix >= 0) {
      out.context = {rules.prefix};
    }
  } else {
    std::size_t end = context.size();
    while (end > 0 && blank(context[end - 1])) --end;
    continuation.insert(0, context, end);
    context.resize(end);
    TokenIds whole = encode_as_harness(rules, context + continuation);
    out.context = encode_as_harness(rules, context);
    const std::size_t cut = std::min(out.context.size(), whole.size());
    out.continuation.assign(whole.begin() + static_cast<std::ptrdiff_t>(cut), whole.end());
  }
  if (out.context.empty() || out.continuation.empty()) {
    throw Error(ErrorKind::format, Fault{"", "tokens of a choice", "at least one token on each side",
                                         fmt::format("{} and {}", out.context.size(), out.continuation.size())});
  }
  return out;
}

TokenIds encode_prompt(const TokenRules& rules, const std::string& text, bool chat) {
  TokenIds ids = chat ? rules.encode(text, false) : encode_as_harness(rules, text);
  if (ids.empty() && rules.prefix >= 0) ids.push_back(rules.prefix);
  if (ids.empty()) throw Error(ErrorKind::format, Fault{"", "tokens of a prompt", "at least one", "none"});
  return ids;
}

}  // namespace moe::eval

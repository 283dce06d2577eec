// What --reasoning on and off mean to each family's template.
#include <array>

#include <fmt/format.h>

#include "engine/text/template/chat_template.h"

namespace moe {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Templates of models that think in every answer, although no variable of theirs says so.
bool always_reasons(std::string_view source) {
  // Phi-4-reasoning and Phi-4-mini-reasoning carry a system message of their own; others write the opening
  // marker themselves, or cut thoughts out of earlier turns.
  constexpr std::array<std::string_view, 4> kTraces = {
      "<think>", "</think>", "systematic long thinking process", "Phi, an AI math expert"};
  for (const std::string_view trace : kTraces) {
    if (contains(source, trace)) return true;
  }
  return false;
}

}  // namespace

ReasoningSwitch reasoning_switch_from_name(std::string_view name) {
  if (name == "auto") return ReasoningSwitch::automatic;
  if (name == "on") return ReasoningSwitch::on;
  if (name == "off") return ReasoningSwitch::off;
  throw Error(ErrorKind::usage, Fault{"", "reasoning", "on, off or auto", std::string(name)});
}

std::vector<std::pair<std::string, std::string>> ChatTemplate::reasoning_variables(
    ReasoningSwitch position) const {
  std::vector<std::pair<std::string, std::string>> out;
  if (position == ReasoningSwitch::automatic) return out;
  const bool on = position == ReasoningSwitch::on;
  const Named& used = chosen(false);
  for (const char* name : {"enable_thinking", "thinking"}) {
    if (used.parsed->mentions(name)) out.emplace_back(name, on ? "true" : "false");
  }
  if (used.parsed->mentions("reasoning_effort"))
    out.emplace_back("reasoning_effort", on ? "\"high\"" : "\"low\"");
  if (!out.empty()) return out;
  const bool always = always_reasons_ || always_reasons(used.source);
  if (on == always) return out;  // nothing to do
  throw Error(ErrorKind::unsupported,
              Fault{used.parsed->name(), "reasoning",
                    on ? "a template with a switch for reasoning" : "a switch to turn reasoning off",
                    on ? "one that knows none" : "a model that always reasons"});
}

std::string ChatTemplate::reasoning_note(ReasoningSwitch position) const {
  if (position != ReasoningSwitch::off) return {};
  const Named& used = chosen(false);
  if (used.parsed->mentions("enable_thinking") || used.parsed->mentions("thinking")) return {};
  if (!used.parsed->mentions("reasoning_effort")) return {};
  return "this model cannot stop reasoning: the lowest effort is asked for";
}

}  // namespace moe

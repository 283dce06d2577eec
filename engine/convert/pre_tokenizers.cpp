// A table of pre-tokenizers. The regular expressions are those of the models' own tokenizer.json files.
#include "engine/convert/pre_tokenizers.h"

#include <array>
#include <nlohmann/json.hpp>

#include "engine/convert/vocabulary.h"

namespace moe {
namespace {

using nlohmann::ordered_json;

// GPT-2's expression is built into the ByteLevel pre-tokenizer; the other rules are spelled out.
enum class Split { gpt2, gpt2_digits, llama3, qwen2, tekken, gpt4o };

constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

struct Entry {
  std::string_view name;
  Split split;
  bool nfc;  // the model's tokenizer composes characters first
  bool add_bos;
  bool ignore_merges;
};

// "default" is what converters write for byte-level vocabularies that they do not recognise, and older files
// name nothing: both mean GPT-2's rule. Digits of the "smollm" family are split one by one.
constexpr std::array<Entry, 15> kEntries = {{
    {"", Split::gpt2, false, false, false},
    {"default", Split::gpt2, false, false, false},
    {"gpt-2", Split::gpt2, false, false, false},
    {"gpt2", Split::gpt2, false, false, false},
    {"olmo", Split::gpt2, true, false, false},
    {"smollm", Split::gpt2_digits, false, false, false},
    {"starcoder", Split::gpt2_digits, false, false, false},
    {"llama-bpe", Split::llama3, false, true, true},
    {"llama3", Split::llama3, false, true, true},
    {"llama-v3", Split::llama3, false, true, true},
    {"qwen2", Split::qwen2, true, false, false},
    {"deepseek-r1-qwen", Split::qwen2, false, false, false},
    {"tekken", Split::tekken, false, true, true},
    {"gpt-4o", Split::gpt4o, false, false, false},
    {"llama4", Split::gpt4o, false, false, false},
}};

const Entry* find(std::string_view name) noexcept {
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

ordered_json byte_level(bool use_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

ordered_json sequence(ordered_json first, ordered_json second) {
  ordered_json out = {{"type", "Sequence"}, {"pretokenizers", ordered_json::array()}};
  out["pretokenizers"].push_back(std::move(first));
  out["pretokenizers"].push_back(std::move(second));
  return out;
}

ordered_json split_by(const char* expression) {
  return sequence(
      {{"type", "Split"}, {"pattern", {{"Regex", expression}}}, {"behavior", "Isolated"}, {"invert", false}},
      byte_level(false));
}

}  // namespace

PreTokenizerTraits pre_tokenizer_traits(std::string_view name) noexcept {
  const Entry* entry = find(name);
  if (entry == nullptr) return {};
  return {true, entry->add_bos, entry->ignore_merges};
}

ordered_json byte_level_pre_tokenizer(std::string_view name) {
  const Entry* entry = find(name);
  switch (entry == nullptr ? Split::gpt2 : entry->split) {
    case Split::gpt2:
      return byte_level(true);
    case Split::gpt2_digits:
      return sequence({{"type", "Digits"}, {"individual_digits", true}}, byte_level(true));
    case Split::llama3:
      return split_by(kLlama3);
    case Split::qwen2:
      return split_by(kQwen2);
    case Split::tekken:
      return split_by(kTekken);
    case Split::gpt4o:
      return split_by(kGpt4o);
  }
  return nullptr;
}

ordered_json byte_level_normalizer(std::string_view name) {
  const Entry* entry = find(name);
  if (entry == nullptr || !entry->nfc) return nullptr;
  return {{"type", "NFC"}};
}

std::string known_pre_tokenizers() {
  std::string out;
  for (const Entry& entry : kEntries) {
    if (entry.name.empty()) continue;
    if (!out.empty()) out += ", ";
    out += entry.name;
  }
  return out;
}

}  // namespace moe

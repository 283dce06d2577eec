// Post-processors of tokenizer.json: the special tokens around a sequence.
#include "engine/text/post_processor.h"

#include "engine/text/json_fields.h"
#include "engine/text/vocab.h"

namespace moe {
namespace {

namespace jf = json_fields;
constexpr std::size_t max_steps = 100;
constexpr std::size_t max_parts = 1000;

std::int32_t read_id(const nlohmann::json& value, std::string_view file, const std::string& thing) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > Vocab::max_id)
    jf::wrong(file, thing, fmt::format("an id of at most {}", Vocab::max_id), value);
  return static_cast<std::int32_t>(value.get<std::uint64_t>());
}

// ["token", id]
std::int32_t read_pair(const nlohmann::json& json, const char* key, std::string_view file) {
  const std::string thing = std::string("post_processor.") + key;
  const auto& pair = jf::need(json, key, file, "post_processor");
  if (!pair.is_array() || pair.size() != 2) jf::wrong(file, thing, "[token, id]", pair);
  return read_id(pair[1], file, thing);
}

}  // namespace

PostProcessor::PostProcessor(const nlohmann::json& json, std::string_view file) {
  if (json.is_null()) return;
  jf::each_step(json, "processors", file, "post_processor", steps_, max_steps,
                [&](const nlohmann::json& step, const std::string& type) { add(step, type, file); });
}

PostProcessor PostProcessor::around(std::optional<std::int32_t> bos, std::optional<std::int32_t> eos) {
  Template parts;
  if (bos) parts.parts.push_back({false, {*bos}});
  parts.parts.push_back({true, {}});
  if (eos) parts.parts.push_back({false, {*eos}});
  PostProcessor out;
  out.steps_.emplace_back(std::move(parts));
  return out;
}

void PostProcessor::add(const nlohmann::json& json, const std::string& type, std::string_view file) {
  const std::string thing = "post_processor";
  if (type == "TemplateProcessing") {
    steps_.emplace_back(read_template(json, file));
  } else if (type == "BertProcessing") {
    steps_.emplace_back(Around{read_pair(json, "cls", file), read_pair(json, "sep", file), false});
  } else if (type == "RobertaProcessing") {
    steps_.emplace_back(Around{read_pair(json, "cls", file), read_pair(json, "sep", file), true});
  } else if (type != "ByteLevel") {  // which only trims offsets
    jf::unknown_type(file, thing,
                     "Sequence, TemplateProcessing, ByteLevel, BertProcessing or RobertaProcessing", type);
  }
}

PostProcessor::Template PostProcessor::read_template(const nlohmann::json& json, std::string_view file) {
  const std::string thing = "post_processor.single";
  const auto& single = jf::need(json, "single", file, "post_processor");
  const auto& special = jf::need(json, "special_tokens", file, "post_processor");
  if (!single.is_array() || single.size() > max_parts)
    jf::wrong(file, thing, fmt::format("an array of at most {} parts", max_parts), single);
  Template out;
  for (const auto& part : single) {
    if (part.is_object() && part.contains("Sequence")) {
      const std::string& which = jf::text(part["Sequence"], "id", file, thing + ".Sequence");
      if (which != "A") jf::wrong(file, thing + ".Sequence.id", "A, as there is one sequence", part);
      out.parts.push_back({true, {}});
      continue;
    }
    const auto& token = jf::need(part, "SpecialToken", file, thing);
    const std::string& name = jf::text(token, "id", file, thing + ".SpecialToken");
    const auto& ids = jf::need(jf::need(special, name.c_str(), file, "post_processor.special_tokens"), "ids",
                               file, "post_processor.special_tokens." + name);
    if (!ids.is_array() || ids.size() > max_parts)
      jf::wrong(file, "post_processor.special_tokens." + name + ".ids", "an array of ids", ids);
    Part fixed{false, {}};
    for (const auto& id : ids)
      fixed.ids.push_back(read_id(id, file, "post_processor.special_tokens." + name));
    out.parts.push_back(std::move(fixed));
  }
  return out;
}

std::vector<std::int32_t> PostProcessor::apply(std::vector<std::int32_t> ids, bool add_special_tokens) const {
  using Ids = std::vector<std::int32_t>;
  // A template makes several sequences of one, which a step after it sees as such.
  std::vector<Ids> sequences;
  sequences.push_back(std::move(ids));
  for (const Step& step : steps_) {
    if (const auto* around = std::get_if<Around>(&step)) {
      for (std::size_t i = 0; add_special_tokens && i < sequences.size(); ++i) {
        Ids& each = sequences[i];
        if (i == 0)
          each.insert(each.begin(), around->cls);
        else if (around->sep_before_others)
          each.insert(each.begin(), around->sep);
        each.push_back(around->sep);
      }
      continue;
    }
    const Template& parts = std::get<Template>(step);
    std::size_t uses = 0;
    for (const Part& part : parts.parts) uses += part.sequence;
    std::vector<Ids> next;
    for (const Part& part : parts.parts) {
      if (part.sequence) {
        if (sequences.empty()) continue;
        if (--uses == 0)
          next.push_back(std::move(sequences.front()));
        else
          next.push_back(sequences.front());
      } else if (add_special_tokens) {
        next.push_back(part.ids);
      }
    }
    sequences = std::move(next);
  }
  if (sequences.size() == 1) return std::move(sequences.front());
  Ids out;
  for (const Ids& each : sequences) out.insert(out.end(), each.begin(), each.end());
  return out;
}

}  // namespace moe

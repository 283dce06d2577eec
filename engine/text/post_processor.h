// Post-processors of tokenizer.json: the special tokens around a sequence.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace moe {

// Immutable after loading; safe to share between threads. Only single sequences, no pairs.
class PostProcessor {
 public:
  PostProcessor() = default;  // adds nothing
  // Throws Error (format, unsupported) naming `file` for types and values it does not know.
  PostProcessor(const nlohmann::json& json, std::string_view file);
  // [bos] sequence [eos], as transformers builds it from add_bos_token and add_eos_token.
  static PostProcessor around(std::optional<std::int32_t> bos, std::optional<std::int32_t> eos);

  std::vector<std::int32_t> apply(std::vector<std::int32_t> ids, bool add_special_tokens) const;

 private:
  // A part of a template: a sequence, or the ids of a special token.
  struct Part {
    bool sequence;
    std::vector<std::int32_t> ids;
  };
  struct Template {
    std::vector<Part> parts;
  };
  struct Around {  // Bert and Roberta
    std::int32_t cls, sep;
    bool sep_before_others;
  };
  using Step = std::variant<Template, Around>;

  void add(const nlohmann::json& json, const std::string& type, std::string_view file);
  static Template read_template(const nlohmann::json& json, std::string_view file);

  std::vector<Step> steps_;
};

}  // namespace moe

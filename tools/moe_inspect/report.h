// What moe-inspect says of a model, in three forms of the same numbers.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "engine/runtime/inspect.h"
#include "models/registry.h"

namespace moe::tools {

struct InspectReport {
  std::string model;  // as the user named it
  models::Description description;
  Inspection numbers;
  std::int64_t chunk = 0;                 // tokens of a prompt fed at a time, for the cache of layers with a window
  std::optional<double> training_tokens;  // for tokens per parameter
};

nlohmann::json inspect_json(const InspectReport& report);
// Sections of tables: aligned text, or Markdown.
std::string inspect_text(const InspectReport& report, bool markdown);

// Layers of one shape, as people compare them: "full", "sliding" or "latent" attention, and the feed-forward parts.
struct LayerShape {
  std::string attention, feed_forward;
  std::int32_t layers = 0;

  bool same_as(const LayerShape& other) const { return attention == other.attention && feed_forward == other.feed_forward; }
};
std::vector<LayerShape> layer_shapes(const ModelSpec& spec);

}  // namespace moe::tools

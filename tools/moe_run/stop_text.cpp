#include "tools/moe_run/stop_text.h"

#include <algorithm>
#include <utility>

namespace moe::tools {

StopText::StopText(std::vector<std::string> stops) : stops_(std::move(stops)) { std::erase(stops_, std::string()); }

std::string StopText::push(std::string_view piece) {
  if (found_) return {};
  held_ += piece;
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    found_ = true;
    held_.resize(first);
    return std::exchange(held_, {});
  }
  // The longest end of the text that begins some stop string stays back.
  std::size_t keep = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
      if (std::string_view(held_).substr(held_.size() - n) == std::string_view(stop).substr(0, n)) keep = n;
    }
  }
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string StopText::finish() { return found_ ? std::string() : std::exchange(held_, {}); }

}  // namespace moe::tools

// Finding stop strings in text that comes piece by piece.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace moe::eval {

class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
    for (const std::string& stop : stops_) longest_ = std::max(longest_, stop.size());
  }

  // False once a stop string stands in the text; what comes later is left out.
  bool push(std::string_view piece) {
    if (found_) return false;
    const std::size_t from = text_.size() < longest_ ? 0 : text_.size() - longest_ + 1;
    text_ += piece;
    std::size_t first = std::string::npos;
    for (const std::string& stop : stops_) first = std::min(first, text_.find(stop, from));
    if (first == std::string::npos) return true;
    text_.resize(first);
    found_ = true;
    return false;
  }

  // The text before the first stop string.
  const std::string& text() const { return text_; }
  bool found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string text_;
  std::size_t longest_ = 1;
  bool found_ = false;
};

}  // namespace moe::eval

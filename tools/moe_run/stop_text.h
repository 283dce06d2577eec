// Finds stop strings in text that arrives in pieces, and holds back what may be the start of one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace moe::tools {

class StopText {
 public:
  explicit StopText(std::vector<std::string> stops);

  // Text that can be shown now. After a stop string was found: what stood before it, and nothing from then on.
  std::string push(std::string_view piece);
  // What was held back, when no more text comes.
  std::string finish();
  bool found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool found_ = false;
};

}  // namespace moe::tools

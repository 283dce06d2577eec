// JSON text as template values: order kept, duplicate keys replaced, depth bounded.
#pragma once

#include <string_view>

#include "engine/text/template/value.h"

namespace moe::jinja {

// `name` names the text in errors. Throws moe::Error of kind format or limit.
Value read_json(std::string_view text, std::string_view name, Heap& heap);

}  // namespace moe::jinja

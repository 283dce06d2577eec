// HTML escaping, for values that |safe and |escape mark.
#pragma once

#include <string>
#include <string_view>

namespace moe::jinja {
std::string escape_html(std::string_view text);
}

// Whether a stream is a terminal, how wide it is, and whether colour is welcome there.
#pragma once

#include <cstdio>

namespace moe::tools {

bool is_terminal(std::FILE* stream);
// A terminal that can redraw a line (not TERM=dumb).
bool can_redraw(std::FILE* stream);
// A terminal that can redraw, and NO_COLOR is not set to something (see no-color.org).
bool use_color(std::FILE* stream);
// Columns; 80 where it cannot be told.
int terminal_width(std::FILE* stream);
// Lines; 24 where it cannot be told.
int terminal_height(std::FILE* stream);

}  // namespace moe::tools

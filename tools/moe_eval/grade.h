// moe-eval grade: stored responses graded again, without a model.
#pragma once

#include "tools/moe_eval/commands.h"

namespace moe::tools {

Command add_grade_command(CLI::App& app);

}  // namespace moe::tools

// Every family of this build, by name. A new family is declared here and listed in registry.cpp.
#pragma once

#include "models/family.h"

namespace moe::models {

extern const Family kLlama;
extern const Family kQwen3;
extern const Family kQwen3Moe;

}  // namespace moe::models

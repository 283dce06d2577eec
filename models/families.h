// Every family of this build, by name. A new family is declared here and listed in registry.cpp.
#pragma once

#include "models/family.h"

namespace moe::models {

extern const Family kLlama;
extern const Family kQwen2;
extern const Family kQwen3;
extern const Family kQwen2Moe;
extern const Family kQwen3Moe;
extern const Family kMixtral;
extern const Family kOlmoe;
extern const Family kPhi3;
extern const Family kGemma3;
extern const Family kGemma4;
extern const Family kDeepseekV2;
extern const Family kDeepseekV3;
extern const Family kGptOss;
extern const Family kMoeAlibi;

}  // namespace moe::models

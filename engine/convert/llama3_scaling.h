// Finds the parameters of Llama 3's RoPE scaling from the table of factors that GGUF files store in their
// place.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "engine/convert/gguf.h"

namespace moe {

// `factors` (f32, head_dim / 2 of them) divide the rotary frequencies. Llama 3's rule gives 1 to short
// wavelengths, `factor` to long ones, and blends between original / high_freq_factor and original /
// low_freq_factor. Returns "rope_scaling" for config.json (null if all factors are 1) whose factors equal
// these to 1e-5; throws Error (unsupported) if no parameters of that rule give them.
nlohmann::json llama3_scaling_from_factors(const GgufFile& gguf, const GgufTensor& factors, double theta,
                                           std::int64_t head_dim);

}  // namespace moe

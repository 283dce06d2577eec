// Rotary position embedding: which frequencies a model turns its heads by, and the cos/sin rows made of them.
#pragma once

#include <cstdint>
#include <vector>

namespace moe {

enum class RopeType : std::uint8_t { plain, linear, dynamic_ntk, llama3, yarn, longrope, proportional };

// Everything that decides the rotation of one kind of layer. Reference: transformers,
// modeling_rope_utils.py, in precision too (fp32 where it uses fp32, double where it uses Python); the methods are those of
// RoPE (arXiv 2104.09864), linear interpolation (arXiv 2306.15595), YaRN (arXiv 2309.00071) and LongRoPE (arXiv 2402.13753).
struct RopeSpec {
  RopeType type = RopeType::plain;
  double theta = 10000;
  std::int32_t dims = 0;         // D: components that rotate; an odd D rotates D + 1 with exponents of D
  std::int32_t head_dim = 0;     // proportional: frequencies are theta^(-2j / head_dim)
  bool interleaved = false;      // partners (2j, 2j+1) in place of (j, j + D/2)
  double factor = 1;             // linear, dynamic, llama3, yarn, proportional
  double attention_factor = 1;   // multiplies cos and sin, settled when the spec is made
  double low_freq_factor = 1;    // llama3
  double high_freq_factor = 4;   // llama3
  double beta_fast = 32;         // yarn
  double beta_slow = 1;          // yarn
  bool truncate = true;          // yarn: round the ramp's ends to whole dimensions
  double partial = 1;            // proportional: the share of frequencies that are not zero
  std::int32_t original_length = 0;  // llama3, yarn, longrope: positions seen in pre-training
  std::int32_t max_length = 0;       // dynamic: positions beyond which theta grows
  std::vector<float> short_factors, long_factors;  // longrope, one a frequency
  // longrope: a sequence that outgrows the short factors is computed again; else it keeps its keys.
  bool recomputes = false;

  // Pairs of components: the length of a cos or sin row.
  std::int32_t pairs() const { return type == RopeType::proportional ? head_dim / 2 : (dims + 1) / 2; }
  // True where the frequencies depend on how long the sequence is.
  bool depends_on_length() const { return type == RopeType::dynamic_ntk || type == RopeType::longrope; }
  // A small number that is equal for lengths which share their frequencies (0 unless depends_on_length()).
  std::int32_t regime(std::int32_t length) const;
};

// The frequencies [pairs] for a sequence of `length` tokens.
std::vector<float> inverse_frequencies(const RopeSpec& spec, std::int32_t length);

// The cos and sin rows [pairs] of one position, the spec's multiplier included.
void rope_angles(const RopeSpec& spec, const std::vector<float>& frequencies, std::int32_t position, float* cos,
                 float* sin);


}  // namespace moe

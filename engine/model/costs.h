// Costs: what a forward pass executed, counted where it was executed. docs/costs.md has the conventions.
// Class A: multiply-adds of matrix products (2 FLOPs each), including attention over visible keys.
// Class B: everything else that computes (norms, softmax, activations, additions), by fixed conventions.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace moe {

enum class Component : std::uint8_t {
  embedding, attn_proj, attn_core, router, experts, shared_expert, dense_mlp, per_layer_embedding, norm, elementwise, lm_head,
};
inline constexpr std::size_t kComponents = 11;
std::string_view name(Component component) noexcept;

struct Flops {
  std::uint64_t class_a = 0;
  std::uint64_t class_b = 0;

  Flops& operator+=(const Flops& other);
  Flops& operator-=(const Flops& other);
  friend bool operator==(const Flops&, const Flops&) = default;
};

struct Costs {
  std::uint64_t tokens = 0;          // rows fed
  std::uint64_t weight_bytes = 0;    // weights read, once a forward pass however many rows share them
  std::uint64_t kv_bytes = 0;        // visible keys and values read, once a forward pass and sequence
  std::uint64_t params_touched = 0;  // distinct parameters used since the counter was made
  std::array<Flops, kComponents> components{};

  Flops& operator[](Component c) { return components[static_cast<std::size_t>(c)]; }
  const Flops& operator[](Component c) const { return components[static_cast<std::size_t>(c)]; }
  void a(Component c, std::uint64_t flops) { (*this)[c].class_a += flops; }
  void b(Component c, std::uint64_t flops) { (*this)[c].class_b += flops; }
  Flops total() const;
  // Adds everything but params_touched, which is a set's size and does not add up.
  void add(const Costs& other);
};

}  // namespace moe

// Ten lines against the installed library: what a config.json describes.
#include <cstdio>

#include "models/registry.h"

int main(int, char** argv) {
  const auto description = moe::models::describe(argv[1]);
  std::printf("%s: %d layers\n", description.spec.family.c_str(), description.spec.layer_count());
  return description.spec.layer_count() > 0 ? 0 : 1;
}

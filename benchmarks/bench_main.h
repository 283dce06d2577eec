// What every benchmark program does once its benchmarks are registered.
#pragma once

#include <benchmark/benchmark.h>

namespace moe::bench {

// The exit code of the program: 1 for arguments that nothing takes.
inline int run_registered(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace moe::bench

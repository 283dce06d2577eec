// How many threads this process should use: affinity, physical cores, and the quota of its control group.
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "kernels/thread_team.h"

namespace moe::kernels {
namespace {

// The first number of OMP_NUM_THREADS (which may be a list by nesting level); 0 if absent or senseless.
int requested_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  if (text == nullptr) return 0;
  const std::string_view view(text);
  int count = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), count);
  return error == std::errc() && count > 0 && count <= 4096 ? count : 0;
}

int read_int(const std::string& path, int otherwise) {
  std::ifstream file(path);
  int value = otherwise;
  return file >> value ? value : otherwise;
}

// Cores in the affinity mask, hardware threads of one core counted once.
int usable_cores() {
  int capacity = 1024;
  for (; capacity <= 1 << 18; capacity *= 4) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(capacity));
    if (set == nullptr) return 1;
    const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(capacity));
    if (sched_getaffinity(0, size, set) == 0) {
      std::set<std::pair<int, int>> cores;
      for (int cpu = 0; cpu < capacity; ++cpu) {
        if (!CPU_ISSET_S(static_cast<std::size_t>(cpu), size, set)) continue;
        const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
        // Where the kernel tells no topology every processor counts as a core.
        const int core = read_int(topology + "core_id", -1);
        cores.insert(core < 0 ? std::pair(-1, cpu)
                              : std::pair(read_int(topology + "physical_package_id", 0), core));
      }
      CPU_FREE(set);
      return std::max(1, static_cast<int>(cores.size()));
    }
    CPU_FREE(set);  // the mask of this system is larger
  }
  return 1;
}

// Processors allowed by the quota files of one control group directory; infinity if it sets none.
double quota_of(const std::string& directory) {
  double quota = -1, period = -1;
  std::ifstream v2(directory + "/cpu.max");
  if (!(v2 >> quota >> period)) {  // "max 100000" fails at the word, which is right: no quota
    quota = read_int(directory + "/cpu.cfs_quota_us", -1);
    period = read_int(directory + "/cpu.cfs_period_us", -1);
  }
  return quota > 0 && period > 0 ? quota / period : HUGE_VAL;
}

// The tightest quota of this process's groups and their parents, for both versions of control groups.
double quota_processors() {
  double least = std::min(quota_of("/sys/fs/cgroup"), quota_of("/sys/fs/cgroup/cpu"));
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v1_cpu = ("," + controllers + ",").find(",cpu,") != std::string::npos;
    if (!controllers.empty() && !v1_cpu) continue;
    const std::string root = v1_cpu ? "/sys/fs/cgroup/cpu" : "/sys/fs/cgroup";
    for (std::string path = line.substr(second + 1); path.size() > 1; path.erase(path.rfind('/'))) {
      least = std::min(least, quota_of(root + path));
      if (path.rfind('/') == std::string::npos) break;
    }
  }
  return least;
}

}  // namespace

int default_thread_count() {
  if (const int requested = requested_threads(); requested > 0) return requested;
  const double quota = std::ceil(quota_processors());
  const int cores = usable_cores();
  return quota < cores ? std::max(1, static_cast<int>(quota)) : cores;
}

}  // namespace moe::kernels

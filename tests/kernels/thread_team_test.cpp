// The thread team: everyone runs once, splits cover everything, exceptions arrive, results do not depend on
// it.
#include "kernels/thread_team.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/kernels/support.h"

namespace moe::kernels::test {
namespace {

TEST(ThreadTeam, EveryWorkerRunsOnceAJob) {
  for (const int n : {1, 2, 3, 8}) {
    ThreadTeam team(n);
    EXPECT_EQ(team.size(), n);
    std::vector<int> calls(static_cast<std::size_t>(n));
    for (int job = 0; job < 500; ++job) {
      team.run([&](int worker, int size) {
        EXPECT_EQ(size, n);
        ++calls[static_cast<std::size_t>(worker)];  // the job's end orders these
      });
    }
    EXPECT_EQ(calls, std::vector<int>(static_cast<std::size_t>(n), 500));
  }
}

TEST(ThreadTeam, WorkersWakeFromSleep) {
  ThreadTeam team(3);
  std::atomic<int> calls = 0;
  for (int job = 0; job < 5; ++job) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    team.run([&](int, int) { ++calls; });
  }
  EXPECT_EQ(calls, 15);
}

TEST(ThreadTeam, SplitsCoverTheRangeInWholeGranules) {
  for (const int n : {1, 2, 3, 7}) {
    ThreadTeam team(n);
    for (const std::int64_t total : {0, 1, 15, 16, 17, 100, 1000}) {
      for (const std::int64_t granularity : {1, 16, 64}) {
        std::vector<std::atomic<int>> touched(static_cast<std::size_t>(total));
        std::atomic<std::int64_t> longest = 0;
        team.parallel_for(total, granularity, [&](std::int64_t begin, std::int64_t end, int worker) {
          EXPECT_LT(worker, n);
          EXPECT_LT(begin, end);
          EXPECT_EQ(begin % granularity, 0);
          EXPECT_TRUE(end == total || end % granularity == 0);
          for (std::int64_t i = begin; i < end; ++i) ++touched[static_cast<std::size_t>(i)];
          std::int64_t seen = longest.load();
          while (seen < end - begin && !longest.compare_exchange_weak(seen, end - begin)) {
          }
        });
        for (const std::atomic<int>& count : touched) ASSERT_EQ(count, 1);
        const std::int64_t granules = (total + granularity - 1) / granularity;
        EXPECT_LE(longest, (granules + n - 1) / n * granularity) << "as equal as can be";
      }
    }
  }
}

TEST(ThreadTeam, ExceptionsReachTheCallerAndTheTeamLivesOn) {
  ThreadTeam team(4);
  for (int bad = 0; bad < 4; ++bad) {
    try {
      team.run([&](int worker, int) {
        if (worker >= bad) throw std::runtime_error("worker " + std::to_string(worker));
      });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "worker " + std::to_string(bad));
    }
    std::atomic<int> calls = 0;
    team.run([&](int, int) { ++calls; });
    EXPECT_EQ(calls, 4);
  }
}

TEST(ThreadTeam, DefaultCountFollowsTheEnvironment) {
  const char* before = std::getenv("OMP_NUM_THREADS");
  const std::string saved = before == nullptr ? "" : before;
  setenv("OMP_NUM_THREADS", "3", 1);
  EXPECT_EQ(default_thread_count(), 3);
  setenv("OMP_NUM_THREADS", "5,2", 1);
  EXPECT_EQ(default_thread_count(), 5);
  for (const char* senseless : {"0", "-2", "many", "", "99999999999999"}) {
    setenv("OMP_NUM_THREADS", senseless, 1);
    EXPECT_GE(default_thread_count(), 1) << senseless;
    EXPECT_LE(default_thread_count(), static_cast<int>(std::thread::hardware_concurrency())) << senseless;
  }
  unsetenv("OMP_NUM_THREADS");
  EXPECT_GE(default_thread_count(), 1);
  if (before != nullptr) setenv("OMP_NUM_THREADS", saved.c_str(), 1);
}

}  // namespace
}  // namespace moe::kernels::test

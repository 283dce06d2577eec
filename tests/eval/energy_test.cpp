// Energy counters: which are summed, that they may wrap, and that nothing is invented where there are none.
#include "eval/run/energy.h"

#include "tests/eval/fixtures.h"

namespace moe::eval {
namespace {

using testing::TempDir;

void write_zone(const TempDir& directory, const std::string& zone, const std::string& name,
                std::uint64_t microjoules) {
  directory.write(zone + "/name", name + "\n");
  directory.write(zone + "/max_energy_range_uj", "1000000000\n");
  directory.write(zone + "/energy_uj", std::to_string(microjoules) + "\n");
}

TEST(Energy, SumsPackagesAndMemoryAndFollowsAWrap) {
  const TempDir directory;
  write_zone(directory, "intel-rapl:0", "package-0", 5'000'000);
  write_zone(directory, "intel-rapl:0:0", "core", 1'000'000);  // part of its package
  write_zone(directory, "intel-rapl:0:1", "dram", 0);
  write_zone(directory, "intel-rapl-mmio:0", "package-0", 5'000'000);  // the same counter again
  write_zone(directory, "intel-rapl:1", "psys", 0);                    // more than the processor
  EnergyMeter meter(directory.path());
  ASSERT_TRUE(meter.readable());
  EXPECT_DOUBLE_EQ(meter.joules().value(), 0);
  write_zone(directory, "intel-rapl:0", "package-0", 7'500'000);
  write_zone(directory, "intel-rapl:0:0", "core", 9'000'000);
  write_zone(directory, "intel-rapl:0:1", "dram", 250'000);
  EXPECT_DOUBLE_EQ(meter.joules().value(), 2.75);
  write_zone(directory, "intel-rapl:0", "package-0", 500'000);  // 992.5 J up to its end, and 0.5 J more
  EXPECT_DOUBLE_EQ(meter.joules().value(), 2.75 + 993.0);
}

TEST(Energy, IsAbsentWhereItCannotBeRead) {
  const TempDir directory;
  EXPECT_FALSE(EnergyMeter(directory / "none").joules().has_value());
  EXPECT_FALSE(EnergyMeter(directory.path()).joules().has_value());
  write_zone(directory, "intel-rapl:0", "package-0", 5);
  EnergyMeter meter(directory.path());
  EXPECT_TRUE(meter.joules().has_value());
  std::filesystem::remove(directory / "intel-rapl:0/energy_uj");
  EXPECT_FALSE(meter.joules().has_value()) << "a sum with a part missing is no sum";
  write_zone(directory, "intel-rapl:0", "package-0", 9);
  EXPECT_FALSE(meter.joules().has_value());
}

}  // namespace
}  // namespace moe::eval

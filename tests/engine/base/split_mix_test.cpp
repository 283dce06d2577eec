// SplitMix64 against the sequence that its reference implementation makes from the seed 1234567.
#include "engine/base/split_mix.h"

#include <gtest/gtest.h>

namespace moe {
namespace {

TEST(SplitMix, GivesTheReferencesWordsAtAnyPlace) {
  constexpr std::uint64_t kWords[] = {6457827717110365317U, 3203168211198807973U, 9817491932198370423U, 4593380528125082431U,
                                      16408922859458223821U};
  for (std::uint64_t i = 5; i-- > 0;) EXPECT_EQ(split_mix(1234567, i), kWords[i]) << i;
  EXPECT_EQ(split_mix(1234567), kWords[0]);
}

}  // namespace
}  // namespace moe

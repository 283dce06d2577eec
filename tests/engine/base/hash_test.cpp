// SHA-256 against NIST's vectors; the fast hash by what is demanded of it.
#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "engine/base/content_hash.h"
#include "engine/base/sha256.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace moe {
namespace {

TEST(Sha256, NistVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(
      sha256_hex("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
                 "lmnopqrsmnopqrstnopqrstu"),
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesOfAnySizeGiveTheSame) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  for (std::size_t length = 0; length <= text.size(); ++length) {
    const std::string message = text.substr(0, length);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}}) {
      Sha256 hash;
      for (std::size_t at = 0; at < length; at += piece)
        hash.update(std::string_view(message).substr(at, piece));
      ASSERT_EQ(to_hex(hash.finish()), sha256_hex(message)) << length << " in pieces of " << piece;
    }
  }
}

std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> out(size);
  std::uint32_t state = 1;
  for (std::byte& b : out) {
    state = state * 1664525U + 1013904223U;
    b = static_cast<std::byte>(state >> 24);
  }
  return out;
}

TEST(ContentHash, IsFixedForEver) {
  // Stored in journals: if one of these changes, old records no longer match their models.
  EXPECT_EQ(content_hash({}).hex(), "fc02adf7f4a417cc5ae6e39bf90a0a8f");
  EXPECT_EQ(content_hash(pattern(1)).hex(), "2720ac2a1f99432fb2310d808f672334");
  EXPECT_EQ(content_hash(pattern(1000)).hex(), "09668a134fd81d6005209926bc681fe8");
  EXPECT_EQ(content_hash(pattern(3 * kContentHashPiece + 17)).hex(), "ebcf3d3ec94fba66a2f0136daa0a1c54");
}

TEST(ContentHash, EveryBitAndTheLengthCount) {
  std::vector<std::byte> bytes = pattern(200);
  std::set<std::string> seen{content_hash(bytes).hex()};
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_TRUE(seen.insert(content_hash(bytes).hex()).second) << bit;
    bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
  }
  const std::vector<std::byte> zeros(300);
  for (std::size_t n = 0; n <= zeros.size(); ++n) {
    EXPECT_TRUE(seen.insert(content_hash(std::span(zeros).first(n)).hex()).second) << n;
  }
  // Pieces that change places must not go unseen.
  std::vector<std::byte> two = pattern(2 * kContentHashPiece);
  const std::string before = content_hash(two).hex();
  std::swap_ranges(two.begin(), two.begin() + kContentHashPiece, two.begin() + kContentHashPiece);
  EXPECT_NE(content_hash(two).hex(), before);
}

TEST(ContentHash, OneFlippedBitFlipsHalfOfTheHash) {
  std::vector<std::byte> bytes = pattern(128);
  const Hash128 before = content_hash(bytes);
  double flipped = 0;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    const Hash128 after = content_hash(bytes);
    const int distance =
        __builtin_popcountll(before.low ^ after.low) + __builtin_popcountll(before.high ^ after.high);
    EXPECT_GT(distance, 30) << bit;
    flipped += distance;
    bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
  }
  EXPECT_NEAR(flipped / (8.0 * static_cast<double>(bytes.size())), 64, 2);
}

TEST(ContentHash, FileAndMemoryAgreeForAnyNumberOfThreads) {
  const test::TempDir folder;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{5}, kContentHashPiece, 4 * kContentHashPiece + 999}) {
    const std::vector<std::byte> bytes = pattern(size);
    const auto file = folder.write("f", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    for (const unsigned threads : {0U, 1U, 2U, 7U})
      EXPECT_EQ(content_hash_of_file(file, threads), content_hash(bytes));
  }
  test::expect_error(ErrorKind::io, {"missing", "No such file"},
                     [&] { content_hash_of_file(folder / "missing"); });
}

}  // namespace
}  // namespace moe

// Parameters and FLOPs of the studies' models at their published sizes, from enumerating transformers' own
// modules.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace moe::test {

struct PublishedModel {
  using AtLength = std::vector<std::pair<std::int64_t, std::uint64_t>>;  // tokens -> class A FLOPs

  const char* directory;  // below configs/ of the shared data
  std::int64_t parameters, matmul, head, full, sliding, window;
  // Its parts, the head apart: vectors with the router's own; experts: all, and those that one token uses.
  std::int64_t attention, dense_mlp, router, experts, experts_active, per_layer_matrices, per_layer_table,
      vectors;
  AtLength decode;        // length seen
  AtLength prefill;       // every layer over every token, one row of logits
  AtLength fast_prefill;  // layers without a cache over the last token only; empty: as `prefill`
};

inline void PrintTo(const PublishedModel& model, std::ostream* out) { *out << model.directory; }

inline const std::vector<PublishedModel>& published_models() {
  static const std::vector<PublishedModel> kModels{
      {"google_gemma-4-E2B",
       4628569379,
       1876819968,
       402653184,
       114688,
       229376,
       512,
       278396928,
       1557135360,
       0,
       0,
       0,
       41287680,
       2348810240,
       285987,
       {{1, 4559290368}, {1024, 4793827328}, {4096, 5146148864}, {32768, 8434483200}},
       {{512, 1967854190592}, {2048, 8139407622144}, {4096, 16789052325888}},
       {{512, 606329634816}, {2048, 2530747613184}, {4096, 5277026877440}}},
      {"google_gemma-4-E4B",
       7463013418,
       3972792320,
       671088640,
       114688,
       286720,
       512,
       587202560,
       3303014400,
       0,
       0,
       0,
       82575360,
       2818572288,
       560170,
       {{1, 9288163328}, {1024, 9552003072}, {4096, 9904324608}, {32768, 13192658944}},
       {{512, 4122197622784}, {2048, 16777675276288}, {4096, 34072552275968}},
       {{512, 2391759388672}, {2048, 9720173166592}, {4096, 19731909705728}}},
      {"google_gemma-4-26B-A4B",
       25233141790,
       3083632640,
       738197504,
       163840,
       409600,
       1024,
       1110179840,
       535265280,
       10813440,
       22837985280,
       1427374080,
       0,
       0,
       700446,
       {{1, 7644233728}, {1024, 8230862848}, {4096, 8734179328}, {32768, 13431799808}},
       {{512, 3234424946688}, {2048, 13620255653888}, {4096, 28140768329728}},
       {}},
      {"microsoft_Phi-4-mini-instruct",
       3836021760,
       3221225472,
       614596608,
       393216,
       0,
       0,
       805306368,
       2415919104,
       0,
       0,
       0,
       0,
       0,
       199680,
       {{1, 7672037376}, {1024, 8074297344}, {4096, 9282256896}, {32768, 20556546048}},
       {{512, 3351404347392}, {2048, 14020405100544}, {4096, 29688848449536}},
       {}},
      {"microsoft_phi-4",
       14659507200,
       13631488000,
       513802240,
       819200,
       0,
       0,
       2621440000,
       11010048000,
       0,
       0,
       0,
       0,
       0,
       414720,
       {{1, 28291399680}, {1024, 29129441280}, {4096, 31646023680}, {32768, 55134126080}},
       {{512, 14067255214080}, {2048, 57554428231680}, {4096, 118543802695680}},
       {}},
      {"Qwen_Qwen3-8B",
       8190735360,
       6945767424,
       622329856,
       589824,
       0,
       0,
       1509949440,
       5435817984,
       0,
       0,
       0,
       0,
       0,
       308224,
       {{1, 15136784384}, {1024, 15740174336}, {4096, 17552113664}, {32768, 34463547392}},
       {{512, 7191170908160}, {2048, 29688662589440}, {4096, 61849981681664}},
       {}},
      {"Qwen_Qwen3-30B-A3B",
       30532122624,
       2730491904,
       311164928,
       786432,
       0,
       0,
       905969664,
       0,
       12582912,
       28991029248,
       1811939328,
       0,
       0,
       210944,
       {{1, 6084100096}, {1024, 6888620032}, {4096, 9304539136}, {32768, 31853117440}},
       {{512, 2899926581248}, {2048, 12834789916672}, {4096, 28967492386816}},
       {}},
  };
  return kModels;
}

}  // namespace moe::test

// Lists of items: numbers, JSON, and lists that count in an order of their own.
#include "eval/run/items.h"

#include "tests/eval/fixtures.h"

namespace moe::eval {
namespace {

using ::testing::ElementsAre;
using testing::fault_of;
using ::testing::HasSubstr;
using testing::TempDir;

std::vector<Doc> docs_asking(const std::vector<std::string>& questions) {
  std::vector<Doc> docs;
  for (const std::string& question : questions) {
    docs.emplace_back();
    docs.back().id = docs.size() - 1;
    docs.back().question = question;
  }
  return docs;
}

const std::vector<Doc> kDocs = docs_asking({"Why?", "Why? Because", "How  many\neggs?", "Who?"});

std::vector<std::size_t> chosen(const std::string& text) {
  const TempDir directory;
  return resolve_items(read_items(directory.write("list", text)), kDocs, "--items");
}

TEST(Items, AreNumbersInAnyShape) {
  EXPECT_THAT(chosen("2\n0\n3"), ElementsAre(2, 0, 3));
  EXPECT_THAT(chosen("2, 0,3\n"), ElementsAre(2, 0, 3));
  EXPECT_THAT(chosen("[2, 0]"), ElementsAre(2, 0));
  EXPECT_THAT(chosen("{\"doc_id\": 3}\n\n{\"sample_id\": 1}\n"), ElementsAre(3, 1));
  EXPECT_THAT(chosen("1 1 2 1"), ElementsAre(1, 2)) << "each once";
}

TEST(Items, AQuestionDecidesOverANumberOfAnotherOrder) {
  EXPECT_THAT(chosen(R"({"sample_id": 0, "question": "How many eggs?\nA. one\nB. two"})"), ElementsAre(2));
  EXPECT_THAT(chosen(R"({"sample_id": 99, "question": "Who?"})"), ElementsAre(3));
  EXPECT_THAT(chosen(R"([{"question": "Why? Because\nA. so"}])"), ElementsAre(1)) << "the longest that fits";
  EXPECT_THAT(chosen(R"([{"question": "Why?\nA. so"}])"), ElementsAre(0));
}

TEST(Items, FaultsNameTheListAndThePlace) {
  EXPECT_THAT(fault_of([] { chosen("4"); }), HasSubstr("--items, item 1: expected ids below 4, found 4"));
  EXPECT_THAT(fault_of([] { chosen("1 x"); }), HasSubstr("item 2"));
  EXPECT_THAT(fault_of([] { chosen(" \n"); }), HasSubstr("found none"));
  EXPECT_THAT(fault_of([] { chosen("[]"); }), HasSubstr("found none"));
  EXPECT_THAT(fault_of([] { chosen("[1, -2]"); }), HasSubstr("item 2"));
  EXPECT_THAT(fault_of([] { chosen("{\"id\": 3}"); }), HasSubstr("line 1"));
  EXPECT_THAT(fault_of([] { chosen(R"({"sample_id": 0, "question": "Whence?"})"); }),
              HasSubstr("a question of the data"));
}

// The study's own lists: three count as the public files do, TruthfulQA's counts in a shuffled order.
TEST(Items, TheStudysListsFindTheirRows) {
  SKIP_WITHOUT_SHARED_DATA();
  const std::string shared = testing::shared_data();
  const TaskRegistry registry;
  for (const auto& [task, list] :
       std::vector<std::pair<std::string, std::string>>{{"arc_challenge", "arc_challenge"},
                                                        {"gsm8k", "gsm8k"},
                                                        {"math_l1_3", "math_l1_l3"},
                                                        {"truthfulqa_mc1", "truthfulqa_mc1"}}) {
    const Task& found = registry.find(task);
    const Dataset data = load_split(found.dataset, found.eval_split, {shared});
    const std::vector<ItemChoice> choices = read_items(shared + "/study_a/items_238/" + list + ".jsonl");
    const std::vector<std::size_t> ids = resolve_items(choices, data.docs, list);
    EXPECT_EQ(ids.size(), 238u) << task;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(choices[i].question.rfind(data.docs[ids[i]].question, 0), 0u) << task << ' ' << i;
      if (task != "truthfulqa_mc1") {
        EXPECT_EQ(ids[i], *choices[i].id) << task;
      }
    }
  }
}

}  // namespace
}  // namespace moe::eval

// Scoring: the choice with the highest likelihood, or the answer that extractors read out of a response.
#include <algorithm>
#include <cctype>
#include <cmath>

#include "engine/base/utf8.h"
#include "eval/extract/extractor.h"
#include "eval/grade/grade.h"
#include "eval/run/record.h"
#include "eval/util/pattern.h"

namespace moe::eval {
namespace {

Reading best_choice(const std::string& metric, const Doc& doc, const std::vector<double>& loglikelihoods) {
  std::vector<double> scores = loglikelihoods;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const std::string& choice = doc.choices[i];
    if (metric == "acc_norm") scores[i] /= static_cast<double>(utf8::count(choice));  // code points, as Python's len
    if (metric == "acc_bytes") scores[i] /= static_cast<double>(choice.size());
  }
  const double best = *std::max_element(scores.begin(), scores.end());
  if (std::count(scores.begin(), scores.end(), best) != 1) return {metric, "", "tie", false};
  const auto place = static_cast<std::size_t>(std::find(scores.begin(), scores.end(), best) - scores.begin());
  return {metric, letter(place), "highest", static_cast<int>(place) == doc.gold};
}

// lm_eval's regex filter: the chosen match's first group that is not empty, stripped.
Reading by_pattern(const ExtractorSpec& spec, const MatchSpec& match, const std::string& text, const std::string& target) {
  const Pattern pattern(spec.pattern, "extractor", spec.name);
  const auto found = pattern.find_all(text);
  Reading reading{spec.name, "", "", false};
  if (found.empty()) return reading;
  for (const std::string& group : spec.last ? found.back() : found.front()) {
    if (group.empty()) continue;
    reading.value = stripped(group);
    reading.rule = "pattern";
    break;
  }
  if (reading.rule.empty()) return reading;
  const auto normal = [&](std::string side) {
    for (const std::string& ignored : match.ignore) side = Pattern(ignored, "match", "ignore").remove_all(side);
    std::string out;
    for (const char c : side) {
      if (match.ignore_punctuation && std::ispunct(static_cast<unsigned char>(c)) != 0) continue;
      out += match.ignore_case ? static_cast<char>(std::tolower(static_cast<unsigned char>(c))) : c;
    }
    return out;
  };
  reading.correct = normal(reading.value) == normal(target);
  return reading;
}

}  // namespace

bool all_choices_tie(const JobResult& result) {
  const std::vector<double>& scores = result.loglikelihoods;
  return scores.size() > 1 && std::all_of(scores.begin(), scores.end(), [&](double score) { return score == scores[0]; });
}

std::vector<Reading> read_answers(const Task& task, const Strategy& strategy, const Doc& doc, const JobResult& result,
                                  const std::vector<ExtractorSpec>& extractors) {
  std::vector<Reading> readings;
  if (strategy.kind == Kind::loglikelihood) {
    for (const std::string& metric : strategy.metrics) readings.push_back(best_choice(metric, doc, result.loglikelihoods));
    return readings;
  }
  Question question;
  question.task = task.name;
  question.kind = answer_kind_from_name(strategy.answer_kind);
  for (std::size_t i = 0; i < doc.choices.size(); ++i) question.labels.push_back(letter(i));
  question.options = doc.choices;
  Response response;
  response.text = result.response;
  response.answer = result.answer;
  response.thought_unclosed = result.thought_unclosed;
  response.truncated = result.finish_reason == "length" || result.finish_reason == "context";
  for (const ExtractorSpec& spec : extractors) {
    if (spec.chain.empty()) {
      // An unfinished thought has no answer to read.
      readings.push_back(response.thought_unclosed ? Reading{spec.name, "", "", false}
                                                   : by_pattern(spec, strategy.match, result.answer, doc.target));
      continue;
    }
    const Scored scored = score(find_chain(spec.chain), question, response, doc.target);
    readings.push_back({spec.name, scored.extraction.value, scored.extraction.rule, scored.correct()});
  }
  return readings;
}

}  // namespace moe::eval

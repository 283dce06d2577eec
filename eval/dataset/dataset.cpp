// Finding and loading a split; balancing the place of the right choice.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <numeric>

#include "engine/base/error.h"
#include "eval/dataset/doc.h"
#include "eval/prompt/python_random.h"
#include "engine/base/sha256.h"
#include "eval/util/text_file.h"

namespace moe::eval {
namespace {

std::string find_file(const DatasetSpec& spec, const std::string& split, const std::vector<std::string>& directories) {
  std::string searched;
  for (const std::string& directory : directories) {
    searched += (searched.empty() ? "" : ", ") + directory;
    for (const std::string& name : spec.splits.at(split).files) {
      for (const std::string& base : {directory + "/" + spec.name + "/" + name, directory + "/" + name}) {
        for (const std::string& path : {base, base + ".gz"}) {
          std::error_code ignored;
          if (std::filesystem::is_regular_file(path, ignored)) return path;
        }
      }
    }
  }
  std::string names;
  for (const std::string& name : spec.splits.at(split).files) names += (names.empty() ? "" : " or ") + name;
  throw Error(ErrorKind::io,
              Fault{"", fmt::format("data of {} ({} split)", spec.name, split),
                    fmt::format("{} below a directory given by --data or MOE_DATA (get it from {})", names, spec.source),
                    searched.empty() ? "no directory given" : "no such file below " + searched});
}

bool wanted(const DatasetSpec& spec, const Doc& doc, const std::string& file) {
  for (const auto& [field, values] : spec.where) {
    const auto found = doc.fields.find(field);
    if (found == doc.fields.end()) {
      throw Error(ErrorKind::config, Fault{file, "where", "a field of the documents", "\"" + field + "\""});
    }
    if (std::find(values.begin(), values.end(), found->second) == values.end()) return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> data_directories(const std::string& flag) {
  std::vector<std::string> out;
  const char* variable = std::getenv("MOE_DATA");
  for (const std::string& list : {flag, std::string(variable != nullptr ? variable : "")}) {
    for (std::size_t at = 0; at < list.size();) {
      const std::size_t end = std::min(list.find(':', at), list.size());
      if (end > at) out.push_back(list.substr(at, end - at));
      at = end + 1;
    }
  }
  return out;
}

Dataset load_split(const DatasetSpec& spec, const std::string& split, const std::vector<std::string>& directories) {
  if (spec.splits.count(split) == 0) {
    throw Error(ErrorKind::config, Fault{"", "split of " + spec.name, "a split its task file names", "\"" + split + "\""});
  }
  Dataset data;
  data.file = find_file(spec, split, directories);
  const std::string text = read_text_file(data.file);
  data.hash = sha256_hex(text);
  std::vector<Doc> docs = parse_rows(spec, text, data.file);
  data.rows_in_file = docs.size();
  const std::optional<std::size_t> published = spec.splits.at(split).rows;
  if (published && *published != docs.size()) {
    data.warnings.push_back(
        fmt::format("{}: {} rows, where the published file has {}", data.file, docs.size(), *published));
  }
  for (Doc& doc : docs) {
    if (!wanted(spec, doc, data.file)) continue;
    doc.id = data.docs.size();
    doc.hash = sha256_hex(doc.json);
    data.docs.push_back(std::move(doc));
  }
  if (data.docs.empty()) {
    throw Error(ErrorKind::format, Fault{data.file, "rows", "at least one the task wants",
                                         fmt::format("{} rows, none of them", data.rows_in_file)});
  }
  return data;
}

void counterbalance(std::vector<Doc>& docs, std::uint64_t seed) {
  // The generator is specified to the bit (Python's), so that a recorded seed means the same order everywhere.
  PythonRandom places(seed);
  std::map<std::size_t, std::vector<std::size_t>> left;  // number of choices -> places of gold still to be given
  for (Doc& doc : docs) {
    const std::size_t n = doc.choices.size();
    if (n < 2 || doc.gold < 0) continue;
    std::vector<std::size_t>& pool = left[n];
    if (pool.empty()) {
      pool.resize(n);
      std::iota(pool.begin(), pool.end(), std::size_t{0});
      places.shuffle(pool);
    }
    const std::size_t place = pool.back();
    pool.pop_back();
    std::vector<std::size_t> order;  // new position -> old
    for (std::size_t i = 0; i < n; ++i) {
      if (i != static_cast<std::size_t>(doc.gold)) order.push_back(i);
    }
    places.shuffle(order);
    order.insert(order.begin() + static_cast<std::ptrdiff_t>(place), static_cast<std::size_t>(doc.gold));
    std::vector<std::string> choices;
    for (const std::size_t old : order) choices.push_back(doc.choices[old]);
    doc.choices = std::move(choices);
    doc.gold = static_cast<int>(place);
    doc.target = letter(place);
    if (doc.fields.count("label") != 0) doc.fields["label"] = doc.labels[place];
  }
}

}  // namespace moe::eval

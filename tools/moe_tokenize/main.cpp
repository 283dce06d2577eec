// moe-tokenize: text on stdin to token ids, pieces and counts, and ids back to text.
#include <fmt/format.h>

#include <charconv>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/base/utf8.h"
#include "engine/text/tokenizer.h"
#include "tools/common/program.h"

namespace {

using nlohmann::json;

struct Options {
  std::string model;
  bool json = false, no_special = false, decode = false;
};

constexpr auto keep_going = json::error_handler_t::replace;

std::vector<std::int32_t> read_ids(const json& line, const std::string& thing) {
  if (!line.is_array())
    throw moe::Error(moe::ErrorKind::format,
                     moe::Fault{"stdin", thing, "a JSON array of ids", line.type_name()});
  std::vector<std::int32_t> ids;
  for (const json& id : line) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > INT32_MAX)
      throw moe::Error(moe::ErrorKind::format, moe::Fault{"stdin", thing, "ids from 0 to 2147483647",
                                                          id.dump(-1, ' ', false, keep_going)});
    ids.push_back(static_cast<std::int32_t>(id.get<std::uint64_t>()));
  }
  return ids;
}

json pieces_of(const moe::Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  json pieces = json::array();
  for (const std::int32_t id : ids) pieces.push_back(tokenizer.piece(id));
  return pieces;
}

// A table of one text's tokens: each id, and its piece as the vocabulary spells it.
void print_tokens(const moe::Tokenizer& tokenizer, const std::vector<std::int32_t>& ids, std::size_t bytes) {
  for (const std::int32_t id : ids)
    fmt::print("{:>8}  {}{}\n", id, json(tokenizer.piece(id)).dump(-1, ' ', false, keep_going),
               tokenizer.is_special(id) ? "  special" : "");
  fmt::print("{} tokens, {} bytes{}\n", ids.size(), bytes,
             ids.empty() ? ""
                         : fmt::format(", {:.2f} bytes a token",
                                       static_cast<double>(bytes) / static_cast<double>(ids.size())));
}

// The four digits of a \u escape at `at`; 0 where there is none.
unsigned escaped_unit(std::string_view text, std::size_t at) {
  unsigned unit = 0;
  if (text.size() < at + 6 || text[at] != '\\' || text[at + 1] != 'u') return 0;
  const char* const end = text.data() + at + 6;
  return std::from_chars(end - 4, end, unit, 16).ptr == end ? unit : 0;
}

// Text that is no Unicode is read as encode() reads it, so that one odd line does not end a long list: U+FFFD stands
// for bytes that are not UTF-8, and for escaped halves of surrogate pairs (Python's surrogateescape writes them).
void make_unicode(std::string& line) {
  if (moe::utf8::valid_prefix(line) != line.size()) line = moe::utf8::replace_invalid(line);
  for (std::size_t at = line.find('\\'); at != std::string::npos; at = line.find('\\', at)) {
    const unsigned unit = escaped_unit(line, at), next = escaped_unit(line, at + 6);
    const bool pair = unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 && next < 0xe000;
    if (unit >= 0xd800 && unit < 0xe000 && !pair) line.replace(at + 2, 4, "fffd");
    at += pair ? 12 : 2;
  }
}

void run_json(const moe::Tokenizer& tokenizer, const Options& options) {
  std::string line;
  for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
    const std::string thing = fmt::format("line {}", number);
    make_unicode(line);
    const json value = moe::parse_json(line, "stdin, " + thing);
    json out;
    if (options.decode) {
      out["text"] = tokenizer.decode(read_ids(value, thing));
    } else {
      if (!value.is_string())
        throw moe::Error(moe::ErrorKind::format,
                         moe::Fault{"stdin", thing, "a JSON string", value.type_name()});
      const auto ids = tokenizer.encode(value.get_ref<const std::string&>(), !options.no_special);
      out["ids"] = ids;
      out["pieces"] = pieces_of(tokenizer, ids);
    }
    // ASCII only: U+0085 and U+2028 end a line for some readers.
    std::cout << out.dump(-1, ' ', true, keep_going) << '\n';
    // One answer for each line at once, for programs that hold a conversation through pipes.
    if (!std::cin.rdbuf()->in_avail()) std::cout.flush();
  }
}

void run_plain(const moe::Tokenizer& tokenizer, const Options& options) {
  const std::string text((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
  if (!options.decode)
    return print_tokens(tokenizer, tokenizer.encode(text, !options.no_special), text.size());
  // Ids with commas, spaces or brackets between, as one would paste them.
  std::string list = text;
  for (char& c : list)
    if (c == ',' || c == '[' || c == ']') c = ' ';
  json ids = json::array();
  std::istringstream words(list);
  for (std::string word; words >> word;) ids.push_back(moe::parse_json(word, "stdin"));
  fmt::print("{}\n", tokenizer.decode(read_ids(ids, "ids")));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const moe::tools::Program program{
      "moe-tokenize", "Shows how a model's tokenizer reads text: reads stdin, prints ids, pieces and counts.",
      "Examples:\n"
      "  echo -n 'Hello world' | moe-tokenize ~/models/Qwen3-8B\n"
      "      one line a token (id, piece as the vocabulary spells it), then the count\n"
      "  moe-tokenize MODEL --no-special < prompt.txt\n"
      "      without the BOS or EOS that the tokenizer puts around a text\n"
      "  echo '9707 1879' | moe-tokenize MODEL --decode\n"
      "      ids back to text, special tokens kept\n"
      "  moe-tokenize MODEL --json < lines.jsonl\n"
      "      each line a JSON string; answers one object a line: {\"ids\": [...], \"pieces\": [...]}\n"
      "  moe-tokenize MODEL --json --decode < ids.jsonl\n"
      "      each line a JSON array of ids; answers {\"text\": \"...\"}\n"
      "\n"
      "Ids are those of the `tokenizers` library for tokenizer.json. Added tokens in the text, such as "
      "<|im_end|>,\n"
      "become their ids with and without --no-special. Bytes that are not UTF-8, and\n"
      "escaped halves of surrogate pairs, count as U+FFFD.\n"
      "Exit codes: 0 done, 1 failure (one line on stderr), 2 usage.\n"};
  return moe::tools::run_program(
      program, argc, argv,
      [&](CLI::App& app) {
        app.add_option("model", options.model,
                       "A model directory that holds tokenizer.json, or the file itself")
            ->required()
            ->type_name("MODEL");
        app.add_flag("--json", options.json, "JSON in, JSON out, one line for each text");
        app.add_flag("--no-special", options.no_special, "Add no special tokens around the text");
        app.add_flag("--decode", options.decode, "Ids to text");
      },
      [&](CLI::App&) {
        const auto tokenizer = moe::Tokenizer::load(options.model, moe::Tokenizer::Config::ignore);
        std::ios::sync_with_stdio(false);
        if (options.json)
          run_json(*tokenizer, options);
        else
          run_plain(*tokenizer, options);
        std::cout.flush();
        return moe::tools::kDone;
      });
}

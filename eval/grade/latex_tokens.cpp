// Splitting an answer into tokens.
#include "eval/grade/latex_tokens.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "eval/extract/scan.h"

namespace moe::eval {
namespace {

using Kind = Token::Kind;
using Words = std::set<std::string, std::less<>>;

// Commands that only dress what follows.
const Words& dressing() {
  static const Words set = {
      "left",      "right",   "big",        "Big",      "bigl",         "bigr",      "Bigl",    "Bigr",
      "bigg",      "Bigg",    "biggl",      "biggr",    "displaystyle", "textstyle", "quad",    "qquad",
      "limits",    "boxed",   "fbox",       "mathbf",   "boldsymbol",   "bold",      "bf",      "mathit",
      "underline", "mathcal", "thinspace",  "hspace",   "phantom",      "mathop",    "hfill",   "nolimits",
      "it",        "rm",      "ensuremath", "vphantom", "middle",       "enspace",   "nobreak", "allowbreak"};
  return set;
}

const Words& text_commands() {
  static const Words set = {"text", "mbox",   "textbf",     "textit", "textrm", "mathrm", "operatorname",
                            "hbox", "texttt", "textnormal", "mathsf", "emph",   "mathtt"};
  return set;
}

// Names that mean the same with and without a backslash.
const std::map<std::string, std::string, std::less<>>& named() {
  static const std::map<std::string, std::string, std::less<>> map = {
      {"pi", "pi"},       {"infty", "infty"}, {"infinity", "infty"}, {"inf", "infty"},
      {"oo", "infty"},    {"sqrt", "sqrt"},   {"sin", "sin"},        {"cos", "cos"},
      {"tan", "tan"},     {"cot", "cot"},     {"sec", "sec"},        {"csc", "csc"},
      {"arcsin", "asin"}, {"arccos", "acos"}, {"arctan", "atan"},    {"asin", "asin"},
      {"acos", "acos"},   {"atan", "atan"},   {"sinh", "sinh"},      {"cosh", "cosh"},
      {"tanh", "tanh"},   {"log", "log"},     {"ln", "ln"},          {"exp", "exp"},
      {"frac", "frac"},   {"abs", "abs"},     {"pm", "pm"},          {"mp", "mp"},
      {"cup", "cup"},     {"cap", "cap"},     {"binom", "binom"},    {"emptyset", "emptyset"}};
  return map;
}

const std::map<std::string, std::string, std::less<>>& commands() {
  static const std::map<std::string, std::string, std::less<>> map = {
      {"dfrac", "frac"},        {"tfrac", "frac"},
      {"cfrac", "frac"},        {"dbinom", "binom"},
      {"tbinom", "binom"},      {"varnothing", "emptyset"},
      {"setminus", "setminus"}, {"backslash", "setminus"},
      {"overline", "overline"}, {"overrightarrow", "overline"},
      {"vec", "overline"},      {"begin", "begin"},
      {"end", "end"},           {"lfloor", "lfloor"},
      {"rfloor", "rfloor"},     {"lceil", "lceil"},
      {"rceil", "rceil"},       {"langle", "langle"},
      {"rangle", "rangle"},     {"ldots", "dots"},
      {"dots", "dots"},         {"cdots", "dots"},
      {"dotsc", "dots"},        {"prime", "prime"},
      {"over", "over"},         {"bigcup", "cup"},
      {"bigcap", "cap"},        {"plusmn", "pm"}};
  return map;
}

const std::map<std::string, std::string, std::less<>>& marks() {
  static const std::map<std::string, std::string, std::less<>> map = {
      {"cdot", "*"},     {"times", "*"},    {"ast", "*"},      {"div", "/"},    {"lvert", "|"},
      {"rvert", "|"},    {"vert", "|"},     {"mid", "|"},      {"colon", ":"},  {"circ", "deg"},
      {"degree", "deg"}, {"lbrace", "\\{"}, {"rbrace", "\\}"}, {"lbrack", "["}, {"rbrack", "]"},
      {"lparen", "("},   {"rparen", ")"},   {"bullet", "*"},   {"percent", "%"}};
  return map;
}

const std::map<std::string, std::string, std::less<>>& relations() {
  static const std::map<std::string, std::string, std::less<>> map = {
      {"le", "<="},        {"leq", "<="},       {"leqslant", "<="}, {"ge", ">="}, {"geq", ">="},
      {"geqslant", ">="},  {"lt", "<"},         {"gt", ">"},        {"ne", "!="}, {"neq", "!="},
      {"in", "in"},        {"approx", "~"},     {"equiv", "="},     {"sim", "~"}, {"to", "~"},
      {"rightarrow", "~"}, {"Rightarrow", "~"}, {"implies", "~"}};
  return map;
}

// Greek letters that answers use as symbols.
const Words& greek() {
  static const Words set = {"alpha", "beta",  "gamma",    "delta", "epsilon", "varepsilon", "zeta",
                            "eta",   "theta", "vartheta", "iota",  "kappa",   "lambda",     "mu",
                            "nu",    "xi",    "rho",      "sigma", "tau",     "phi",        "varphi",
                            "chi",   "psi",   "omega",    "Gamma", "Delta",   "Theta",      "Lambda",
                            "Xi",    "Sigma", "Phi",      "Psi",   "Omega",   "ell"};
  return set;
}

// Short words that are not products of letters.
const Words& short_words() {
  static const Words set = {"yes", "no",   "odd", "red",  "one", "two",  "six",  "ten",  "cm",  "mm",
                            "km",  "kg",   "ft",  "mph",  "lb",  "lbs",  "oz",   "mi",   "sq",  "hr",
                            "hrs", "min",  "sec", "am",   "pm",  "none", "dne",  "not",  "all", "the",
                            "cup", "cups", "day", "days", "way", "ways", "inch", "feet", "gm"};
  return set;
}

// What people type in place of LaTeX.
constexpr std::array<std::pair<std::string_view, std::string_view>, 36> kUnicode = {{
    {"\u2212", "-"},           {"\u2013", "-"},         {"\u00d7", "*"},         {"\u00b7", "*"},
    {"\u22c5", "*"},           {"\u00f7", "/"},         {"\u2044", "/"},         {"\u2215", "/"},
    {"\u2264", "\\le "},       {"\u2265", "\\ge "},     {"\u2260", "\\ne "},     {"\u03c0", "\\pi "},
    {"\u221e", "\\infty "},    {"\u221a", "\\sqrt "},   {"\u00b0", "\\degree "}, {"\u222a", "\\cup "},
    {"\u2229", "\\cap "},      {"\u2208", "\\in "},     {"\u00b1", "\\pm "},     {"\u2205", "\\emptyset "},
    {"\u211d", "\\mathbb{R}"}, {"\u00b2", "^2"},        {"\u00b3", "^3"},        {"\u00bd", "\\frac12 "},
    {"\u00bc", "\\frac14 "},   {"\u00be", "\\frac34 "}, {"\u2153", "\\frac13 "}, {"\u2154", "\\frac23 "},
    {"\u03b8", "\\theta "},    {"\u03b1", "\\alpha "},  {"\u03b2", "\\beta "},   {"\u00a0", " "},
    {"\u2009", " "},           {"\u202f", " "},         {"\u00a3", ""},          {"\u20ac", ""},
}};

std::string to_latex(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    bool replaced = false;
    if (static_cast<unsigned char>(text[at]) >= 0x80) {
      for (const auto& [from, to] : kUnicode) {
        if (text.substr(at, from.size()) != from) continue;
        out += to;
        at += from.size();
        replaced = true;
        break;
      }
    }
    if (!replaced) out += text[at++];
  }
  return out;
}

class Tokenizer {
 public:
  Tokenizer(std::string text, bool comma_lists)
      : owned_(std::move(text)), text_(owned_), comma_lists_(comma_lists) {}

  Tokens run() {
    while (at_ < text_.size()) step();
    return std::move(out_);
  }

 private:
  void add(Kind kind, std::string text) {
    if (out_.list.size() >= 2000) throw NotReadable{};
    out_.list.push_back({kind, std::move(text), space_});
    space_ = false;
  }

  void step() {
    const char c = text_[at_];
    if (is_ascii_digit(c) || (c == '.' && digit_at(at_ + 1))) return number();
    if (c == '\\') return command();
    if (is_ascii_letter(c)) return word();
    if (is_space(code_point_at(text_, at_).value) || c == '~') {
      space_ = true;
      at_ += code_point_at(text_, at_).bytes;
      return;
    }
    if (c == '$' || c == '"' || c == '`') {
      ++at_;
      return;
    }
    if (c == '<' || c == '>' || c == '=' || (c == '!' && text_.substr(at_, 2) == "!=")) return relation();
    if (text_.substr(at_, 3) == "{,}") throw NotReadable{};  // only between digits, where number() takes it
    if (c == '*' && text_.substr(at_, 2) == "**") {
      at_ += 2;
      return add(Kind::mark, "^");
    }
    constexpr std::string_view kMarks = "()[]{}|,;:+-*/^_!&%'";
    if (kMarks.find(c) == std::string_view::npos) {
      if (c == '.' || c == '?') {  // a full stop at the end of an answer
        ++at_;
        if (strip(text_.substr(at_)).empty()) return;
      }
      throw NotReadable{};
    }
    if (c == '(' || c == '[') ++depth_;
    if (c == ')' || c == ']') depth_ = std::max(0, depth_ - 1);
    ++at_;
    add(Kind::mark, std::string(1, c));
  }

  bool digit_at(std::size_t at) const { return at < text_.size() && is_ascii_digit(text_[at]); }

  bool three_digits(std::size_t at) const {
    return digit_at(at) && digit_at(at + 1) && digit_at(at + 2) && !digit_at(at + 3);
  }

  // Length of a thousands separator at `at` that three digits follow, or 0.
  std::size_t separator(std::size_t at) {
    for (const std::string_view mark : {"{,}", ",\\!", "\\!,\\!", "\\,", "\\!", ",\\,", "{,}\\!", "\\;"}) {
      if (text_.substr(at, mark.size()) == mark && three_digits(at + mark.size())) return mark.size();
    }
    if (!comma_lists_ && depth_ == 0 && at < text_.size() && text_[at] == ',' && three_digits(at + 1)) {
      out_.comma_read_as_separator = true;
      return 1;
    }
    return 0;
  }

  void number() {
    std::string digits;
    while (digit_at(at_)) digits += text_[at_++];
    if (!digits.empty() && digits.size() <= 3 && !(digits.size() > 1 && digits[0] == '0')) {
      for (std::size_t skip = separator(at_); skip > 0; skip = separator(at_)) {
        digits += text_.substr(at_ + skip, 3);
        at_ += skip + 3;
      }
    }
    if (at_ < text_.size() && text_[at_] == '.' &&
        (digit_at(at_ + 1) || text_.substr(at_ + 1, 10) == "\\overline{")) {
      digits += text_[at_++];
      while (digit_at(at_)) digits += text_[at_++];
    } else if (at_ < text_.size() && text_[at_] == '.' && at_ + 1 < text_.size() &&
               strip(text_.substr(at_ + 1)).empty()) {
      ++at_;
    }
    // 1.5e3, but not the product 2e: the exponent's digits must follow at once.
    if (at_ < text_.size() && lower_ascii(text_[at_]) == 'e') {
      std::size_t next = at_ + 1;
      if (next < text_.size() && (text_[next] == '-' || text_[next] == '+')) ++next;
      if (digit_at(next)) {
        std::string power(text_.substr(at_ + 1, next - at_ - 1));
        while (digit_at(next)) power += text_[next++];
        digits += 'e' + power;
        at_ = next;
      }
    }
    if (digits.size() > 400) throw NotReadable{};
    add(Kind::number, digits);
  }

  // The braced argument at at_, raw; empty if there is none.
  std::string braced() {
    std::size_t open = skip_space(text_, at_);
    if (open >= text_.size() || text_[open] != '{') return {};
    int depth = 0;
    for (std::size_t at = open; at < text_.size(); ++at) {
      if (text_[at] == '\\') {
        ++at;
      } else if (text_[at] == '{') {
        ++depth;
      } else if (text_[at] == '}' && --depth == 0) {
        at_ = at + 1;
        return std::string(strip(text_.substr(open + 1, at - open - 1)));
      }
    }
    throw NotReadable{};
  }

  void command() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && is_ascii_letter(text_[end])) ++end;
    if (end == at_ + 1) {
      const char c = end < text_.size() ? text_[end] : ' ';
      at_ = std::min(text_.size(), end + 1);
      if (c == '{' || c == '}') {
        depth_ = std::max(0, depth_ + (c == '{' ? 1 : -1));
        return add(Kind::mark, std::string("\\") + c);
      }
      if (c == '\\') return add(Kind::mark, "\\\\");
      if (c == '%') return add(Kind::mark, "%");
      if (c == '|') return add(Kind::mark, "|");
      space_ = true;  // \, \; \! \: \$ \( \) \[ \] and a backslash before a space
      return;
    }
    const std::string name(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end;
    if (name == "left" || name == "right") {
      const std::size_t next = skip_space(text_, at_);
      if (next < text_.size() && text_[next] == '.') at_ = next + 1;  // an invisible bracket
      return;
    }
    if (name == "hspace" || name == "phantom" || name == "vphantom") {
      braced();
      return;
    }
    if (dressing().count(name) > 0) return;
    if (text_commands().count(name) > 0) return words(braced());
    if (name == "mathbb") {
      const std::string set = braced();
      return add(Kind::command, set == "R" ? std::string("reals") : std::string("mathbb").append(set));
    }
    if (name == "begin" || name == "end") {
      add(Kind::command, name);
      out_.list.back().text.append(":").append(braced());
      depth_ = std::max(0, depth_ + (name == "begin" ? 1 : -1));
      return;
    }
    if (const auto it = marks().find(name); it != marks().end()) return add(Kind::mark, it->second);
    if (const auto it = relations().find(name); it != relations().end())
      return add(Kind::relation, it->second);
    if (const auto it = named().find(name); it != named().end()) return add(Kind::command, it->second);
    if (const auto it = commands().find(name); it != commands().end()) {
      if (name == "langle") ++depth_;
      return add(Kind::command, it->second);
    }
    if (greek().count(name) > 0) return add(Kind::symbol, std::string("\\").append(name));
    throw NotReadable{};
  }

  // Words from \text{...} or plain text.
  void words(const std::string& content) {
    const std::string lower = lower_ascii(content);
    if (content.empty()) return;
    if (lower == "and" || lower == "or" || lower == ", and" || lower == ",")
      return add(Kind::mark, lower == "or" ? "or" : ",");
    // A lone letter: a symbol or an option's letter; after a number a unit (12 m).
    const bool after_number = !out_.list.empty() && out_.list.back().kind == Kind::number;
    if (content.size() == 1 && is_ascii_letter(content[0]) &&
        !(after_number && lower == content && lower != "i" && lower != "e")) {
      return add(Kind::symbol, content);
    }
    if (const auto it = named().find(lower); it != named().end()) return add(Kind::command, it->second);
    if (std::all_of(content.begin(), content.end(), is_ascii_digit)) return add(Kind::number, content);
    add(Kind::text, content);
  }

  void word() {
    std::size_t end = at_;
    while (end < text_.size() && is_ascii_letter(text_[end])) ++end;
    const std::string run(text_.substr(at_, end - at_));
    const std::string lower = lower_ascii(run);
    if (run.size() == 1) {
      at_ = end;
      return add(Kind::symbol, run);
    }
    if (lower == "and" || lower == "or") {
      at_ = end;
      return add(Kind::mark, lower == "or" ? "or" : ",");
    }
    if (const auto it = named().find(lower);
        it != named().end() && lower != "pm" && lower != "sec" && lower != "cup") {
      at_ = end;
      return add(Kind::command, it->second);
    }
    if (run.size() >= 4 || short_words().count(lower) > 0) {
      at_ = end;
      return add(Kind::text, run);
    }
    at_ += 1;
    add(Kind::symbol, run.substr(0, 1));
    for (const char letter : run.substr(1)) {
      ++at_;
      add(Kind::symbol, std::string(1, letter));
    }
  }

  void relation() {
    const std::string_view two = text_.substr(at_, 2);
    if (two == "<=" || two == ">=" || two == "!=" || two == "==") {
      at_ += 2;
      return add(Kind::relation, two == "==" ? "=" : std::string(two));
    }
    add(Kind::relation, std::string(1, text_[at_++]));
  }

  std::string owned_;
  std::string_view text_;
  bool comma_lists_;
  std::size_t at_ = 0;
  int depth_ = 0;  // inside brackets a bare comma separates
  bool space_ = false;
  Tokens out_;
};

}  // namespace

Tokens tokenize(std::string_view text, bool comma_lists) {
  if (text.size() > kMostAnswerBytes) throw NotReadable{};
  return Tokenizer(to_latex(text), comma_lists).run();
}

}  // namespace moe::eval

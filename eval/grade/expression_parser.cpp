// Tokens to expressions, by recursive descent.
#include "eval/grade/expression_parser.h"

#include <map>
#include <string>
#include <utility>

#include "eval/extract/scan.h"

namespace moe::eval {
namespace {

using Op = Expr::Op;
using Kind = Token::Kind;

constexpr int kDeepest = 60;

bool is_opening(const Token& token) {
  return token.is("(") || token.is("[") || token.is("{") || token.is("\\{") || token.is_command("langle") ||
         token.is_command("lfloor") || token.is_command("lceil") ||
         (token.kind == Kind::command && token.text.rfind("begin:", 0) == 0);
}

bool is_closing(const Token& token) {
  return token.is(")") || token.is("]") || token.is("}") || token.is("\\}") || token.is_command("rangle") ||
         token.is_command("rfloor") || token.is_command("rceil") ||
         (token.kind == Kind::command && token.text.rfind("end:", 0) == 0);
}

bool pairs(const Token& open, const Token& close) {
  if (open.is("(") || open.is("[")) return close.is(")") || close.is("]");
  if (open.is("{")) return close.is("}");
  if (open.is("\\{")) return close.is("\\}");
  if (open.is_command("langle")) return close.is_command("rangle");
  if (open.is_command("lfloor")) return close.is_command("rfloor");
  if (open.is_command("lceil")) return close.is_command("rceil");
  return open.kind == Kind::command && close.kind == Kind::command &&
         open.text.substr(5) == close.text.substr(3);
}

// "12", "1.5", "2e-3"; the point may be followed by nothing where a repeating part comes after it.
Rational number_of(const std::string& text) {
  const std::size_t e = text.find('e');
  std::string digits = text.substr(0, e);
  if (!digits.empty() && digits.back() == '.') digits.pop_back();
  const auto value = parse_rational(digits.empty() ? "0" : digits);
  if (!value) throw NotReadable{};
  if (e == std::string::npos) return *value;
  if (text.size() - e > 5) throw NotReadable{};
  const int power = std::stoi(text.substr(e + 1));
  const Rational scale(
      boost::multiprecision::pow(Integer(10), static_cast<unsigned>(power < 0 ? -power : power)));
  return power < 0 ? Rational(*value / scale) : Rational(*value * scale);
}

bool is_whole(const Expr& expr) {
  return expr.op == Op::number && boost::multiprecision::denominator(expr.number) == 1 && expr.number >= 0;
}

const std::map<std::string, Function, std::less<>>& functions() {
  static const std::map<std::string, Function, std::less<>> map = {
      {"sin", Function::sin},   {"cos", Function::cos},   {"tan", Function::tan},   {"cot", Function::cot},
      {"sec", Function::sec},   {"csc", Function::csc},   {"asin", Function::asin}, {"acos", Function::acos},
      {"atan", Function::atan}, {"sinh", Function::sinh}, {"cosh", Function::cosh}, {"tanh", Function::tanh},
      {"exp", Function::exp},   {"ln", Function::log},    {"log", Function::log}};
  return map;
}

class Parser {
 public:
  Parser(const TokenTree& tokens, Span span, int flip)
      : tokens_(tokens), at_(span.begin), end_(span.end), flip_(flip) {}

  Expr whole() {
    Expr out = sum();
    if (at_ != end_) throw NotReadable{};
    return out;
  }

 private:
  // Counts the recursion and undoes it on the way out.
  struct Level {
    explicit Level(int& depth_in) : depth(depth_in) {
      if (++depth > kDeepest) throw NotReadable{};
    }
    ~Level() { --depth; }
    int& depth;
  };

  bool more() const { return at_ < end_; }
  const Token& here() const { return tokens_.at(at_); }
  bool here_is(std::string_view mark) const { return more() && here().is(mark); }
  bool here_command(std::string_view name) const { return more() && here().is_command(name); }
  const Token& take() {
    if (!more()) throw NotReadable{};
    return tokens_.at(at_++);
  }

  // +1, -1, or 0 where no sign stands here.
  int sign() {
    if (!more()) return 0;
    int value = 0;
    if (here().is("+")) value = 1;
    if (here().is("-")) value = -1;
    if (here().is_command("pm")) value = flip_;
    if (here().is_command("mp")) value = -flip_;
    if ((here().is_command("pm") || here().is_command("mp")) && flip_ == 0) throw NotReadable{};
    if (value != 0) ++at_;
    return value;
  }

  Expr inside(std::size_t begin, std::size_t end) {
    const std::size_t outer_at = std::exchange(at_, begin), outer_end = std::exchange(end_, end);
    const int outer_bars = std::exchange(bars_, 0);
    Expr out = sum();
    if (at_ != end_) throw NotReadable{};
    at_ = outer_at;
    end_ = outer_end;
    bars_ = outer_bars;
    return out;
  }

  // The bracket group that begins here.
  Expr group() {
    const std::size_t open = at_, close = tokens_.partner(at_);
    if (close <= open || close >= end_) throw NotReadable{};
    Expr out = inside(open + 1, close);
    at_ = close + 1;
    return out;
  }

  Expr sum() {
    const Level level(depth_);
    std::vector<Expr> terms;
    int first = 1;
    for (int s = sign(); s != 0; s = sign()) first *= s;
    terms.push_back(product());
    if (first < 0) terms.back() = Expr::of(Op::negate, {std::move(terms.back())});
    while (more()) {
      int s = sign();
      if (s == 0) break;
      for (int again = sign(); again != 0; again = sign()) s *= again;
      Expr term = product();
      terms.push_back(s < 0 ? Expr::of(Op::negate, {std::move(term)}) : std::move(term));
    }
    return terms.size() == 1 ? std::move(terms.front()) : Expr::of(Op::add, std::move(terms));
  }

  // Whether a factor may begin here without a sign of multiplication.
  bool factor_follows() const {
    if (!more()) return false;
    const Token& token = here();
    switch (token.kind) {
      case Kind::number:
      case Kind::symbol:
        return true;
      case Kind::command: {
        static const std::map<std::string, bool, std::less<>> starts = {
            {"pi", true},  {"infty", true},  {"sqrt", true},  {"frac", true},    {"binom", true},
            {"abs", true}, {"lfloor", true}, {"lceil", true}, {"overline", true}};
        return starts.count(token.text) > 0 || functions().count(token.text) > 0;
      }
      case Kind::mark:
        return token.is("(") || token.is("[") || token.is("{") || (token.is("|") && bars_ == 0);
      default:
        return false;
    }
  }

  Expr product() {
    const Level level(depth_);
    Expr out = factor();
    while (more()) {
      if (here_is("*")) {
        ++at_;
        out = times(std::move(out), signed_factor());
      } else if (here_is("/")) {
        ++at_;
        out = Expr::of(Op::divide, {std::move(out), signed_factor()});
      } else if (factor_follows()) {
        out = times(std::move(out), factor());
      } else {
        break;
      }
    }
    return out;
  }

  static Expr times(Expr a, Expr b) {
    if (a.op == Op::multiply) {
      a.args.push_back(std::move(b));
      return a;
    }
    std::vector<Expr> args;
    args.push_back(std::move(a));
    args.push_back(std::move(b));
    return Expr::of(Op::multiply, std::move(args));
  }

  Expr signed_factor() {
    const Level level(depth_);
    const int s = sign();
    if (s == 0) return factor();
    Expr out = signed_factor();
    return s < 0 ? Expr::of(Op::negate, {std::move(out)}) : out;
  }

  // A primary with its powers, factorials, degrees and percent signs.
  Expr factor() {
    const Level level(depth_);
    Expr out = primary();
    while (more()) {
      if (here_is("^")) {
        ++at_;
        if (here_is("deg")) {
          ++at_;
          out = Expr::of(Op::degrees, {std::move(out)});
          continue;
        }
        if (here_is("{") && at_ + 2 < end_ && tokens_.at(at_ + 1).is("deg") &&
            tokens_.partner(at_) == at_ + 2) {
          at_ += 3;
          out = Expr::of(Op::degrees, {std::move(out)});
          continue;
        }
        out = Expr::of(Op::power, {std::move(out), script()});
      } else if (here_is("deg")) {
        ++at_;
        out = Expr::of(Op::degrees, {std::move(out)});
      } else if (here_is("!")) {
        ++at_;
        out = Expr::of(Op::factorial, {std::move(out)});
      } else if (here_is("%")) {
        ++at_;
        out = Expr::of(Op::divide, {std::move(out), Expr::of(Rational(100))});
      } else {
        break;
      }
    }
    return out;
  }

  // What follows ^: a group, a signed number as plain text writes it, or one token, of which a number gives
  // only its first digit (x^23 is TeX for x^{2}3; but nobody writes that, so all digits are taken).
  Expr script() {
    const Level level(depth_);
    if (here_is("{") || here_is("(")) return group();
    const int s = sign();
    Expr out = primary();
    return s < 0 ? Expr::of(Op::negate, {std::move(out)}) : out;
  }

  // An argument of \frac or \sqrt: a group, or one token; of a number only the first digit, as TeX does.
  Expr argument() {
    const Level level(depth_);
    if (here_is("{")) return group();
    if (more() && here().kind == Kind::number) {
      const std::string text = here().text;
      if (text.size() > 1 && split_ == 0 && text.find_first_of(".e") == std::string::npos) {
        split_ = 1;  // the rest of the digits stay here for the next argument
        split_rest_ = text.substr(1);
        return Expr::of(number_of(text.substr(0, 1)));
      }
      if (split_ == 1) {
        const std::string rest = std::exchange(split_rest_, {});
        split_ = 0;
        if (rest.size() == 1) {
          ++at_;
          return Expr::of(number_of(rest));
        }
        throw NotReadable{};  // \frac123: nobody means that
      }
    }
    return primary();
  }

  Expr fraction() {
    Expr top = argument();
    const bool both_in_one = split_ == 1;
    Expr bottom = argument();
    if (split_ != 0 && !both_in_one) {  // \frac{a}12: the second digit multiplies
      const std::string rest = std::exchange(split_rest_, {});
      split_ = 0;
      ++at_;
      return times(Expr::of(Op::divide, {std::move(top), std::move(bottom)}), Expr::of(number_of(rest)));
    }
    return Expr::of(Op::divide, {std::move(top), std::move(bottom)});
  }

  Expr number() {
    const std::string text = take().text;
    Expr value = Expr::of(number_of(text));
    if (text.find('.') != std::string::npos && here_command("overline"))
      return repeating(text, std::move(value));
    if (!is_whole(value) || !more()) return value;
    // A mixed number: 3\frac{1}{2}, or 3 1/2 in plain text.
    const std::size_t mark = at_;
    if (here_command("frac")) {
      ++at_;
      Expr part = fraction();
      if (part.op == Op::divide && is_whole(part.args[0]) && is_whole(part.args[1]) &&
          part.args[0].number < part.args[1].number) {
        return Expr::of(Op::add, {std::move(value), std::move(part)});
      }
      at_ = mark;
    } else if (here().kind == Kind::number && here().space && at_ + 2 < end_ && tokens_.at(at_ + 1).is("/") &&
               tokens_.at(at_ + 2).kind == Kind::number) {
      const Rational top = number_of(here().text), bottom = number_of(tokens_.at(at_ + 2).text);
      if (top >= bottom) throw NotReadable{};
      at_ += 3;
      return Expr::of(value.number + Rational(top / bottom));
    }
    return value;
  }

  // 0.1\overline{6}: the digits under the line repeat for ever.
  Expr repeating(const std::string& text, Expr value) {
    ++at_;
    if (!here_is("{") || tokens_.partner(at_) != at_ + 2 || tokens_.at(at_ + 1).kind != Kind::number)
      throw NotReadable{};
    const std::string period = tokens_.at(at_ + 1).text;
    at_ += 3;
    if (period.size() > 50 || period.find_first_not_of("0123456789") != std::string::npos)
      throw NotReadable{};
    const auto fixed = static_cast<unsigned>(text.size() - text.find('.') - 1);
    const Integer nines = boost::multiprecision::pow(Integer(10), static_cast<unsigned>(period.size())) - 1;
    const Integer shift = boost::multiprecision::pow(Integer(10), fixed);
    value.number += Rational(number_of(period)) / Rational(nines * shift);
    return value;
  }

  // \sin^2 x, \log_2 8, \sin(x), \sin 3x: the argument without brackets runs to the next sum, function or
  // bracket.
  Expr function(const std::string& name) {
    Expr exponent, base;
    bool powered = false, based = false;
    while (here_is("^") || here_is("_")) {
      const bool up = here().is("^");
      ++at_;
      (up ? exponent : base) = script();
      (up ? powered : based) = true;
    }
    Expr argument_value;
    if (here_is("(") || here_is("[") || here_is("{")) {
      argument_value = group();
    } else {
      argument_value = factor();
      while (more() && factor_follows() &&
             !(here().kind == Kind::command && functions().count(here().text) > 0) && !here_is("(") &&
             !here_is("[")) {
        argument_value = times(std::move(argument_value), factor());
      }
    }
    const bool inverse = powered && exponent.op == Op::negate && exponent.args[0].op == Op::number &&
                         exponent.args[0].number == 1;
    Expr out = Expr::of(Op::function, {});
    out.function = functions().find(name)->second;
    if (inverse) {
      powered = false;
      if (name == "sin")
        out.function = Function::asin;
      else if (name == "cos")
        out.function = Function::acos;
      else if (name == "tan")
        out.function = Function::atan;
      else
        throw NotReadable{};
    }
    out.args.push_back(std::move(argument_value));
    // \log without a base: to ten, as school writes it.
    if (name == "log" && !based) {
      base = Expr::of(Rational(10));
      based = true;
    }
    if (based) {
      if (out.function != Function::log) throw NotReadable{};
      Expr below = Expr::of(Op::function, {});
      below.function = Function::log;
      below.args.push_back(std::move(base));
      out = Expr::of(Op::divide, {std::move(out), std::move(below)});
    }
    if (powered) out = Expr::of(Op::power, {std::move(out), std::move(exponent)});
    return out;
  }

  Expr symbol() {
    const std::string name = take().text;
    std::string subscript;
    if (here_is("_")) {
      ++at_;
      if (here_is("{")) {
        for (std::size_t i = at_ + 1; i < tokens_.partner(at_); ++i) subscript += tokens_.at(i).text;
        at_ = tokens_.partner(at_) + 1;
      } else {
        subscript = take().text;
      }
      return Expr::symbol(name + "_" + subscript);
    }
    if (name == "i") return Expr::of(Op::imaginary);
    if (name == "e") return Expr::of(Op::euler);
    std::string primes;
    while (here_is("'")) {
      ++at_;
      primes += "'";
    }
    return Expr::symbol(name + primes);
  }

  Expr bars() {
    ++at_;
    const int outer = std::exchange(bars_, bars_ + 1);
    Expr inner = sum();
    bars_ = outer;
    if (!here_is("|")) throw NotReadable{};
    ++at_;
    return Expr::of(Op::absolute, {std::move(inner)});
  }

  Expr primary() {
    const Level level(depth_);
    if (!more()) throw NotReadable{};
    const Token& token = here();
    if (token.kind == Kind::number) return number();
    if (token.kind == Kind::symbol) return symbol();
    if (token.is("(") || token.is("[") || token.is("{")) {
      if (token.is("(") || token.is("[")) {  // a bracket that holds a list, or closes otherwise, is no factor
        const Token& close = tokens_.at(tokens_.partner(at_));
        if (close.is(token.is("(") ? "]" : ")")) throw NotReadable{};
      }
      return group();
    }
    if (token.is("|") && bars_ == 0) return bars();
    if (token.kind != Kind::command) throw NotReadable{};
    if (token.is_command("lfloor") || token.is_command("lceil")) {
      const Op op = token.is_command("lfloor") ? Op::floor : Op::ceiling;
      return Expr::of(op, {group()});
    }
    const std::string name = take().text;
    if (name == "pi") return Expr::of(Op::pi);
    if (name == "infty") return Expr::of(Op::infinity);
    if (name == "frac") return fraction();
    if (name == "binom") {
      Expr top = argument();
      Expr bottom = argument();
      if (split_ != 0) throw NotReadable{};
      return Expr::of(Op::binomial, {std::move(top), std::move(bottom)});
    }
    if (name == "abs") return Expr::of(Op::absolute, {group()});
    if (name == "sqrt") {
      Expr degree = Expr::of(Rational(2));
      if (here_is("[")) degree = group();
      if (here_is("(")) return Expr::of(Op::root, {group(), std::move(degree)});
      if (more() && here().kind == Kind::number) {
        // \sqrt13 in an answer is the root of thirteen.
        Expr inner = Expr::of(number_of(take().text));
        return Expr::of(Op::root, {std::move(inner), std::move(degree)});
      }
      return Expr::of(Op::root, {argument(), std::move(degree)});
    }
    if (name == "overline" && here_is("{")) {  // a segment or a conjugate: its letters as one name
      std::string letters = "overline_";
      for (std::size_t i = at_ + 1; i < tokens_.partner(at_); ++i) letters += tokens_.at(i).text;
      at_ = tokens_.partner(at_) + 1;
      return Expr::symbol(letters);
    }
    if (functions().count(name) > 0) return function(name);
    throw NotReadable{};
  }

  const TokenTree& tokens_;
  std::size_t at_, end_;
  int flip_;
  int depth_ = 0;
  int bars_ = 0;   // inside |...| a bar closes
  int split_ = 0;  // 1: the first digit of the number here was taken as an argument
  std::string split_rest_;
};

}  // namespace

TokenTree::TokenTree(std::vector<Token> tokens) : tokens_(std::move(tokens)), partner_(tokens_.size()) {
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    partner_[i] = i;
    if (is_opening(tokens_[i])) {
      open.push_back(i);
      if (open.size() > static_cast<std::size_t>(kDeepest)) throw NotReadable{};
    } else if (is_closing(tokens_[i])) {
      if (open.empty() || !pairs(tokens_[open.back()], tokens_[i])) throw NotReadable{};
      partner_[open.back()] = i;
      partner_[i] = open.back();
      open.pop_back();
    }
  }
  if (!open.empty()) throw NotReadable{};
}

Expr parse_expression(const TokenTree& tokens, Span span, int flip) {
  if (span.begin >= span.end) throw NotReadable{};
  return Parser(tokens, span, flip).whole();
}

}  // namespace moe::eval

// Tokens to mathematical objects: lists, sets, intervals, matrices, equations, words, and scalars with their
// units.
#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "eval/extract/scan.h"
#include "eval/grade/expression_parser.h"
#include "eval/grade/math_object.h"

namespace moe::eval {
namespace {

using Kind = MathObject::Kind;
using TokenKind = Token::Kind;

constexpr int kDeepest = 20;
constexpr std::size_t kMostItems = 300;

std::string letters_and_digits(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_ascii_letter(c) || is_ascii_digit(c)) out += lower_ascii(c);
  }
  return out;
}

class ObjectParser {
 public:
  explicit ObjectParser(const TokenTree& tokens) : tokens_(tokens) {}

  MathObject answer() {
    Span span{0, tokens_.size()};
    while (span.size() > 0 &&
           (at(span.end - 1).is(".") || at(span.end - 1).is(",") || at(span.end - 1).is(";")))
      --span.end;
    bool alternatives = false;
    std::vector<MathObject> items = list(span, &alternatives);
    if (items.empty()) throw NotReadable{};
    if (items.size() == 1) return std::move(items.front());
    const auto written_as_inequality = [](const MathObject& item) {
      return item.kind == Kind::region && item.inequality;
    };
    MathObject out;
    out.items = std::move(items);
    out.plain = plain(span);
    if (std::any_of(out.items.begin(), out.items.end(), written_as_inequality)) {
      // x < 2 or x > 3 is a union; x > 1 and x < 3 would be an intersection.
      const bool all = std::all_of(out.items.begin(), out.items.end(), written_as_inequality);
      out.kind = all && alternatives ? Kind::region : Kind::opaque;
      return out;
    }
    out.kind = Kind::set;
    out.bare = true;
    return out;
  }

 private:
  const Token& at(std::size_t i) const { return tokens_.at(i); }

  std::string plain(Span span) const {
    std::string out;
    for (std::size_t i = span.begin; i < span.end; ++i) {
      if (at(i).kind != TokenKind::command || at(i).text.find(':') == std::string::npos)
        out += letters_and_digits(at(i).text);
    }
    return out;
  }

  // The places outside of all brackets where `wanted` holds.
  std::vector<std::size_t> top(Span span, const std::function<bool(const Token&)>& wanted) const {
    std::vector<std::size_t> out;
    for (std::size_t i = span.begin; i < span.end; ++i) {
      if (wanted(at(i))) out.push_back(i);
      if (tokens_.opens(i)) i = tokens_.partner(i);
    }
    return out;
  }

  std::vector<Span> split(Span span, const std::vector<std::size_t>& places) const {
    std::vector<Span> out;
    std::size_t begin = span.begin;
    for (const std::size_t place : places) {
      out.push_back({begin, place});
      begin = place + 1;
    }
    out.push_back({begin, span.end});
    return out;
  }

  std::vector<MathObject> list(Span span, bool* alternatives = nullptr) {
    const auto places = top(span, [](const Token& t) { return t.is(",") || t.is(";") || t.is("or"); });
    if (alternatives)
      *alternatives =
          std::any_of(places.begin(), places.end(), [&](std::size_t i) { return at(i).is("or"); });
    std::vector<MathObject> out;
    for (const Span part : split(span, places)) {
      if (part.size() == 0) continue;
      bool signs = false;
      for (std::size_t i = part.begin; i < part.end; ++i)
        signs |= at(i).is_command("pm") || at(i).is_command("mp");
      for (const int flip : signs ? std::vector<int>{1, -1} : std::vector<int>{0}) {
        const int outer = std::exchange(flip_, flip == 0 ? flip_ : flip);
        out.push_back(item(part));
        flip_ = outer;
      }
      if (out.size() > kMostItems) throw NotReadable{};
    }
    return out;
  }

  MathObject item(Span span) {
    if (++depth_ > kDeepest) throw NotReadable{};
    MathObject out = read_item(span);
    out.plain = plain(span);
    --depth_;
    return out;
  }

  bool is_words(Span span) const {
    bool any = false;
    for (std::size_t i = span.begin; i < span.end; ++i) {
      const Token& t = at(i);
      if (t.kind == TokenKind::text)
        any = true;
      else if (t.kind != TokenKind::number && t.kind != TokenKind::symbol && t.kind != TokenKind::mark)
        return false;
    }
    return any && (at(span.begin).kind == TokenKind::text || at(span.begin).is("("));
  }

  MathObject read_item(Span span) {
    if (span.size() == 0) throw NotReadable{};
    const Token& first = at(span.begin);
    const bool wrapped = tokens_.opens(span.begin) && tokens_.partner(span.begin) == span.end - 1;
    if (wrapped && first.is("{")) return item({span.begin + 1, span.end - 1});

    const auto relations = top(span, [](const Token& t) { return t.kind == TokenKind::relation; });
    if (!relations.empty()) return relation(span, relations);
    const auto unions = top(span, [](const Token& t) {
      return t.is_command("cup") || t.is_command("cap") || t.is_command("setminus");
    });
    if (!unions.empty()) return region(span, unions);
    if (wrapped && first.kind == TokenKind::mark) return bracket(span);
    if (wrapped && first.is_command("langle")) return tuple({span.begin + 1, span.end - 1}, '(', ')');
    const auto begins = top(
        span, [](const Token& t) { return t.kind == TokenKind::command && t.text.rfind("begin:", 0) == 0; });
    if (!begins.empty()) return matrix_with_factor(span, begins);
    if (span.size() == 1 && first.is_command("emptyset")) return empty_set();
    if (span.size() == 1 && first.is_command("reals")) {
      MathObject out;
      out.kind = Kind::region;
      out.all_reals = true;
      return out;
    }
    if (is_words(span)) return words(span);
    const auto colons = top(span, [](const Token& t) { return t.is(":"); });
    if (!colons.empty()) return ratio(span, colons);
    if (auto numeral = based(span)) return *numeral;
    return scalar(span);
  }

  MathObject empty_set() const {
    MathObject out;
    out.kind = Kind::set;
    return out;
  }

  MathObject words(Span span) {
    MathObject out;
    out.kind = Kind::text;
    static const std::set<std::string> nothing = {"nosolution", "nosolutions", "norealsolution",
                                                  "norealsolutions", "emptyset"};
    if (nothing.count(plain(span)) > 0) out = empty_set();
    return out;
  }

  MathObject bracket(Span span) {
    const Span inner{span.begin + 1, span.end - 1};
    const Token& open = at(span.begin);
    const Token& close = at(span.end - 1);
    if (open.is("\\{")) {
      MathObject out;
      const bool builder = !top(inner, [](const Token& t) { return t.is("|") || t.is(":"); }).empty();
      const bool dots = !top(inner, [](const Token& t) { return t.is_command("dots"); }).empty();
      if (builder || dots) return out;
      out.kind = Kind::set;
      if (inner.size() > 0) out.items = list(inner);
      return out;
    }
    const bool several = !top(inner, [](const Token& t) { return t.is(","); }).empty();
    if (several) return tuple(inner, open.text[0], close.text[0]);
    if ((open.is("(") && close.is(")")) || (open.is("[") && close.is("]"))) return item(inner);
    throw NotReadable{};
  }

  MathObject tuple(Span inner, char open, char close) {
    MathObject out;
    out.kind = Kind::tuple;
    out.open = open;
    out.close = close;
    out.items = list(inner);
    if (out.items.empty()) throw NotReadable{};
    return out;
  }

  MathObject matrix_with_factor(Span span, const std::vector<std::size_t>& begins) {
    MathObject out;
    const std::size_t begin = begins.front(), end = tokens_.partner(begin);
    if (begins.size() > 1) return out;
    out = matrix({begin, end + 1});
    if (out.kind != Kind::matrix || end + 1 != span.end)
      return begin == span.begin && end + 1 == span.end ? out : MathObject{};
    if (begin == span.begin) return out;
    const bool minus = begin == span.begin + 1 && at(span.begin).is("-");
    const Expr factor =
        minus ? Expr::of(Rational(-1)) : parse_expression(tokens_, {span.begin, begin}, flip_);
    for (MathObject& entry : out.items) {
      if (entry.kind != Kind::scalar) return MathObject{};
      entry.value = Expr::of(Expr::Op::multiply, {factor, std::move(entry.value)});
    }
    return out;
  }

  MathObject matrix(Span span) {
    const std::string name = at(span.begin).text.substr(6);
    MathObject out;
    static const std::set<std::string> kinds = {"pmatrix", "bmatrix",     "matrix",
                                                "Bmatrix", "smallmatrix", "array"};
    if (kinds.count(name) == 0) return out;
    Span inner{span.begin + 1, span.end - 1};
    if (name == "array" && inner.size() > 0 && at(inner.begin).is("{"))
      inner.begin = tokens_.partner(inner.begin) + 1;
    for (const Span row : split(inner, top(inner, [](const Token& t) { return t.is("\\\\"); }))) {
      if (row.size() == 0) continue;
      const auto cells = split(row, top(row, [](const Token& t) { return t.is("&"); }));
      if (out.columns != 0 && cells.size() != out.columns) throw NotReadable{};
      out.columns = cells.size();
      for (const Span cell : cells) out.items.push_back(item(cell));
      if (out.items.size() > kMostItems) throw NotReadable{};
    }
    if (out.items.empty()) throw NotReadable{};
    out.kind = Kind::matrix;
    return out;
  }

  MathObject region(Span span, const std::vector<std::size_t>& places) {
    MathObject out;
    const auto parts = split(span, places);
    if (std::all_of(places.begin(), places.end(), [&](std::size_t i) { return at(i).is_command("cup"); })) {
      out.kind = Kind::region;
      for (const Span part : parts) out.items.push_back(item(part));
      return out;
    }
    if (places.size() == 1 && at(places[0]).is_command("setminus")) {
      const MathObject left = item(parts[0]);
      MathObject right = item(parts[1]);
      if (left.kind == Kind::region && left.all_reals && left.items.empty() && right.kind == Kind::set) {
        out.kind = Kind::region;
        out.all_reals = true;
        out.items = std::move(right.items);
      }
    }
    return out;
  }

  MathObject ratio(Span span, const std::vector<std::size_t>& colons) {
    MathObject out;
    out.kind = Kind::ratio;
    for (const Span part : split(span, colons)) out.items.push_back(scalar(part));
    return out;
  }

  // 1200_7, 52_{8}, -0.11_2.
  std::optional<MathObject> based(Span span) {
    const bool minus = span.size() > 3 && at(span.begin).is("-");
    const std::size_t b = span.begin + (minus ? 1 : 0), n = span.end - b;
    if (n < 3 || at(b).kind != TokenKind::number || !at(b + 1).is("_")) return std::nullopt;
    const bool braces = n == 5 && at(b + 2).is("{") && at(b + 4).is("}");
    if (n != 3 && !braces) throw NotReadable{};
    const Token& base = at(braces ? b + 3 : b + 2);
    if (base.kind != TokenKind::number || base.text.size() > 2 || base.text.find('.') != std::string::npos) {
      throw NotReadable{};
    }
    MathObject out;
    out.kind = Kind::numeral;
    out.columns = static_cast<std::size_t>(std::stoi(base.text));
    const std::string& digits = at(b).text;
    if (out.columns < 2 || digits.find_first_not_of("0123456789.") != std::string::npos) throw NotReadable{};
    if (minus) out.unit.push_back('-');
    out.unit.append(digits);
    return out;
  }

  MathObject scalar(Span span) {
    MathObject out;
    // Units and percent signs stand at the end; a unit may carry a power (cm^2).
    for (bool again = true; again && span.size() > 1;) {
      again = false;
      const Token& last = at(span.end - 1);
      if (last.kind == TokenKind::text) {
        out.unit.insert(0, letters_and_digits(last.text));
        --span.end;
        again = true;
      } else if (span.size() > 3 && last.kind == TokenKind::number && at(span.end - 2).is("^") &&
                 at(span.end - 3).kind == TokenKind::text) {
        out.unit.insert(0, letters_and_digits(at(span.end - 3).text) + last.text);
        span.end -= 3;
        again = true;
      } else if (span.size() > 5 && last.is("}") && at(span.end - 4).is("^") &&
                 at(span.end - 5).kind == TokenKind::text) {
        out.unit.insert(0, letters_and_digits(at(span.end - 5).text) + at(span.end - 2).text);
        span.end -= 5;
        again = true;
      } else if (span.size() > 1 && last.is("/") && !out.unit.empty()) {
        out.unit.insert(0, "per");  // miles/hour
        --span.end;
        again = true;
      } else if (last.is("%") && !out.percent) {
        out.percent = true;
        --span.end;
        again = true;
      }
    }
    out.kind = Kind::scalar;
    out.value = parse_expression(tokens_, span, flip_);
    if (out.unit == "percent") {
      out.percent = true;
      out.unit.clear();
    }
    if (out.unit == "degree" || out.unit == "degrees") {
      out.value = Expr::of(Expr::Op::degrees, {std::move(out.value)});
      out.unit.clear();
    }
    return out;
  }

  // A name that an equation gives to its other side: x, f(x), (x,y), \text{Area}, x_1.
  bool is_name(Span span) const {
    if (span.size() == 0) return false;
    std::size_t i = span.begin;
    if (at(i).is("(") && tokens_.partner(i) == span.end - 1) {
      for (++i; i + 1 < span.end; ++i) {
        if (at(i).kind != TokenKind::symbol && !at(i).is(",")) return false;
      }
      return true;
    }
    if (at(i).kind == TokenKind::text) return true;
    if (at(i).kind != TokenKind::symbol) return at(i).is_command("overline");
    ++i;
    if (i < span.end && at(i).is("_")) i = tokens_.partner(i + 1 < span.end ? i + 1 : i) + 1;
    while (i < span.end && at(i).is("'")) ++i;
    if (i < span.end && at(i).is("^") && i + 1 < span.end) i = tokens_.partner(i + 1) + 1;  // f^{-1}(x)
    const bool powered = i > span.begin + 1 && at(span.begin + 1).is("^");
    if (i == span.end) return !powered;
    return at(i).is("(") && tokens_.partner(i) == span.end - 1;
  }

  MathObject relation(Span span, const std::vector<std::size_t>& places) {
    const auto parts = split(span, places);
    for (const Span part : parts) {
      if (part.size() == 0) throw NotReadable{};
    }
    const auto all = [&](std::string_view sign) {
      return std::all_of(places.begin(), places.end(), [&](std::size_t i) { return at(i).text == sign; });
    };
    if (places.size() == 1 && all("in")) return item(parts[1]);
    if (all("=")) return equation(parts);
    if (places.size() == 1 && all("!=")) {
      if (!is_name(parts[0])) return MathObject{};
      MathObject out;
      out.kind = Kind::region;
      out.all_reals = true;
      out.items = list(parts[1]);
      return out;
    }
    return inequality(parts, places);
  }

  MathObject equation(const std::vector<Span>& parts) {
    MathObject out;
    Span left = parts.front(), right = parts.back();
    if (is_name(right) && !is_name(left) && parts.size() == 2) std::swap(left, right);
    if (is_name(left)) {
      out.kind = Kind::equation;
      out.named = true;
      out.items.push_back(item(right));
      MathObject& value = out.items.front();
      if (value.kind == Kind::scalar && at(left.begin).kind == TokenKind::symbol) {
        out.right = value.value;
        out.value = parse_expression(tokens_, left, flip_);
        out.unit = plain(left);
      } else {
        out.named = true;
        out.unit.clear();
        return value;  // nothing but a label
      }
      return out;
    }
    if (parts.size() > 2) {  // 2 + 3 = 4 + 1 = 5: the last side
      return item(right);
    }
    out.kind = Kind::equation;
    out.value = parse_expression(tokens_, left, flip_);
    out.right = parse_expression(tokens_, right, flip_);
    std::set<std::string> symbols;
    collect_symbols(out.value, symbols);
    if (symbols.empty()) return item(right);
    return out;
  }

  MathObject inequality(const std::vector<Span>& parts, const std::vector<std::size_t>& places) {
    MathObject out;
    out.kind = Kind::relation;
    for (const Span part : parts) out.items.push_back(scalar(part));
    for (const std::size_t place : places) out.relations.push_back(at(place).text);
    // One symbol between constants is an interval.
    const auto constant = [](const MathObject& object) {
      std::set<std::string> symbols;
      collect_symbols(object.value, symbols);
      return symbols.empty();
    };
    const auto lone = [](const MathObject& object) { return object.value.op == Expr::Op::symbol; };
    const auto interval = [&](const MathObject* low, bool low_closed, const MathObject* high,
                              bool high_closed) {
      MathObject bounds;
      bounds.kind = Kind::tuple;
      MathObject infinite;
      infinite.kind = Kind::scalar;
      infinite.value = Expr::of(Expr::Op::infinity);
      MathObject minus = infinite;
      minus.value = Expr::of(Expr::Op::negate, {minus.value});
      bounds.items = {low ? *low : minus, high ? *high : infinite};
      bounds.open = low && low_closed ? '[' : '(';
      bounds.close = high && high_closed ? ']' : ')';
      MathObject result;
      result.kind = Kind::region;
      result.inequality = true;
      result.items = {bounds};
      return result;
    };
    const auto& signs = out.relations;
    const auto less = [&](std::size_t i) { return signs[i][0] == '<'; };
    const auto more = [&](std::size_t i) { return signs[i][0] == '>'; };
    const auto closed = [&](std::size_t i) { return signs[i].size() == 2; };
    const auto& sides = out.items;
    if (signs.size() == 1 && (less(0) || more(0))) {
      if (lone(sides[0]) && constant(sides[1])) {
        return less(0) ? interval(nullptr, false, &sides[1], closed(0))
                       : interval(&sides[1], closed(0), nullptr, false);
      }
      if (constant(sides[0]) && lone(sides[1])) {
        return less(0) ? interval(&sides[0], closed(0), nullptr, false)
                       : interval(nullptr, false, &sides[0], closed(0));
      }
    }
    if (signs.size() == 2 && constant(sides[0]) && lone(sides[1]) && constant(sides[2])) {
      if (less(0) && less(1)) return interval(&sides[0], closed(0), &sides[2], closed(1));
      if (more(0) && more(1)) return interval(&sides[2], closed(1), &sides[0], closed(0));
    }
    return out;
  }

  const TokenTree& tokens_;
  int flip_ = 0;
  int depth_ = 0;
};

}  // namespace

MathObject parse_answer(std::string_view text, bool comma_lists, bool& separated) {
  Tokens tokens = tokenize(text, comma_lists);
  separated = tokens.comma_read_as_separator;
  const TokenTree tree(std::move(tokens.list));
  return ObjectParser(tree).answer();
}

}  // namespace moe::eval

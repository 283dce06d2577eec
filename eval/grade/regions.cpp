// Parts of the real line in normal form.
#include "eval/grade/regions.h"

#include <algorithm>
#include <utility>

namespace moe::eval {
namespace {

using Kind = MathObject::Kind;

struct Piece {
  Number low, high;
  bool low_closed = true, high_closed = true;
};

// The order of two numbers, or CannotEvaluate if it is not known.
int known_order(const Number& a, const Number& b) {
  const auto sign = order(a, b);
  if (!sign) throw CannotEvaluate{CannotEvaluate::Why::bound};
  return *sign;
}

Number constant(const MathObject& object, Budget& budget) {
  if (object.kind != Kind::scalar) throw CannotEvaluate{CannotEvaluate::Why::undefined};
  return evaluate(object.value, {}, true, budget);
}

bool is_interval(const MathObject& object) { return object.kind == Kind::tuple && object.items.size() == 2; }

void collect(const MathObject& object, std::vector<Piece>& out, Budget& budget) {
  switch (object.kind) {
    case Kind::scalar: {
      const Number point = constant(object, budget);
      out.push_back({point, point, true, true});
      return;
    }
    case Kind::tuple: {
      if (!is_interval(object)) throw CannotEvaluate{CannotEvaluate::Why::undefined};
      Piece piece{constant(object.items[0], budget), constant(object.items[1], budget), object.open == '[',
                  object.close == ']'};
      const int sign = known_order(piece.low, piece.high);
      if (sign > 0)
        throw CannotEvaluate{CannotEvaluate::Why::undefined};  // a point of the plane, not an interval
      if (sign == 0 && !(piece.low_closed && piece.high_closed)) return;
      out.push_back(std::move(piece));
      return;
    }
    case Kind::region:
      if (object.all_reals) {
        Number from = Infinite{-1};
        std::vector<Number> holes;
        for (const MathObject& hole : object.items) holes.push_back(constant(hole, budget));
        std::sort(holes.begin(), holes.end(),
                  [](const Number& a, const Number& b) { return known_order(a, b) < 0; });
        for (const Number& hole : holes) {
          if (known_order(from, hole) == 0) continue;  // named twice
          out.push_back({from, hole, false, false});
          from = hole;
        }
        out.push_back({from, Infinite{1}, false, false});
        return;
      }
      [[fallthrough]];
    case Kind::set:
      for (const MathObject& item : object.items) collect(item, out, budget);
      return;
    default:
      throw CannotEvaluate{CannotEvaluate::Why::undefined};
  }
}

// Sorted, with touching and overlapping pieces made one.
std::vector<Piece> normal(const MathObject& object, Budget& budget) {
  std::vector<Piece> pieces, out;
  collect(object, pieces, budget);
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
    const int sign = known_order(a.low, b.low);
    return sign != 0 ? sign < 0 : a.low_closed && !b.low_closed;
  });
  for (Piece& piece : pieces) {
    if (!out.empty()) {
      Piece& last = out.back();
      const int gap = known_order(piece.low, last.high);
      if (gap < 0 || (gap == 0 && (piece.low_closed || last.high_closed))) {
        const int ends = known_order(piece.high, last.high);
        if (ends > 0) {
          last.high = piece.high;
          last.high_closed = piece.high_closed;
        } else if (ends == 0) {
          last.high_closed = last.high_closed || piece.high_closed;
        }
        continue;
      }
    }
    out.push_back(std::move(piece));
  }
  return out;
}

bool infinite(const Number& value) { return std::holds_alternative<Infinite>(value); }

}  // namespace

bool is_region_like(const MathObject& object) {
  return object.kind == Kind::region || object.kind == Kind::set || is_interval(object) ||
         object.kind == Kind::scalar;
}

Verdict compare_regions(const MathObject& a, const MathObject& b, Budget& budget) {
  try {
    const std::vector<Piece> left = normal(a, budget), right = normal(b, budget);
    if (left.size() != right.size()) return Verdict::different;
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (known_order(left[i].low, right[i].low) != 0 || known_order(left[i].high, right[i].high) != 0)
        return Verdict::different;
      // [-oo and (-oo say the same.
      if (!infinite(left[i].low) && left[i].low_closed != right[i].low_closed) return Verdict::different;
      if (!infinite(left[i].high) && left[i].high_closed != right[i].high_closed) return Verdict::different;
    }
    return Verdict::equal;
  } catch (const CannotEvaluate&) {
    return Verdict::undecided;
  }
}

}  // namespace moe::eval

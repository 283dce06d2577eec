// What an answer can be, beyond one number.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/grade/expression.h"

namespace moe::eval {

struct MathObject {
  enum class Kind {
    scalar,    // `value`, perhaps with `unit`, `percent`
    text,      // words only: `plain`
    tuple,     // `items` between `open` and `close`: a point, a vector, an interval
    set,       // `items` without order
    region,    // part of the real line: a union of `items` (tuples as intervals, sets), `all_reals` less
               // `holes`
    matrix,    // `items` row by row, `columns`
    equation,  // `value` = `right`; `named` where the left side only gives a name to `items[0]`
    relation,  // a chain: `items` with `relations` between
    ratio,     // `items` a:b:c
    numeral,   // digits `plain` in base `columns`
    opaque,    // read as tokens, but nothing this comparison knows
  };
  Kind kind = Kind::opaque;
  Expr value, right;
  std::vector<MathObject> items;
  std::vector<std::string> relations;
  std::string plain;  // letters and digits of the source in lower case, for comparisons with words
  std::string unit;   // words after a scalar, as `plain`
  char open = '(', close = ')';
  std::size_t columns = 0;
  bool percent = false;
  bool named = false;       // equation: see above
  bool bare = false;        // set: a list without braces
  bool all_reals = false;   // region: everything but `items`
  bool inequality = false;  // region: written with < or >
};

// Throws NotReadable. `comma_lists` as in tokenize; `separated` tells whether a bare comma was read as a
// thousands separator, so that the other reading may be tried.
MathObject parse_answer(std::string_view text, bool comma_lists, bool& separated);

// Throws CannotEvaluate only when the budget is gone.
Verdict compare_objects(const MathObject& a, const MathObject& b, Budget& budget);

}  // namespace moe::eval

// The syntax tree of a template. Nodes are owned by the template in flat lists, so that its depth costs no
// stack.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/text/template/value.h"

namespace moe::jinja {

using Symbol = std::uint32_t;  // an interned variable name

enum class ExprKind : std::uint8_t {
  constant,
  name,
  member_target,  // a.b on the left of an assignment
  tuple,
  list,
  dict,
  conditional,
  logical_or,
  logical_and,
  logical_not,
  compare,
  add,
  subtract,
  multiply,
  divide,
  floor_divide,
  modulo,
  power,
  concat,
  negate,
  plus,
  attribute,  // a.b
  item,       // a[b]
  slice,      // the a:b:c of a subscript
  call,
  filter,
  test,
};

enum class CompareOp : std::uint8_t { eq, ne, lt, le, gt, ge, in, not_in };

struct Expr;

struct CallParts {
  std::vector<Expr*> positional;
  std::vector<std::pair<std::string, Expr*>> keywords;
  Expr* more_positional = nullptr;  // *args
  Expr* more_keywords = nullptr;    // **kwargs
};

struct Expr {
  ExprKind kind = ExprKind::constant;
  int line = 0;
  Value value;        // constant; attribute: the name as a string value
  Symbol symbol = 0;  // name, member_target
  std::string text;   // name of a variable, attribute, filter or test
  Expr* a = nullptr;  // operands in order; conditional: a if b else c; slice: a:b:c
  Expr* b = nullptr;
  Expr* c = nullptr;
  std::vector<Expr*> items;  // tuple, list, concat; dict: key, value, key, value ...
  std::vector<std::pair<CompareOp, Expr*>> compares;
  CallParts call;  // call, filter, test
};

struct Stmt;

struct Branch {
  Expr* condition;
  std::vector<Stmt*> body;
};

// A macro, or the body of a call block.
struct Macro {
  std::string name;
  bool anonymous = false;
  std::vector<Symbol> parameters;
  std::vector<std::string> parameter_names;
  std::vector<Expr*> defaults;  // of the last parameters
  std::vector<Stmt*> body;
  bool uses_caller = false;
  bool uses_kwargs = false;
  bool uses_varargs = false;
};

enum class StmtKind : std::uint8_t {
  output,
  if_,
  for_,
  set,
  set_block,
  macro,
  call_block,
  filter_block,
  with,
  generation,
  break_,
  continue_,
  block,
  scope,
  needs_loader,  // include, import, extends: there is nothing to load from
};

struct Stmt {
  StmtKind kind = StmtKind::output;
  int line = 0;
  std::vector<Expr*> exprs;    // output; with: values
  std::vector<Expr*> targets;  // with
  Expr* target = nullptr;      // for, set
  Expr* value = nullptr;       // for: the iterable; set; call block: the call; blocks: the filter or null
  Expr* condition = nullptr;   // for ... if
  bool recursive = false;
  std::vector<Branch> branches;  // if, elif
  std::vector<Stmt*> body;
  std::vector<Stmt*> otherwise;  // else
  Macro macro;
  Symbol symbol = 0;  // macro's name
};

struct Tree {
  std::deque<Expr> exprs;
  std::deque<Stmt> stmts;
  std::vector<Stmt*> body;
  std::vector<std::string> symbols;
  Heap constants;
};

// Throws SyntaxFailure. The tree keeps no reference to the source.
void parse(std::string_view source, Tree& tree);

}  // namespace moe::jinja

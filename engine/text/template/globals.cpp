// The global functions that templates find without being given them.
#include <ctime>

#include <fmt/format.h>

#include "engine/text/template/arguments.h"
#include "engine/text/template/objects.h"
#include "engine/text/template/operators.h"
#include "engine/text/template/repr.h"

namespace moe::jinja {
namespace {

constexpr std::uint64_t kLongestRange = 100000;  // as jinja2's sandbox

Value range(Interpreter& in, const Value&, Arguments& arguments) {
  const auto& given = arguments.positional;
  if (!arguments.keywords.empty()) throw Failure("range() takes no keyword arguments");
  if (given.empty()) throw Failure("range expected at least 1 argument, got 0");
  if (given.size() > 3)
    throw Failure(fmt::format("range expected at most 3 arguments, got {}", given.size()));
  const Bound args("range", arguments, {"start", "stop", "step"});
  const std::int64_t start = given.size() == 1 ? 0 : args.integer(0, 0);
  const std::int64_t stop = given.size() == 1 ? args.integer(0, 0) : args.integer(1, 0);
  const std::int64_t step = args.integer(2, 1);
  if (step == 0) throw Failure("range() arg 3 must not be zero");
  // Unsigned differences cannot overflow.
  const auto distance = [](std::int64_t from, std::int64_t to) {
    return static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
  };
  const std::uint64_t stride = step > 0 ? static_cast<std::uint64_t>(step) : distance(step, 0);
  std::uint64_t size = 0;
  if (step > 0 && start < stop) size = (distance(start, stop) - 1) / stride + 1;
  if (step < 0 && stop < start) size = (distance(stop, start) - 1) / stride + 1;
  if (size > kLongestRange) {
    throw Failure(ErrorKind::limit,
                  "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
  }
  return in.heap().object<RangeObject>(start, stop, step, static_cast<std::size_t>(size));
}

// dict(mapping or pairs, **more)
Dict make_dict(Interpreter& in, Arguments& arguments) {
  Dict dict;
  if (arguments.positional.size() > 1) {
    throw Failure(fmt::format("dict expected at most 1 argument, got {}", arguments.positional.size()));
  }
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional.front();
    if (source.is_dict()) {
      in.spend(6 * source.as_dict().size());
      dict = source.as_dict();
    } else {
      Cursor cursor = in.iterate(source);
      Value pair;
      while (cursor.next(in, pair)) {
        if (!iterable(pair)) {
          throw Failure(fmt::format("cannot convert dictionary update sequence element #{} to a sequence",
                                    dict.size()));
        }
        const std::vector<Value> parts = in.collect(pair);
        if (parts.size() != 2) {
          throw Failure(fmt::format("dictionary update sequence element #{} has length {}; 2 is required",
                                    dict.size(), parts.size()));
        }
        in.spend(6);
        in.heap().check_list(dict.size());
        dict.set(parts[0], parts[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.keywords) dict.set(in.string(name), value);
  return dict;
}

Value dict_function(Interpreter& in, const Value&, Arguments& arguments) {
  return in.heap().dict(make_dict(in, arguments));
}

Value namespace_function(Interpreter& in, const Value&, Arguments& arguments) {
  Dict attributes = make_dict(in, arguments);
  for (const auto& [name, value] : attributes.entries()) check_namespace_name(name);
  const Value made = in.heap().object<NamespaceObject>();
  made.as<NamespaceObject>()->attributes = std::move(attributes);
  return made;
}

Value raise_exception(Interpreter&, const Value&, Arguments& arguments) {
  const Bound args("raise_exception", arguments, {"message"}, 1);
  throw Failure(str(args.at(0)));
}

Value cycler(Interpreter& in, const Value&, Arguments& arguments) {
  if (arguments.positional.empty()) throw Failure("at least one item has to be provided");
  const Value made = in.heap().object<CyclerObject>();
  made.as<CyclerObject>()->items = arguments.positional;
  return made;
}

Value joiner(Interpreter& in, const Value&, Arguments& arguments) {
  const Bound args("joiner", arguments, {"sep"});
  const Value made = in.heap().object<JoinerObject>();
  made.as<JoinerObject>()->separator = args.has(0) ? args.at(0) : in.string(", ");
  return made;
}

Value lipsum(Interpreter&, const Value&, Arguments&) {
  throw Failure(ErrorKind::unsupported, "lipsum() writes random text and is not supported");
}

// One directive at a time, so that a width in a format cannot ask for a huge buffer.
Value strftime_now(Interpreter& in, const Value&, Arguments& arguments) {
  const Bound args("strftime_now", arguments, {"format"}, 1);
  const std::string_view format = args.view(0);
  const std::tm now = in.now();
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 >= format.size()) {
      out += format[i];
      continue;
    }
    std::string directive = "%";
    ++i;
    while (i + 1 < format.size() && std::string_view("-_0^#EO").find(format[i]) != std::string_view::npos &&
           directive.size() < 4) {
      directive += format[i++];
    }
    const char letter = format[i];
    directive += letter;
    if (letter == 'f') {
      out += "000000";
    } else if (letter == 'z' || letter == 'Z') {
      // Python's naive datetimes have no zone.
    } else if (std::string_view("aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyY%").find(letter) !=
               std::string_view::npos) {
      char buffer[128];
      in.spend(4);
      out.append(buffer, std::strftime(buffer, sizeof buffer, directive.c_str(), &now));
    } else {
      out += directive;
    }
  }
  return in.heap().string(std::move(out));
}

}  // namespace

NativeFunction find_global(std::string_view name) {
  static const std::unordered_map<std::string_view, NativeFunction> functions = {
      {"range", range},
      {"dict", dict_function},
      {"namespace", namespace_function},
      {"raise_exception", raise_exception},
      {"strftime_now", strftime_now},
      {"cycler", cycler},
      {"joiner", joiner},
      {"lipsum", lipsum},
  };
  const auto it = functions.find(name);
  return it == functions.end() ? nullptr : it->second;
}

}  // namespace moe::jinja

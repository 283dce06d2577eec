// A tokenizer.json that nobody vouches for: it loads or is refused, and what loads encodes and decodes within
// bounds.
#include "engine/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moe;
  if (size > 1 << 16) return 0;
  std::shared_ptr<const Tokenizer> tokenizer;
  const std::string_view json = fuzz::text(data, size);
  if (!fuzz::succeeds(
          [&] { tokenizer = Tokenizer::parse(json, "fuzz", Tokenizer::Config::apply_flags, json, json); }) &&
      !fuzz::succeeds([&] { tokenizer = Tokenizer::parse(json, "fuzz", Tokenizer::Config::ignore); }))
    return 0;
  for (const std::string_view text :
       {"", " ", "Hello  world 123, it's <s>e\xcc\x81\xff\xe2\x96\x81 \n\n\xf0\x9f\x99\x82",
        "aaaaaaaaaaaaaaaaaaaaaaaaab"}) {
    std::vector<std::int32_t> ids;
    if (!fuzz::succeeds([&] { ids = tokenizer->encode(text); })) continue;
    fuzz::succeeds([&] {
      const std::string whole = tokenizer->decode(ids);
      StreamDecoder stream(tokenizer);
      std::string parts;
      for (const std::int32_t id : ids) parts += stream.push(id);
      parts += stream.finish();
      fuzz::check(parts == whole);
    });
  }
  const std::int32_t all[] = {-1, 0, 1, 2, 3, 2, 1, 0, 4, 5, 6, 7, 8, 9, INT32_MAX};
  fuzz::succeeds([&] { tokenizer->decode(all, true); });
  return 0;
}

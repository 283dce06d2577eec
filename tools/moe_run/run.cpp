// moe-run's way from a plain prompt to its continuation.
#include "engine/base/error.h"
#include "engine/checkpoint/hub.h"
#include "tools/common/interrupt.h"
#include "tools/moe_run/session.h"
#include "tools/moe_run/stop_text.h"

namespace moe::tools {
namespace {

// Text on its way to the user: whole characters, and nothing from a stop string on.
class Output {
 public:
  Output(PendingTokenizer tokenizer, const std::vector<std::string>& stops, bool shown)
      : tokenizer_(std::move(tokenizer)), stops_(stops), shown_(shown) {}

  bool push(std::int32_t id) {
    if (decoder()) emit(stops_.push(decoder()->push(id)));
    return !stops_.found();
  }
  // Nothing without a tokenizer.
  std::optional<std::string> finish() {
    if (!decoder()) return std::nullopt;
    emit(stops_.push(decoder()->finish()));
    emit(stops_.finish());
    if (shown_ && !text_.empty()) show("\n");
    return text_;
  }

 private:
  StreamDecoder* decoder() {
    if (!decoder_ && tokenizer_.get()) decoder_ = std::make_unique<StreamDecoder>(tokenizer_.get(), true);
    return decoder_.get();
  }
  void emit(const std::string& piece) {
    text_ += piece;
    if (shown_ && !piece.empty()) show(piece);
  }

  PendingTokenizer tokenizer_;
  std::unique_ptr<StreamDecoder> decoder_;
  StopText stops_;
  bool shown_;
  std::string text_;
};

}  // namespace

int run(const RunOptions& o) {
  catch_interrupts();
  const std::filesystem::path directory = resolve_model(o.model);
  // The prompt is read before the model: a missing file should not cost a long load.
  std::vector<std::int32_t> ids;
  PendingTokenizer tokenizer;
  if (!o.prompt_ids_file.empty()) {
    ids = read_ids(o.prompt_ids_file);
    tokenizer = start_tokenizer(directory);
  } else {
    const std::string prompt = read_prompt(o);
    tokenizer = ready(load_tokenizer(directory));
    if (!tokenizer.get()) {
      throw Error(ErrorKind::io, Fault{(directory / "tokenizer.json").string(), "", "a tokenizer (or --prompt-ids)", "no such file"});
    }
    ids = tokenizer.get()->encode(prompt);
  }
  if (ids.empty()) throw Error(ErrorKind::usage, "the prompt is empty: there is nothing to continue");

  Session session(o, directory, tokenizer);
  Output output(tokenizer, o.stop, !o.json);
  Sequence sequence = session.new_sequence();
  Generation generation = session.generate_from(sequence, ids, [&](std::int32_t id) { return output.push(id); });
  std::optional<std::string> text = output.finish();
  session.finish_files();
  RunFacts facts = session.facts(o.json);
  facts.prompt_ids = std::move(ids);
  facts.text = std::move(text);
  facts.finish_reason = name(generation.finish);
  facts.generation = std::move(generation);
  return report(o, facts);
}

}  // namespace moe::tools

// moe-run: writes text with a model, and says what it took.
#include <string_view>
#include <vector>

#include "tools/common/program.h"
#include "tools/moe_run/options.h"

namespace moe::tools {

void describe_flags(CLI::App& app, RunOptions& o) {
  app.add_option("-m,--model", o.model, "Model directory, or org/name[@revision] in the Hugging Face cache")->type_name("MODEL")->required();
  auto* prompt = app.add_option_group("Prompt (default: standard input)");
  prompt->add_option("-p,--prompt", o.prompt, "The prompt");
  prompt->add_option("-f,--prompt-file", o.prompt_file, "A file that holds the prompt; one newline at its end is dropped")->type_name("FILE")->check(kNamed);
  prompt->add_option("--prompt-ids", o.prompt_ids_file, "A file with a JSON array of token ids: no BOS is added, no tokenizer needed")->type_name("FILE")->check(kNamed);
  prompt->add_option("--file", o.messages_file, "A JSON file of chat messages, or of {messages, tools, add_generation_prompt}")->type_name("FILE")->check(kNamed);
  prompt->require_option(0, 1);
  auto* chat = app.add_option_group("Chat (each makes the prompt a conversation)");
  chat->add_flag("-i,--cnv,--conversation", o.conversation, "Talk: each line of standard input is a message; /clear forgets, /exit ends (also -cnv)");
  chat->add_flag("--apply-chat-template", o.apply_template, "The prompt is one message of the user");
  chat->add_option("--system", o.system, "System message");
  chat->add_option("--chat-template", o.chat_template, "Name of one of the model's templates, or a file, in place of its own")->type_name("NAME|FILE")->check(kNamed);
  chat->add_option("--chat-template-kwargs", o.template_kwargs, "JSON object of variables for the template")->type_name("JSON");
  chat->add_option("--reasoning", o.reasoning, "Thinking on, off, or as the template has it (auto)")->check(CLI::IsMember({"on", "off", "auto"}))->capture_default_str();
  chat->add_flag("--show-template", o.show_template, "Print the rendered conversation and stop (with --json: {prompt, ids})");
  app.add_option("-n,--n-predict", o.new_tokens, "New tokens at most; 0: run the prompt only; -1: until the context is full")
      ->check(CLI::Range(-1, 1 << 30))->capture_default_str();
  app.add_option("-c,--ctx-size", o.context, "Tokens a sequence may hold (default: what the model was made for)")->check(CLI::Range(1, INT32_MAX));
  app.add_option("-t,--threads", o.threads, "Threads (default: the physical cores this process may use)")->check(CLI::Range(1, 1024));
  app.add_option("--chunk", o.chunk, "Prompt tokens a forward pass takes")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  app.add_flag("--fast-prefill", o.fast_prefill,
               "Leave out what no wanted logits need of the last layer's rows: the same text, sooner; costs and routing statistics count what is left");
  add_rope_length_flag(app, o.rope_length);
  app.add_option("-s,--seed", o.seed, "Seed of the draws (default: a random one, printed in the summary)");

  auto* s = app.add_option_group("Sampling, in this order");
  s->add_option("--repeat-penalty", o.sampling.repeat_penalty, "Divides (or multiplies) logits of tokens seen lately; 1: off")->capture_default_str();
  s->add_option("--frequency-penalty", o.sampling.frequency_penalty, "Subtracted once a time a token was seen; 0: off")->capture_default_str();
  s->add_option("--presence-penalty", o.sampling.presence_penalty, "Subtracted from tokens that were seen; 0: off")->capture_default_str();
  s->add_option("--repeat-last-n", o.sampling.penalty_last_n, "Tokens the penalties look back at; -1: all")->capture_default_str();
  s->add_option("--top-k", o.sampling.top_k, "Keep the k most likely tokens; 0: all")->capture_default_str();
  s->add_option("--top-p", o.sampling.top_p, "Keep the fewest tokens that hold this much probability; 1: all")->capture_default_str();
  s->add_option("--min-p", o.sampling.min_p, "Drop tokens below this share of the likeliest one; 0: none")->capture_default_str();
  s->add_option("--temp", o.sampling.temperature, "Temperature; 0: always the likeliest token")->capture_default_str();

  app.add_option("--stop", o.stop, "Stop before this text appears; may be given again")->allow_extra_args(false);
  app.add_flag("--ignore-eos", o.ignore_eos, "Go on past end-of-text tokens");
  app.add_option("--logprobs", o.logprobs, "Log-probability of each new token, with the N likeliest ones (needs --json)")->check(CLI::Range(0, 1 << 20));
  app.add_option("--dump-logits", o.dump_logits, "Write the logits of all fed tokens to FILE.npy, float32 [rows, vocab]")->type_name("FILE")->check(kNamed);
  add_routing_stats_flags(*add_router_flags(app, o.router), o.routing_stats);
  app.add_flag("--json", o.json, "One JSON object on stdout in place of the text");
  add_load_flags(app, o.load);
  app.add_flag("-v,--verbose", o.verbose, "More about the model and the costs, by component");
}

}  // namespace moe::tools

int main(int argc, char** argv) {
  // llama-cli's users write -cnv, which would be three short flags here.
  std::vector<const char*> arguments(argv, argv + argc);
  for (const char*& argument : arguments) {
    if (std::string_view(argument) == "-cnv") argument = "--cnv";
  }
  moe::tools::RunOptions options;
  const moe::tools::Program program{
      "moe-run",
      "Writes text with a language model on the CPU. The completion goes to stdout; progress, and what it took\n"
      "(tokens/s, GB/s, exact FLOPs per token, memory), to stderr.",
      "Examples:\n"
      "  moe-run -m ./model -p \"Once upon a time\" -n 100\n"
      "  moe-run -m org/name --temp 0 -f prompt.txt --json > result.json\n"
      "  echo \"2 + 2 =\" | moe-run -m ./model -n 4 --temp 0\n"
      "  moe-run -m ./model -cnv --system \"Answer briefly.\"\n"
      "  moe-run -m ./model --file messages.json --reasoning off\n"
      "  moe-run -m ./model --prompt-ids ids.json -n 0 --dump-logits logits.npy\n\n"
      "Environment: MOE_KERNELS=scalar|avx2|avx512|avx512vnni|avx512bf16|amx forces a kernel path; HF_HUB_CACHE and\n"
      "HF_HOME say where the Hugging Face cache is; NO_COLOR is honoured.\n"
      "Exit codes: 0 done, 1 failure, 2 usage, 130 interrupted (the summary is still printed)."};
  return moe::tools::run_program(
      program, argc, arguments.data(), [&](CLI::App& app) { moe::tools::describe_flags(app, options); },
      [&](CLI::App&) {
        if (options.show_template) return moe::tools::show_template(options);
        return moe::tools::is_chat(options) ? moe::tools::run_chat(options) : moe::tools::run(options);
      });
}

#include "sim/build/gguf_tokenizer.h"

#include <fmt/format.h>

namespace axsim::build {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;

auto Bad(const Gguf& gguf, std::string_view what) {
  return Fail(ErrorKind::kInvalid, fmt::format("{} {}", gguf.path().string(), what));
}

// A token that a key names; absent where the GGUF has none.
Result<std::optional<uint32_t>> TokenOf(const Gguf& gguf, uint32_t vocab, const char* key) {
  const std::string full = fmt::format("tokenizer.ggml.{}_token_id", key);
  if (!gguf.Find(full)) return std::optional<uint32_t>();
  AX_ASSIGN_OR_RETURN(const uint32_t id, gguf.Uint(full));
  if (id >= vocab) {
    return Bad(gguf, fmt::format("names token {} as {}, which it has not", id, key));
  }
  return std::optional<uint32_t>(id);
}

}  // namespace

Result<TokenizerFacts> TokenizerOf(const Gguf& gguf, uint32_t vocab) {
  AX_ASSIGN_OR_RETURN(const std::string model, gguf.Text("tokenizer.ggml.model"));
  if (model != "gpt2" && model != "llama") {
    return Bad(gguf, fmt::format("has a tokenizer of type \"{}\", which is not built yet: gpt2 and "
                                 "llama are",
                                 model));
  }
  TokenizerFacts f;
  f.pieces = model == "llama";
  AX_ASSIGN_OR_RETURN(f.splitter, gguf.Text("tokenizer.ggml.pre", "default"));
  AX_ASSIGN_OR_RETURN(f.tokens, gguf.Texts("tokenizer.ggml.tokens"));
  AX_ASSIGN_OR_RETURN(f.kinds, gguf.Ints("tokenizer.ggml.token_type"));
  if (f.tokens.size() != vocab || f.kinds.size() != vocab) {
    return Bad(gguf, fmt::format("has {} tokens and {} token types for an embedding of {} rows",
                                 f.tokens.size(), f.kinds.size(), vocab));
  }
  if (f.pieces) {
    AX_ASSIGN_OR_RETURN(f.scores, gguf.Floats("tokenizer.ggml.scores"));
  } else {
    AX_ASSIGN_OR_RETURN(f.merges, gguf.Texts("tokenizer.ggml.merges"));
  }
  AX_ASSIGN_OR_RETURN(f.add_space, gguf.Bool("tokenizer.ggml.add_space_prefix", f.pieces));
  if (gguf.Find("tokenizer.ggml.add_bos_token")) {
    AX_ASSIGN_OR_RETURN(f.add_bos, gguf.Bool("tokenizer.ggml.add_bos_token", false));
  }
  AX_ASSIGN_OR_RETURN(f.add_eos, gguf.Bool("tokenizer.ggml.add_eos_token", false));
  AX_ASSIGN_OR_RETURN(f.bos, TokenOf(gguf, vocab, "bos"));
  AX_ASSIGN_OR_RETURN(f.eos, TokenOf(gguf, vocab, "eos"));
  AX_ASSIGN_OR_RETURN(f.unknown, TokenOf(gguf, vocab, "unknown"));
  AX_ASSIGN_OR_RETURN(f.padding, TokenOf(gguf, vocab, "padding"));
  for (const char* key : {"eot", "eom"}) {
    AX_ASSIGN_OR_RETURN(const auto id, TokenOf(gguf, vocab, key));
    if (id) f.ends.push_back(*id);
  }
  AX_ASSIGN_OR_RETURN(f.chat_template, gguf.Text("tokenizer.chat_template", ""));
  return f;
}

}  // namespace axsim::build

// llama-server's JSON, read into and written from the engine's own types.
//
// Source: facts 3.4 of the Ollama API; llama.cpp tools/server/README.md.
// Owner and threads: plain functions and values. Errors of Read...: kInvalid, naming the field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/request.h"
#include "text/grammar.h"
#include "text/tokenizer.h"

namespace axollama::runner {

struct GrammarText {
  text::GrammarKind kind = text::GrammarKind::kGbnf;
  std::string text;
};

struct CompletionRequest {
  engine::Request generate;         // its tokens are there when the prompt was given as tokens
  std::optional<std::string> text;  // the prompt, when it was given as text
  text::EncodeOptions encode;
  std::vector<std::string> preserved_tokens;  // special tokens whose text is wanted
  std::optional<GrammarText> grammar;         // what generate.grammar is to be compiled from
  bool stream = false;
};
// Beyond llama-server's fields: `context_shift` (its own is an option of its command line), and
// `n_ctx`, fewer tokens for prompt and answer than the model's context.
Result<CompletionRequest> ReadCompletion(std::string_view body);

struct TokenizeRequest {
  std::string content;
  text::EncodeOptions encode{.add_special = false, .parse_special = true};
};
Result<TokenizeRequest> ReadTokenize(std::string_view body);
Result<std::vector<int32_t>> ReadDetokenize(std::string_view body);

// One event of a stream that goes on, and the last: `data: {...}` and an empty line.
// `probabilities`: completion_probabilities; empty: none were asked for, or no token came.
std::string WritePiece(std::string_view text, const std::vector<int32_t>& tokens,
                       json::Array probabilities = {});
std::string WriteLast(const engine::Outcome& outcome);
std::string WriteErrorEvent(const Error& error);
// The whole answer of stream:false.
std::string WriteWhole(std::string_view text, const std::vector<int32_t>& tokens,
                       const engine::Outcome& outcome, json::Array probabilities = {});

// The body of an error: {"error":{"code","message","type"}}.
std::string WriteError(const Error& error);
// The prompt is too long: with both numbers as n_prompt_tokens and n_ctx.
std::string WriteTooLong(const Error& error, size_t prompt_tokens, uint32_t context_tokens);

}  // namespace axollama::runner

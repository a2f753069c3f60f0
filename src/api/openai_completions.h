// OpenAI's POST /v1/completions: request and answer.
//
// As in Ollama the prompt goes through the model's template. Beyond Ollama: several prompts, n,
// logit_bias, and logprobs in the answer.
// Owner and threads: plain values; a stream is used by one thread. Errors: kInvalid.
// Source: facts 1.9 of the Ollama API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/openai_answer.h"
#include "api/openai_chat.h"
#include "api/turn.h"
#include "base/result.h"

namespace axollama::api {

struct OpenAiCompletionRequest {
  Turn turn;  // its plain prompt is the first one
  std::vector<std::string> prompts;
  bool stream = false;
  bool include_usage = false;
  int64_t choices_per_prompt = 1;  // n; with the prompts at most kMaxChoices in all

  // Choices in order: all of the first prompt, then all of the second.
  int64_t choices() const { return choices_per_prompt * static_cast<int64_t>(prompts.size()); }
  Turn Choice(int64_t index) const;
  bool first_of_prompt(int64_t index) const { return index % choices_per_prompt == 0; }
};

Result<OpenAiCompletionRequest> ParseOpenAiCompletion(std::string_view body);

// The choices of an answer, streamed or not: text and logprobs as they come, each choice's end.
// Non-streamed answers take whole choices as one piece.
class OpenAiCompletionAnswer {
 public:
  OpenAiCompletionAnswer(OpenAiHead head, const OpenAiCompletionRequest& request)
      : head_(std::move(head)), request_(request) {}

  // One event of the stream, empty where the piece has no text. Thinking is no part of it.
  std::string Take(const Piece& piece);
  std::string EndChoice(const Finish& finish);
  std::string End();

  // The whole answer.
  std::string Write(const std::vector<OpenAiChoice>& choices);

 private:
  json::Object Choice(std::string_view text, const std::vector<TokenLogprob>& logprobs,
                      std::string_view finish_reason);
  json::Object Envelope(json::Array choices) const;
  void Count(const Finish& finish);

  const OpenAiHead head_;
  const OpenAiCompletionRequest& request_;
  int64_t choice_ = 0;
  int64_t offset_ = 0;  // of the choice's next token in its text, in characters
  OpenAiUsage usage_;
};

}  // namespace axollama::api

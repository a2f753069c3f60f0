// OpenAI's chat completions: the answer, whole or as events. And what other answers of OpenAI's
// have in common with it.
//
// Owner and threads: plain values; a stream is used by one thread. Units: `created_s` is in seconds
// since 1970. Source: facts 1.9 of the Ollama API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/turn.h"
#include "base/json.h"

namespace axollama::api {

inline constexpr std::string_view kSystemFingerprint = "fp_ollama";

// What every object of one answer repeats.
struct OpenAiHead {
  std::string id;  // chatcmpl-..., cmpl-...
  int64_t created_s = 0;
  std::string model;  // as the client spelled it
};

struct OpenAiUsage {
  int64_t prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
  // A prompt that several choices share counts with the first of them.
  void Add(const Finish& finish, bool new_prompt);
  json::Object Write() const;
};

// stop, length or tool_calls.
std::string_view FinishReason(const Finish& finish);

// {"content":[{"token","logprob","bytes","top_logprobs"}],"refusal":null}
json::Object WriteOpenAiLogprobs(const std::vector<TokenLogprob>& logprobs);

struct OpenAiChoice {
  Piece answer;
  Finish finish;
};
std::string WriteOpenAiChat(const OpenAiHead& head, const std::vector<OpenAiChoice>& choices,
                            bool logprobs);

// The events of a streamed answer: for each choice Take... and EndChoice, then End. Text may be
// empty where a piece has nothing to say.
class OpenAiChatStream {
 public:
  explicit OpenAiChatStream(OpenAiHead head, bool include_usage)
      : head_(std::move(head)), include_usage_(include_usage) {}

  std::string Take(const Piece& piece);
  std::string EndChoice(const Finish& finish);
  std::string End();

 private:
  std::string Chunk(json::Object delta, std::string_view finish_reason,
                    const std::vector<TokenLogprob>& logprobs);

  const OpenAiHead head_;
  const bool include_usage_;
  int64_t choice_ = 0;
  bool begun_ = false;  // this choice
  OpenAiUsage usage_;
};

}  // namespace axollama::api

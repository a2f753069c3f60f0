// Makes the pieces of an answer from a model's text: thinking, content and calls told apart, calls
// with ids.
//
// Owner: the turn's answer, a new one per attempt. Threads: one at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/turn.h"
#include "dialect/parser.h"
#include "server/turn_style.h"

namespace axollama::server {

class TurnReply {
 public:
  // `in_thinking`: the prompt ends inside the model's thinking. `tools`: those of the turn.
  TurnReply(const TurnStyle& style, bool in_thinking, std::vector<dialect::Tool> tools);

  // What `text` adds; `last`: the answer is over. Logprobs wait for a piece that has text or calls.
  api::Piece Take(std::string_view text, std::vector<api::TokenLogprob> logprobs, bool last);
  int64_t calls() const { return parser_.calls(); }
  bool in_thinking() const { return parser_.in_thinking(); }

 private:
  const std::string& IdOf(int64_t index);

  dialect::Parser parser_;
  const bool parses_;
  std::vector<std::string> ids_;  // by index
  std::vector<api::TokenLogprob> waiting_;
};

bool IsEmpty(const api::Piece& piece);
// Puts a piece after what came before it.
void Append(api::Piece piece, api::Piece* whole);

}  // namespace axollama::server

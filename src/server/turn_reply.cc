#include "server/turn_reply.h"

#include <iterator>
#include <random>
#include <utility>

namespace axollama::server {
namespace {

// As Ollama makes them.
std::string MakeCallId() {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  static thread_local std::mt19937_64 random{std::random_device{}()};
  std::string id = "call_";
  for (int i = 0; i < 8; ++i) id += kLetters[random() % kLetters.size()];
  return id;
}

dialect::ParserOptions OptionsFor(const TurnStyle& style, bool in_thinking,
                                  std::vector<dialect::Tool> tools) {
  dialect::ParserOptions options;
  options.thinking = style.thinks;
  options.thinking_begun = style.thinks && in_thinking;
  if (style.calls) options.tools = std::move(tools);
  return options;
}

template <typename T>
void MoveTo(std::vector<T>* from, std::vector<T>* to) {
  to->insert(to->end(), std::make_move_iterator(from->begin()),
             std::make_move_iterator(from->end()));
  from->clear();
}

}  // namespace

TurnReply::TurnReply(const TurnStyle& style, bool in_thinking, std::vector<dialect::Tool> tools)
    : parser_(style.dialect, OptionsFor(style, in_thinking, std::move(tools))),
      parses_(style.thinks || style.calls) {}

api::Piece TurnReply::Take(std::string_view text, std::vector<api::TokenLogprob> logprobs,
                           bool last) {
  api::Piece piece;
  MoveTo(&logprobs, &waiting_);
  if (parses_) {
    dialect::Output out;
    parser_.Push(text, &out);
    if (last) parser_.Finish(&out);
    piece.thinking = std::move(out.thinking);
    piece.content = std::move(out.content);
    for (dialect::CallDelta& delta : out.call_deltas) {
      api::ToolCallDelta& to = piece.call_deltas.emplace_back();
      to.index = delta.index;
      if (!delta.name.empty()) to.id = IdOf(delta.index);
      to.name = std::move(delta.name);
      to.arguments = std::move(delta.arguments);
    }
    for (dialect::Call& call : out.calls) {
      piece.calls.push_back(
          {IdOf(call.index), call.index, std::move(call.name), std::move(call.arguments)});
    }
  } else {
    piece.content = text;
  }
  if (last || !IsEmpty(piece)) MoveTo(&waiting_, &piece.logprobs);
  return piece;
}

const std::string& TurnReply::IdOf(int64_t index) {
  while (ids_.size() <= static_cast<size_t>(index)) ids_.push_back(MakeCallId());
  return ids_[static_cast<size_t>(index)];
}

bool IsEmpty(const api::Piece& piece) {
  return piece.thinking.empty() && piece.content.empty() && piece.call_deltas.empty() &&
         piece.calls.empty() && piece.logprobs.empty();
}

void Append(api::Piece piece, api::Piece* whole) {
  whole->prompt_tokens = piece.prompt_tokens;
  whole->thinking += piece.thinking;
  whole->content += piece.content;
  MoveTo(&piece.call_deltas, &whole->call_deltas);
  MoveTo(&piece.calls, &whole->calls);
  MoveTo(&piece.logprobs, &whole->logprobs);
}

}  // namespace axollama::server

#include "cli/answer_view.h"

namespace axollama::cli {
namespace {

constexpr std::string_view kDim = "\x1b[2m", kPlain = "\x1b[0m";

}  // namespace

std::string AnswerView::Shown(std::string_view text) {
  return options_.terminal ? wrap_.Push(text) : std::string(text);
}

std::string AnswerView::Thinking(std::string_view text) {
  if (options_.hide_thinking || text.empty()) return "";
  std::string out;
  if (!thinking_) {
    thinking_ = true;
    out = "Thinking...\n";
    if (options_.terminal) out.insert(0, kDim);
  }
  out += Shown(text);
  return out;
}

std::string AnswerView::EndThinking() {
  if (!thinking_) return "";
  thinking_ = false;
  std::string out = Shown("\n...done thinking.\n\n");
  if (options_.terminal) out += kPlain;
  return out;
}

std::string AnswerView::Content(std::string_view text) {
  if (text.empty()) return "";
  std::string out = EndThinking();
  out += Shown(text);
  return out;
}

std::string AnswerView::Piece(std::string_view thinking, std::string_view content) {
  std::string out = Thinking(thinking);
  out += Content(content);
  return out;
}

std::string AnswerView::End() {
  std::string out = EndThinking();
  if (options_.terminal) out += wrap_.Flush();
  return out;
}

}  // namespace axollama::cli

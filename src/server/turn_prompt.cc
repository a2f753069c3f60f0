#include "server/turn_prompt.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "api/errors.h"
#include "base/log.h"
#include "dialect/messages.h"
#include "server/completion.h"
#include "server/conversation.h"
#include "server/truncation.h"
#include "server/turn_style.h"

namespace axollama::server {
namespace {

// Ollama's templates see thinking that is merely on as medium.
std::string_view EffortOf(api::Think think, bool go_template) {
  switch (think) {
    case api::Think::kLow:
      return "low";
    case api::Think::kMedium:
      return "medium";
    case api::Think::kHigh:
      return "high";
    case api::Think::kMax:
      return "max";
    case api::Think::kUnset:
    case api::Think::kOn:
      return go_template ? "medium" : "";
    case api::Think::kOff:
      break;
  }
  return "";
}

class PromptMaker {
 public:
  PromptMaker(const ServedModel& model, const api::Turn& turn, const Models::Grant& grant,
              CallSlot& slot, int64_t context_tokens)
      : model_(model),
        turn_(turn),
        style_(StyleOf(model, turn)),
        grant_(grant),
        slot_(slot),
        context_tokens_(context_tokens) {}

  Result<TurnPrompt> Make() {
    if (style_.inserts) return Insertion();
    if (style_.written_out) return Tokens(turn_.plain->prompt);
    const std::vector<api::Message> all = Conversation(model_, turn_);
    if (!turn_.truncate) return Render(all);
    TurnPrompt last;
    size_t last_first = all.size();
    const auto fits = [&](size_t first) -> Result<bool> {
      auto rendered = Render(KeepFrom(all, first));
      // Text that no context can hold is not made into tokens, and does not fit either.
      if (!rendered && rendered.error().kind == ErrorKind::kTooLong) return false;
      AX_ASSIGN_OR_RETURN(last, std::move(rendered));
      last_first = first;
      return Fits(last);
    };
    AX_ASSIGN_OR_RETURN(const size_t first, FirstThatFits(all.size(), fits));
    const std::vector<api::Message> kept = KeepFrom(all, first);
    if (last_first != first) {
      AX_ASSIGN_OR_RETURN(last, Render(kept));
    }
    last.dropped_messages = static_cast<int64_t>(all.size() - kept.size());
    return last;
  }

  bool Fits(const TurnPrompt& prompt) const {
    return static_cast<int64_t>(prompt.tokens.size()) < context_tokens_;
  }

 private:
  Result<TurnPrompt> Render(const std::vector<api::Message>& messages) {
    api::TemplateRequest request = NewRequest();
    request.messages = dialect::ForTemplate(style_.dialect, api::TemplateMessages(messages));
    if (style_.calls) request.tools_json = turn_.tools_json;
    AX_ASSIGN_OR_RETURN(std::string text,
                        ApplyTemplate(grant_, slot_, api::WriteApplyTemplateRequest(request)));
    if (style_.can.thinking && turn_.think == api::Think::kOff) {
      text += dialect::WithoutThinking(style_.dialect, text);
    }
    bool in_thinking = style_.thinks && dialect::EndsInThinking(style_.dialect, text);
    if (style_.thinks && !in_thinking && Constrained(turn_, style_)) {
      // The answer's form begins behind the thinking: the model may not leave that out.
      text.append(style_.dialect.think_open).append("\n");
      in_thinking = true;
    }
    AX_ASSIGN_OR_RETURN(TurnPrompt prompt, Tokens(std::move(text)));
    prompt.in_thinking = in_thinking;
    return prompt;
  }

  api::TemplateRequest NewRequest() const {
    api::TemplateRequest request;
    request.go_template = style_.go_template;
    if (style_.can.thinking) {
      request.enable_thinking = turn_.think != api::Think::kOff;
      request.reasoning_effort = EffortOf(turn_.think, style_.go_template.has_value());
    }
    return request;
  }

  Result<TurnPrompt> Insertion() {
    const std::string& before = turn_.plain->prompt;
    const std::string& after = turn_.plain->suffix;
    if (style_.inserts_by_marks) {
      const bundle::InsertMarks& marks = model_.bundle->insert;
      return Tokens(marks.before + before + marks.after + after + marks.middle);
    }
    api::TemplateRequest request = NewRequest();
    request.prompt = before;
    request.suffix = after;
    AX_ASSIGN_OR_RETURN(std::string text,
                        ApplyTemplate(grant_, slot_, api::WriteApplyTemplateRequest(request)));
    return Tokens(std::move(text));
  }

  Result<TurnPrompt> Tokens(std::string text) {
    TurnPrompt prompt;
    // The tokens of the turns before stand as they were, so that the runner finds them cached.
    if (turn_.plain) prompt.tokens = turn_.plain->context;
    AX_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens,
                        Tokenize(grant_, slot_, text, prompt.tokens.empty()));
    prompt.tokens.insert(prompt.tokens.end(), tokens.begin(), tokens.end());
    prompt.text = std::move(text);
    return prompt;
  }

  const ServedModel& model_;
  const api::Turn& turn_;
  const TurnStyle style_;
  const Models::Grant& grant_;
  CallSlot& slot_;
  const int64_t context_tokens_;
};

}  // namespace

int64_t ContextOf(const api::Options& options, const api::RunnerProps& props) {
  // A folder that says nothing about its context has one all the same: its runner knows it.
  return std::clamp<int64_t>(options.num_ctx.value_or(props.context_tokens),
                             std::min<int64_t>(4, props.context_tokens), props.context_tokens);
}

Result<TurnPrompt> MakePrompt(const ServedModel& model, const api::Turn& turn,
                              const api::Options& options, const Models::Grant& grant,
                              CallSlot& slot) {
  const int64_t context = ContextOf(options, grant.props());
  PromptMaker maker(model, turn, grant, slot, context);
  AX_ASSIGN_OR_RETURN(TurnPrompt prompt, maker.Make());
  if (prompt.dropped_messages > 0) {
    log::Info("server", "{}: {} of the oldest messages do not fit the context of {} tokens",
              grant.name(), prompt.dropped_messages, context);
  }
  if (maker.Fits(prompt)) return prompt;
  const auto size = static_cast<int64_t>(prompt.tokens.size());
  if (!turn.plain || !turn.truncate || !turn.shift) return Fail(api::PromptTooLong(size, context));
  // A token that the tokenizer puts first is kept beside those that were asked for.
  AX_ASSIGN_OR_RETURN(const std::vector<int32_t> bos, Tokenize(grant, slot, "", true));
  int64_t keep = std::min(api::Resolve(options).num_keep, context);
  if (keep >= 0) keep += static_cast<int64_t>(bos.size());
  prompt.tokens = CutPrompt(prompt.tokens, keep, context);
  prompt.cut_tokens = size - static_cast<int64_t>(prompt.tokens.size());
  log::Info("server", "{}: the prompt has {} tokens, the context {}: {} are cut out", grant.name(),
            size, context, prompt.cut_tokens);
  return prompt;
}

Result<TurnPrompt> WholePrompt(const ServedModel& model, const api::Turn& turn,
                               const Models::Grant& grant, CallSlot& slot) {
  api::Turn whole = turn;
  whole.truncate = false;
  return PromptMaker(model, whole, grant, slot, grant.props().context_tokens).Make();
}

}  // namespace axollama::server

#include "server/turn_prompt.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "api/errors.h"
#include "base/log.h"
#include "server/completion.h"
#include "server/truncation.h"

namespace axollama::server {
namespace {

api::Message MakeMessage(std::string_view role, std::string content) {
  api::Message message;
  message.role = role;
  message.content = std::move(content);
  return message;
}

// Everything that the template gets, in order.
std::vector<api::Message> Conversation(const ServedModel& model, const api::Turn& turn) {
  std::vector<api::Message> all;
  const bool own_system =
      turn.plain ? !turn.plain->system.empty() : turn.messages.front().role == "system";
  const std::string& system = turn.plain && own_system ? turn.plain->system : model.system;
  if ((turn.plain || !own_system) && !system.empty()) all.push_back(MakeMessage("system", system));
  if (!turn.plain || turn.plain->context.empty()) {
    all.insert(all.end(), model.messages.begin(), model.messages.end());
  }
  if (turn.plain) {
    all.push_back(MakeMessage("user", turn.plain->prompt));
  } else {
    all.insert(all.end(), turn.messages.begin(), turn.messages.end());
  }
  return all;
}

class PromptMaker {
 public:
  PromptMaker(const ServedModel& model, const api::Turn& turn, const Models::Grant& grant,
              CallSlot& slot, int64_t context_tokens)
      : model_(model), turn_(turn), grant_(grant), slot_(slot), context_tokens_(context_tokens) {}

  Result<TurnPrompt> Make() {
    if (turn_.plain && turn_.plain->raw) return Tokens(turn_.plain->prompt);
    const std::vector<api::Message> all = Conversation(model_, turn_);
    if (!turn_.truncate) return Render(all);
    TurnPrompt last;
    size_t last_first = all.size();
    const auto fits = [&](size_t first) -> Result<bool> {
      AX_ASSIGN_OR_RETURN(last, Render(KeepFrom(all, first)));
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
    AX_ASSIGN_OR_RETURN(std::string text,
                        ApplyTemplate(grant_, slot_, api::WriteApplyTemplateRequest(messages)));
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

#include "server/turn_style.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/errors.h"

namespace axollama::server {
namespace {

bool AsksToThink(const api::Turn& turn) {
  return turn.think != api::Think::kUnset && turn.think != api::Think::kOff;
}

bool HasImages(const api::Turn& turn) {
  if (turn.plain) return turn.plain->has_images;
  return std::any_of(turn.messages.begin(), turn.messages.end(),
                     [](const api::Message& message) { return message.has_images; });
}

}  // namespace

bool Constrained(const api::Turn& turn, const TurnStyle& style) {
  return style.must_call || turn.format.kind != api::Format::Kind::kNone;
}

TurnStyle StyleOf(const ServedModel& model, const api::Turn& turn) {
  const std::string& family = model.bundle->model_type;
  TurnStyle style;
  const bool given = turn.plain && turn.plain->go_template;
  style.go_template = given ? turn.plain->go_template : model.go_template;
  const std::string& own = model.bundle->chat_template;
  style.dialect = dialect::Choose(style.go_template ? *style.go_template : own, family);
  // What the model can do does not change with a template that a request brings.
  style.can =
      model.go_template ? dialect::OfGo(*model.go_template, family) : dialect::OfJinja(own, family);
  style.can.insert = style.can.insert || model.bundle->insert.known();
  style.inserts = turn.plain && !turn.plain->raw && !turn.plain->suffix.empty();
  style.inserts_by_marks = !style.go_template || !dialect::OfGo(*style.go_template, family).insert;
  // Ollama's default template is the prompt alone.
  style.written_out = turn.plain && (turn.plain->raw || (!style.go_template && own.empty()));
  if (style.written_out || style.inserts) return style;
  using Choice = api::ToolChoice::Kind;
  const Choice choice = turn.tool_choice.kind;
  style.thinks = style.can.thinking && style.dialect.thinks() && turn.think != api::Think::kOff;
  style.calls = !turn.tools_json.empty() && choice != Choice::kNone;
  style.must_call = style.calls && (choice == Choice::kRequired || choice == Choice::kNamed);
  return style;
}

Status CheckTurn(const ServedModel& model, const api::Turn& turn) {
  const dialect::Capabilities can = StyleOf(model, turn).can;
  const auto bad = [](std::string message) {
    return Fail(ErrorKind::kInvalid, std::move(message));
  };
  if (model.bundle->makes_embeddings) {
    return bad(
        fmt::format("\"{}\" does not support {}", turn.model, turn.plain ? "generate" : "chat"));
  }
  if (AsksToThink(turn) && !can.thinking && !turn.think_if_able) {
    return bad(fmt::format("\"{}\" does not support thinking", turn.model));
  }
  const std::string full = api::FullModelName(turn.model);
  if (!turn.tools_json.empty() && !can.tools) {
    return bad(fmt::format("{} does not support tools", full));
  }
  if (turn.plain && !turn.plain->suffix.empty() && !can.insert) {
    return bad(fmt::format("{} does not support insert", full));
  }
  if (HasImages(turn)) return bad(fmt::format("{} does not support vision", full));
  return {};
}

}  // namespace axollama::server

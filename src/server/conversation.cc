#include "server/conversation.h"

#include <string_view>
#include <utility>

namespace axollama::server {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr std::string_view kSpaces = " \t\r\n";

api::Message MakeMessage(std::string_view role, std::string content) {
  api::Message message;
  message.role = role;
  message.content = std::move(content);
  return message;
}

// Ollama's choice (filterThinkTags).
bool DropsOldThoughts(const ServedModel& model) {
  const std::string_view name = model.ref.name;
  return model.bundle->model_type == "qwen3" || name.substr(0, name.find(':')) == "deepseek-r1";
}

}  // namespace

std::string WithoutThought(const std::string& content) {
  const size_t begin = content.find_first_not_of(kSpaces);
  if (begin == std::string::npos || content.compare(begin, kOpen.size(), kOpen) != 0) {
    return content;
  }
  const size_t close = content.find(kClose, begin);
  if (close == std::string::npos) return "";  // the answer broke off inside its thinking
  const size_t rest = content.find_first_not_of(kSpaces, close + kClose.size());
  return rest == std::string::npos ? "" : content.substr(rest);
}

std::vector<api::Message> Conversation(const ServedModel& model, const api::Turn& turn) {
  std::vector<api::Message> all;
  if (turn.plain) {
    const std::string& own = turn.plain->system;
    const std::string& system = own.empty() ? model.system : own;
    if (!system.empty()) all.push_back(MakeMessage("system", system));
    if (turn.plain->context.empty()) {
      all.insert(all.end(), model.messages.begin(), model.messages.end());
    }
    all.push_back(MakeMessage("user", turn.plain->prompt));
    return all;
  }
  const bool own = !turn.messages.empty() && turn.messages.front().role == "system";
  if (!own && !model.system.empty()) all.push_back(MakeMessage("system", model.system));
  all.insert(all.end(), model.messages.begin(), model.messages.end());
  all.insert(all.end(), turn.messages.begin(), turn.messages.end());
  if (!DropsOldThoughts(model)) return all;
  size_t last_user = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].role == "user") last_user = i;
  }
  for (size_t i = 0; i < last_user; ++i) {
    if (all[i].role == "assistant") all[i].content = WithoutThought(all[i].content);
  }
  return all;
}

}  // namespace axollama::server

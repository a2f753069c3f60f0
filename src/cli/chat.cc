#include "cli/chat.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "cli/command.h"
#include "cli/session_settings.h"
#include "cli/show_text.h"

namespace axollama::cli {
namespace {

constexpr int kNarrowest = 10;  // columns; breaking lines in fewer helps nobody

// "/show  info " -> "/show", "info"
std::pair<std::string_view, std::string_view> SplitCommand(std::string_view line) {
  const size_t end = std::min(line.find(' '), line.size());
  std::string_view rest = line.substr(end);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  while (rest.ends_with(' ')) rest.remove_suffix(1);
  return {line.substr(0, end), rest};
}

}  // namespace

Status Print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return Fail(ErrorKind::kIo, "cannot write the answer to standard output");
  }
  return {};
}

ViewOptions ViewFor(const RunOptions& options) {
  ViewOptions view;
  view.terminal = isatty(STDOUT_FILENO) == 1;
  view.hide_thinking = options.hide_thinking;
  const int columns = TerminalColumns(STDOUT_FILENO);
  if (options.word_wrap && columns >= kNarrowest) view.columns = columns - 1;
  return view;
}

Chat::Chat(Answerer* answerer, RunOptions options, LineReader* reader, Signals* signals)
    : answerer_(*answerer), options_(std::move(options)), reader_(*reader), signals_(*signals) {}

Status Chat::Told(const Status& status) {
  if (signals_.ended()) return Fail(ErrorKind::kCancelled, "interrupted");
  if (signals_.interrupted()) {
    signals_.Forget();
    answerer_.remote->Resume();
    return Print("\n");
  }
  if (!status) Report(status.error());
  return {};
}

Status Chat::Load(const std::string& model) {
  AX_ASSIGN_OR_RETURN(const json::Object shown,
                      answerer_.remote->Post("/api/show", {{"model", model}}));
  json::Object body{{"model", model}, {"stream", false}};
  if (!options_.keep_alive.empty()) body["keep_alive"] = KeepAliveValue(options_.keep_alive);
  AX_RETURN_IF_ERROR(answerer_.remote->Post("/api/generate", body));
  answerer_.model = model;
  messages_.clear();
  loaded_.clear();
  const json::Value* said = json::Find(shown, "messages");
  if (said == nullptr || !said->is_array()) return {};
  loaded_ = said->get_array();
  for (const json::Value& item : loaded_) {
    if (!item.is_object()) continue;
    const std::string text = TerminalText(TextField(item.get_object(), "content"));
    const bool question = TextField(item.get_object(), "role") == "user";
    AX_RETURN_IF_ERROR(Print(question ? fmt::format(">>> {}\n", text) : text + "\n\n"));
  }
  return {};
}

Status Chat::Run() {
  AX_RETURN_IF_ERROR(Load(answerer_.model));
  std::string line, message;
  while (true) {
    AX_ASSIGN_OR_RETURN(const LineEnd end,
                        reader_.Read(multiline_.open() ? "... " : ">>> ", &line));
    if (end == LineEnd::kEnd) return Print("\n");
    if (end == LineEnd::kInterrupted) {
      AX_RETURN_IF_ERROR(Told({}));
      multiline_.Clear();
      AX_RETURN_IF_ERROR(Print("/bye or Ctrl-D ends the chat.\n"));
      continue;
    }
    if (!multiline_.Add(line, &message)) continue;
    if (message.find_first_not_of(" \t\n") == std::string::npos) continue;
    if (message.starts_with('/')) {
      AX_ASSIGN_OR_RETURN(const After after, Command(message));
      if (after == After::kEnd) return {};
    } else {
      AX_RETURN_IF_ERROR(Told(Ask(message)));
    }
  }
}

Status Chat::Ask(const std::string& question) {
  messages_.push_back(json::Object{{"role", "user"}, {"content", question}});
  AnswerView view(ViewFor(options_));
  std::string thinking, answer;
  json::Object last;
  const Status asked = answerer_.remote->Stream(
      "/api/chat", ChatBody(answerer_.model, options_, messages_),
      [&](const json::Object& object) -> Status {
        last = object;
        const json::Value* message = json::Find(object, "message");
        if (message == nullptr || !message->is_object()) return {};
        const std::string thought = TextField(message->get_object(), "thinking");
        const std::string text = TextField(message->get_object(), "content");
        thinking += thought;
        answer += text;
        return Print(view.Piece(thought, text));
      });
  AX_RETURN_IF_ERROR(Print(view.End()));
  // Of an answer that was stopped the model may be asked on; a question without any is taken back.
  if (answer.empty() && !asked) {
    messages_.pop_back();
    return asked;
  }
  json::Object said{{"role", "assistant"}, {"content", answer}};
  if (!thinking.empty()) said["thinking"] = thinking;
  messages_.push_back(std::move(said));
  AX_RETURN_IF_ERROR(Print(asked ? "\n\n" : ""));
  if (asked && options_.verbose) std::fputs(SpeedsText(last).c_str(), stderr);
  return asked;
}

Result<Chat::After> Chat::Command(const std::string& line) {
  const auto [name, rest] = SplitCommand(line);
  if (name == "/bye" || name == "/exit") return After::kEnd;
  Status done;
  if (name == "/?" || name == "/help") {
    done = Print(ChatHelp());
  } else if (name == "/clear") {
    messages_.clear();
    done = Print("what was said is forgotten\n");
  } else if (name == "/set") {
    const auto reply = ApplySetting(rest, &options_);
    if (reply && reply->history >= 0) reader_.SetHistory(reply->history == 1);
    done = reply ? Print(reply->text) : Status(Fail(reply.error()));
  } else if (name == "/show") {
    done = Show(rest);
  } else if (name == "/save") {
    done = Save(rest);
  } else if (name == "/load") {
    done = rest.empty() ? Status(Fail(ErrorKind::kInvalid, "/load wants a model's name"))
                        : Load(std::string(rest));
    if (done) options_.system.clear();  // the loaded model has its own
  } else {
    done = Fail(ErrorKind::kInvalid,
                fmt::format("there is no command {}: /? lists what there is", name));
  }
  AX_RETURN_IF_ERROR(Told(done));
  return After::kGoOn;
}

Status Chat::Show(std::string_view what) {
  AX_ASSIGN_OR_RETURN(const json::Object answer,
                      answerer_.remote->Post("/api/show", {{"model", answerer_.model}}));
  if (what.empty() || what == "info") return Print(ShowText(answer, false));
  std::string text;
  if (what == "license" || what == "modelfile" || what == "template" || what == "parameters") {
    text = TextField(answer, what);
  } else if (what == "system") {
    text = options_.system.empty() ? TextField(answer, what) : options_.system;
  } else {
    return Fail(ErrorKind::kInvalid,
                fmt::format("there is no /show {}: it shows info, license, modelfile, parameters, "
                            "system or template",
                            what));
  }
  if (what == "parameters" && !options_.options.empty()) {
    text += fmt::format("\nset in this chat:\n{}", json::Write(options_.options));
  }
  if (text.empty()) return Print(fmt::format("the model has no {}\n", what));
  return Print(TerminalText(text) + "\n");
}

Status Chat::Save(std::string_view name) {
  if (name.empty()) return Fail(ErrorKind::kInvalid, "/save wants a name for the model");
  json::Object body{{"model", name}, {"from", answerer_.model}, {"stream", false}};
  if (!options_.system.empty()) body["system"] = options_.system;
  if (!options_.options.empty()) body["parameters"] = options_.options;
  json::Array said = loaded_;
  said.insert(said.end(), messages_.begin(), messages_.end());
  if (!said.empty()) body["messages"] = std::move(said);
  AX_RETURN_IF_ERROR(answerer_.remote->Post("/api/create", body));
  return Print(fmt::format("saved as {}\n", name));
}

}  // namespace axollama::cli

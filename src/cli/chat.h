// The conversation of `axollama run MODEL`: questions, answers, and commands that begin with '/'.
//
// Owner: the command. Threads: one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "cli/answer_view.h"
#include "cli/answerer.h"
#include "cli/line_reader.h"
#include "cli/multiline.h"
#include "cli/run_request.h"
#include "cli/signals.h"

namespace axollama::cli {

// Writes what may be a part of an answer at once, so that a person sees it grow.
Status Print(std::string_view text);
// How answers are shown on this standard output.
ViewOptions ViewFor(const RunOptions& options);

class Chat {
 public:
  // All outlive the chat.
  Chat(Answerer* answerer, RunOptions options, LineReader* reader, Signals* signals);
  // Until /bye, the end of input, or SIGTERM, which is kCancelled. What goes wrong with one
  // question is told, and the chat goes on.
  Status Run();

 private:
  enum class After { kGoOn, kEnd };

  // A model that cannot be used is an error.
  Status Load(const std::string& model);
  Status Ask(const std::string& question);
  Result<After> Command(const std::string& line);
  Status Show(std::string_view what);
  Status Save(std::string_view name);
  // Tells an error of one step, so that the chat goes on; SIGTERM stays one.
  Status Told(const Status& status);

  Answerer& answerer_;
  RunOptions options_;
  LineReader& reader_;
  Signals& signals_;
  Multiline multiline_;
  // What a model that was saved from a chat begins with: the server adds it to each question.
  json::Array loaded_;
  json::Array messages_;  // without the system message, and what follows `loaded_`
};

}  // namespace axollama::cli

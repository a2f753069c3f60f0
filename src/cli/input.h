// Standard input that Ctrl-C can interrupt.
//
// Owner: the command. Threads: one.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/signals.h"

namespace axollama::cli {

class Input {
 public:
  explicit Input(const Signals& signals) : signals_(signals) {}

  // All that is left; closed standard input is an empty one. More than `max_bytes` is kInvalid; an
  // interrupt is kCancelled.
  Result<std::string> ReadAll(size_t max_bytes);
  // The next line without its end; false at the end of input. An interrupt is kCancelled.
  Result<bool> ReadLine(std::string* line);

 private:
  // Appends what can be read now to buffer_; false at the end of input.
  Result<bool> Fill();

  const Signals& signals_;
  std::string buffer_;
};

}  // namespace axollama::cli

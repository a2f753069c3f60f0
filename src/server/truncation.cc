#include "server/truncation.h"

#include <algorithm>

namespace axollama::server {
namespace {

// A conversation of thousands of messages of which the template takes none as the first must not
// keep a model busy with thousands of attempts.
constexpr size_t kMaxRefused = 128;

}  // namespace

std::vector<api::Message> KeepFrom(const std::vector<api::Message>& messages, size_t first) {
  std::vector<api::Message> kept;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (i >= first || messages[i].role == "system") kept.push_back(messages[i]);
  }
  return kept;
}

Result<size_t> FirstThatFits(size_t count, const std::function<Result<bool>(size_t first)>& fits) {
  AX_ASSIGN_OR_RETURN(const bool whole, fits(0));
  if (whole || count == 0) return 0;
  size_t best = count - 1;
  size_t refused = 0;
  size_t begin = 1;
  size_t end = count - 1;  // the last message stays in any case
  while (begin < end) {
    const size_t middle = begin + (end - begin) / 2;
    size_t first = middle;
    Result<bool> fit = fits(first);
    while (!fit && fit.error().kind == ErrorKind::kInvalid && first + 1 < end &&
           ++refused <= kMaxRefused) {
      fit = fits(++first);
    }
    if (!fit && fit.error().kind != ErrorKind::kInvalid) return Fail(fit.error());
    if (fit && !*fit) {
      begin = first + 1;
      continue;
    }
    if (fit) best = first;
    end = middle;
  }
  return best;
}

std::vector<int32_t> CutPrompt(const std::vector<int32_t>& tokens, int64_t keep, int64_t context) {
  const auto size = static_cast<int64_t>(tokens.size());
  keep = std::clamp<int64_t>(keep < 0 ? size : keep, 0, context - 1);
  const int64_t limit = context - std::max<int64_t>((context - keep) / 2, 1);
  if (size <= limit) return tokens;
  std::vector<int32_t> out(tokens.begin(), tokens.begin() + keep);
  out.insert(out.end(), tokens.end() - (limit - keep), tokens.end());
  return out;
}

}  // namespace axollama::server

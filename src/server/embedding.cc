#include "server/embedding.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "api/runner.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/completion.h"
#include "server/turn_prompt.h"

namespace axollama::server {
namespace {

// Of one answer: 32 MiB, which are about 100 MB of text.
constexpr size_t kMaxValues = 8u << 20;

Error TooLong() { return {ErrorKind::kTooLong, "the input length exceeds the context length"}; }

// As Ollama does it. Vectors of zeros stay as they are.
void Normalize(std::span<float> vector) {
  double sum = 0;
  for (const float value : vector) sum += double{value} * value;
  const double length = std::max(std::sqrt(sum), 1e-12);
  for (float& value : vector) value = static_cast<float>(value / length);
}

// The beginning of a text, without a part of a character at its end.
std::string_view CutText(std::string_view text, size_t most_bytes) {
  if (text.size() <= most_bytes) return text;
  while (most_bytes > 0 && (text[most_bytes] & 0xC0) == 0x80) --most_bytes;
  return text.substr(0, most_bytes);
}

// One attempt with one runner.
class Embedding {
 public:
  Embedding(const ServedModel& model, const api::EmbedRequest& request, const Models::Grant& grant,
            CallSlot& slot)
      : request_(request),
        grant_(grant),
        slot_(slot),
        context_tokens_(ContextOf(api::Merge(request.options, model.parameters), grant.props())) {}

  Result<api::Embedded> Run() {
    api::Embedded out;
    for (const api::EmbedInput& input : request_.inputs) {
      AX_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, Tokens(input));
      if (tokens.empty()) {
        return Fail(ErrorKind::kInvalid,
                    fmt::format("input {} is empty: it has no token to embed", out.vectors.size()));
      }
      out.tokens += static_cast<int64_t>(tokens.size());
      AX_ASSIGN_OR_RETURN(std::vector<float> vector, Vector(tokens));
      if (request_.normalize) Normalize(vector);
      if (request_.dimensions > 0 && static_cast<size_t>(request_.dimensions) < vector.size()) {
        vector.resize(static_cast<size_t>(request_.dimensions));
        Normalize(vector);
      }
      out.vectors.push_back(std::move(vector));
    }
    return out;
  }

  int64_t cut_tokens() const { return cut_tokens_; }

 private:
  Result<std::vector<int32_t>> Tokens(const api::EmbedInput& input) {
    const auto limit = static_cast<size_t>(context_tokens_);
    if (input.tokens) {
      if (input.tokens->size() <= limit) return *input.tokens;
      return Cut(*input.tokens, *input.tokens);
    }
    const std::string_view text =
        CutText(input.text, request_.truncate ? limit * kMaxTokenBytes : input.text.size());
    auto whole = Tokenize(grant_, slot_, text, true);
    if (!whole && whole.error().kind == ErrorKind::kTooLong) return Fail(TooLong());
    if (!whole || whole->size() <= limit) return whole;
    AX_ASSIGN_OR_RETURN(const std::vector<int32_t> own, Tokenize(grant_, slot_, text, false));
    return Cut(*whole, own);
  }

  Result<std::vector<int32_t>> Cut(const std::vector<int32_t>& whole,
                                   const std::vector<int32_t>& own) {
    if (!request_.truncate) return Fail(TooLong());
    AX_ASSIGN_OR_RETURN(std::vector<int32_t> cut,
                        CutInput(whole, own, static_cast<size_t>(context_tokens_)));
    cut_tokens_ += static_cast<int64_t>(whole.size() - cut.size());
    return cut;
  }

  Result<std::vector<float>> Vector(const std::vector<int32_t>& tokens) {
    slot_.moved_ns = MonotonicNs();
    // Without a limit: how long a model may take is judged by its progress on the card.
    AX_ASSIGN_OR_RETURN(const std::string body,
                        AskRunner(grant_.target(), "POST", "/v1/embeddings",
                                  api::WriteRunnerEmbedding(tokens, context_tokens_),
                                  std::chrono::milliseconds(0), &slot_));
    return api::ParseRunnerEmbedding(body);
  }

  const api::EmbedRequest& request_;
  const Models::Grant& grant_;
  CallSlot& slot_;
  const int64_t context_tokens_;
  int64_t cut_tokens_ = 0;
};

Status Check(const ServedModel& model, const api::EmbedRequest& request) {
  if (!model.bundle->makes_embeddings) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("\"{}\" does not support embeddings: its files give the next token, "
                            "not a vector; use a model with the capability `embedding`",
                            request.model));
  }
  if (request.refused) return Fail(*request.refused);
  const size_t most = kMaxValues / model.bundle->embedding->width();
  if (request.inputs.size() > most) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} inputs are more than this model embeds at once: send at most {}",
                            request.inputs.size(), most));
  }
  return {};
}

}  // namespace

Result<api::Embedded> RunEmbedding(Models& models, const ServedModel& model,
                                   const api::EmbedRequest& request, net::Responder& responder) {
  const int64_t start_ns = MonotonicNs();
  AX_RETURN_IF_ERROR(Check(model, request));
  api::Embedded out;
  if (request.inputs.empty()) {
    AX_RETURN_IF_ERROR(WithLoaded(models, model.ref, request.keep_alive_ns, responder, nullptr));
    return out;
  }
  int64_t cut_tokens = 0;
  const auto work = [&](const Models::Grant& grant, CallSlot& slot) -> Status {
    Embedding embedding(model, request, grant, slot);
    AX_ASSIGN_OR_RETURN(out, embedding.Run());
    cut_tokens = embedding.cut_tokens();
    return {};
  };
  AX_ASSIGN_OR_RETURN(const int64_t load_ns,
                      WithSequence(models, model.ref, request.keep_alive_ns, responder, work));
  if (cut_tokens > 0) {
    log::Info("server", "{}: {} tokens of inputs that are too long were cut off", model.ref.name,
              cut_tokens);
    responder.SetHeader("X-Axollama-Truncated-Tokens", std::to_string(cut_tokens));
  }
  out.load_ns = load_ns;
  out.total_ns = MonotonicNs() - start_ns;
  return out;
}

Result<std::vector<int32_t>> CutInput(const std::vector<int32_t>& whole,
                                      const std::vector<int32_t>& own, size_t limit) {
  const auto at = std::search(whole.begin(), whole.end(), own.begin(), own.end());
  if (at == whole.end()) {
    return Fail(ErrorKind::kTooLong,
                "input exceeds maximum context length and cannot be truncated further");
  }
  const size_t added = whole.size() - own.size();
  if (added >= limit) {
    return Fail(ErrorKind::kTooLong, "input after truncation exceeds maximum context length");
  }
  const auto behind = at + static_cast<std::ptrdiff_t>(own.size());
  std::vector<int32_t> cut(whole.begin(), at);
  cut.insert(cut.end(), own.begin(), own.begin() + static_cast<std::ptrdiff_t>(limit - added));
  cut.insert(cut.end(), behind, whole.end());
  return cut;
}

}  // namespace axollama::server

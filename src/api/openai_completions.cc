#include "api/openai_completions.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/fields.h"
#include "api/openai_fields.h"
#include "api/sse.h"

namespace axollama::api {
namespace {

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

Result<std::vector<std::string>> ReadPrompts(const Reader& request) {
  const json::Value* prompt = request.Find("prompt");
  if (prompt == nullptr) return std::vector<std::string>{""};
  if (prompt->is_string()) {
    return std::vector<std::string>{std::string(json::View(prompt->get_string()))};
  }
  auto prompts = request.Texts("prompt");
  if (!prompts || prompts->empty()) {
    return Fail(request.Bad("prompt", "must be a string or an array of strings"));
  }
  return prompts;
}

// What would change the answer, and is not there.
Status RefuseMissing(const Reader& request, int64_t choices) {
  AX_ASSIGN_OR_RETURN(const bool echo, request.Flag("echo", false));
  if (echo) return Bad("\"echo\" is not supported: leave it out");
  AX_ASSIGN_OR_RETURN(const std::optional<int64_t> best_of, request.Integer("best_of"));
  if (best_of && *best_of != choices) {
    return Bad("\"best_of\" is not supported: leave it out");
  }
  return {};
}

int64_t Characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace

Turn OpenAiCompletionRequest::Choice(int64_t index) const {
  Turn out = turn;
  out.plain->prompt = prompts[static_cast<size_t>(index / choices_per_prompt)];
  if (out.options.seed) {
    *out.options.seed = static_cast<int64_t>(static_cast<uint64_t>(*out.options.seed) +
                                             static_cast<uint64_t>(index % choices_per_prompt));
  }
  return out;
}

Result<OpenAiCompletionRequest> ParseOpenAiCompletion(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  const Reader reader(object);
  OpenAiCompletionRequest request;
  Turn& turn = request.turn;
  AX_ASSIGN_OR_RETURN(turn.model, reader.Text("model"));
  if (turn.model.empty()) return Bad("model is required");
  AX_ASSIGN_OR_RETURN(request.stream, reader.Flag("stream", false));
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> stream, reader.Inner("stream_options"));
  if (stream) {
    AX_ASSIGN_OR_RETURN(request.include_usage, stream->Flag("include_usage", false));
  }
  AX_ASSIGN_OR_RETURN(request.prompts, ReadPrompts(reader));
  AX_ASSIGN_OR_RETURN(const std::optional<int64_t> n, reader.Integer("n"));
  request.choices_per_prompt = n.value_or(1);
  const auto prompts = static_cast<int64_t>(request.prompts.size());
  if (request.choices_per_prompt < 1 || request.choices_per_prompt > kMaxChoices ||
      prompts > kMaxChoices / request.choices_per_prompt) {
    return Bad(
        fmt::format("\"n\" times the number of prompts must be between 1 and {}", kMaxChoices));
  }
  AX_RETURN_IF_ERROR(RefuseMissing(reader, request.choices_per_prompt));
  turn.plain.emplace();
  turn.plain->prompt = request.prompts.front();
  AX_ASSIGN_OR_RETURN(turn.plain->suffix, reader.Text("suffix"));
  AX_RETURN_IF_ERROR(ReadSampling(reader, &turn.options));
  AX_RETURN_IF_ERROR(ReadPenaltiesSeedAndStop(reader, &turn.options));
  AX_ASSIGN_OR_RETURN(turn.options.num_predict, reader.Integer("max_tokens"));
  AX_ASSIGN_OR_RETURN(turn.logit_bias, ReadLogitBias(reader));
  AX_ASSIGN_OR_RETURN(const std::optional<int64_t> logprobs, reader.Integer("logprobs"));
  if (logprobs && (*logprobs < 0 || *logprobs > kMaxTopLogprobs)) {
    return Bad("\"logprobs\" must be between 0 and 20");
  }
  turn.logprobs = logprobs.has_value();
  turn.top_logprobs = logprobs.value_or(0);
  return request;
}

json::Object OpenAiCompletionAnswer::Choice(std::string_view text,
                                            const std::vector<TokenLogprob>& logprobs,
                                            std::string_view finish_reason) {
  json::Object out{{"text", text}, {"index", choice_}, {"finish_reason", nullptr}};
  if (!finish_reason.empty()) out["finish_reason"] = finish_reason;
  if (!request_.turn.logprobs) return out;
  json::Array tokens, values, tops, offsets;
  for (const TokenLogprob& one : logprobs) {
    tokens.emplace_back(one.token);
    values.emplace_back(one.logprob);
    json::Object top;
    for (const auto& [token, logprob] : one.top) top[token] = logprob;
    tops.push_back(std::move(top));
    offsets.emplace_back(offset_);
    offset_ += Characters(one.token);
  }
  out.emplace("logprobs", json::Object{{"tokens", std::move(tokens)},
                                       {"token_logprobs", std::move(values)},
                                       {"top_logprobs", std::move(tops)},
                                       {"text_offset", std::move(offsets)}});
  return out;
}

json::Object OpenAiCompletionAnswer::Envelope(json::Array choices) const {
  return {{"id", head_.id},
          {"object", "text_completion"},
          {"created", head_.created_s},
          {"model", head_.model},
          {"system_fingerprint", kSystemFingerprint},
          {"choices", std::move(choices)}};
}

void OpenAiCompletionAnswer::Count(const Finish& finish) {
  usage_.Add(finish, request_.first_of_prompt(choice_));
  ++choice_;
  offset_ = 0;
}

std::string OpenAiCompletionAnswer::Take(const Piece& piece) {
  if (piece.content.empty() && piece.logprobs.empty()) return "";
  return SseData(Envelope({Choice(piece.content, piece.logprobs, "")}));
}

std::string OpenAiCompletionAnswer::EndChoice(const Finish& finish) {
  std::string out = SseData(Envelope({Choice("", {}, FinishReason(finish))}));
  Count(finish);
  return out;
}

std::string OpenAiCompletionAnswer::End() {
  std::string out;
  if (request_.include_usage) {
    json::Object last = Envelope({});
    last.emplace("usage", usage_.Write());
    out = SseData(last);
  }
  return out + "data: [DONE]\n\n";
}

std::string OpenAiCompletionAnswer::Write(const std::vector<OpenAiChoice>& choices) {
  json::Array list;
  for (const OpenAiChoice& choice : choices) {
    list.push_back(
        Choice(choice.answer.content, choice.answer.logprobs, FinishReason(choice.finish)));
    Count(choice.finish);
  }
  json::Object out = Envelope(std::move(list));
  out.emplace("usage", usage_.Write());
  return json::Write(out);
}

}  // namespace axollama::api

#include "runner/service.h"

#include <boost/json/object.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/http_status.h"
#include "base/json.h"
#include "base/log.h"
#include "runner/apply_template.h"
#include "runner/embeddings.h"
#include "runner/probabilities.h"
#include "runner/protocol.h"
#include "text/go_template.h"

namespace axollama::runner {
namespace {

constexpr std::string_view kJson = "application/json";

void SendError(net::Responder& responder, const Error& error) {
  responder.Send(HttpStatus(error.kind), kJson, WriteError(error));
}

void SendResult(net::Responder& responder, const Result<std::string>& body) {
  if (!body) return SendError(responder, body.error());
  responder.Send(200, kJson, *body);
}

void SendStatus(net::Responder& responder, int status, std::string_view message,
                std::string_view type) {
  responder.Send(
      status, kJson,
      json::Write(json::Object{
          {"error", json::Object{{"code", status}, {"message", message}, {"type", type}}}}));
}

std::string Props(const ModelInfo& info) {
  return json::Write(json::Object{
      {"default_generation_settings", json::Object{{"n_ctx", info.limits.context_tokens}}},
      {"total_slots", 1},
      {"chat_template", info.chat_template},
      {"model_path", info.folder},
      {"axollama", json::Object{{"backend", info.backend},
                                {"card_id", info.card_id},
                                {"card_uid", fmt::format("{:x}", info.card_uid)},
                                {"library", info.library},
                                {"n_vocab", info.limits.vocab},
                                {"chunk", info.limits.chunk_tokens},
                                {"max_prompt", info.limits.max_prompt_tokens},
                                {"layers", info.limits.layers},
                                {"cmm_bytes", info.cmm_bytes},
                                {"execution", info.queues ? "async" : "sync"},
                                {"load_ms", info.load_ms}}}});
}

Result<std::string> Tokenize(const ModelInfo& info, std::string_view body) {
  AX_ASSIGN_OR_RETURN(const TokenizeRequest request, ReadTokenize(body));
  AX_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                      info.tokenizer->Encode(request.content, request.encode));
  json::Array tokens;
  for (const int32_t id : ids) tokens.emplace_back(id);
  return json::Write(json::Object{{"tokens", std::move(tokens)}});
}

Result<std::string> Detokenize(const ModelInfo& info, std::string_view body) {
  AX_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, ReadDetokenize(body));
  AX_ASSIGN_OR_RETURN(const std::string content, info.tokenizer->Decode(ids, true));
  return json::Write(json::Object{{"content", content}});
}

Result<std::string> Render(const ModelInfo& info, const TemplateRequest& request) {
  if (request.go_template) {
    AX_ASSIGN_OR_RETURN(const auto compiled, text::GoTemplate::Compile(*request.go_template));
    return compiled->Render(request.context);
  }
  if (info.compiled_template == nullptr) {
    return Fail(ErrorKind::kInvalid,
                "the model has no chat template: put a chat_template.jinja into " + info.folder);
  }
  return info.compiled_template->Render(request.context);
}

Result<std::string> ApplyTemplate(const ModelInfo& info, std::string_view body) {
  AX_ASSIGN_OR_RETURN(const TemplateRequest request,
                      ReadApplyTemplate(body, info.bos_token, info.eos_token));
  AX_ASSIGN_OR_RETURN(const std::string prompt, Render(info, request));
  return json::Write(json::Object{{"prompt", prompt}});
}

// Reads the request, makes tokens of its prompt and compiles its grammar; the seed is chosen here
// when none was given.
Result<CompletionRequest> Prepare(const ModelInfo& info, std::string_view body) {
  AX_ASSIGN_OR_RETURN(CompletionRequest request, ReadCompletion(body));
  engine::Request& generate = request.generate;
  if (request.text) {
    AX_ASSIGN_OR_RETURN(generate.tokens, info.tokenizer->Encode(*request.text, request.encode));
  }
  generate.stop.insert(generate.stop.end(), info.stop_strings.begin(), info.stop_strings.end());
  for (uint32_t i = 0; i < generate.stop.size(); ++i) {
    const std::optional<int32_t> id = info.tokenizer->TokenToId(generate.stop[i]);
    if (id && info.tokenizer->IsSpecial(*id)) generate.stop_tokens.emplace_back(*id, i);
  }
  for (const std::string& text : request.preserved_tokens) {
    if (const auto id = info.tokenizer->TokenToId(text)) generate.shown.push_back(*id);
  }
  if (generate.shift && generate.keep_tokens >= 0) {
    // A token that the tokenizer puts first is kept beside those that were asked for.
    AX_ASSIGN_OR_RETURN(const std::vector<int32_t> first, info.tokenizer->Encode("", {}));
    generate.keep_tokens += static_cast<int64_t>(first.size());
  }
  if (request.grammar) {
    AX_ASSIGN_OR_RETURN(generate.grammar,
                        info.grammars->Compile(request.grammar->kind, request.grammar->text));
  }
  if (generate.sampling.seed == -1) {
    std::random_device random;
    generate.sampling.seed = static_cast<int64_t>(random()) << 31 ^ static_cast<int64_t>(random());
  }
  return request;
}

}  // namespace

void Service::SetModel(engine::Engine* engine, std::shared_ptr<const ModelInfo> info) {
  const std::lock_guard lock(mutex_);
  model_ = {engine, std::move(info)};
}

void Service::Handle(const net::Request& request, net::Responder& responder) {
  Model model;
  {
    const std::lock_guard lock(mutex_);
    model = model_;
  }
  const bool get = request.method == "GET" || request.method == "HEAD";
  const std::string& path = request.path;
  const bool is_get = path == "/health" || path == "/props";
  if (!is_get && path != "/tokenize" && path != "/detokenize" && path != "/apply-template" &&
      path != "/completion" && path != "/v1/embeddings") {
    return SendStatus(responder, 404, "no such path: " + path, "not_found_error");
  }
  if (get != is_get || (!get && request.method != "POST")) {
    responder.SetHeader("Allow", is_get ? "GET, HEAD" : "POST");
    return SendStatus(responder, 405, "use " + std::string(is_get ? "GET" : "POST"),
                      "invalid_request_error");
  }
  if (model.info == nullptr) {
    return SendStatus(responder, 503, "Loading model", "unavailable_error");
  }
  const ModelInfo& info = *model.info;
  if (path == "/health") return responder.Send(200, kJson, R"({"status":"ok"})");
  if (path == "/props") return responder.Send(200, kJson, Props(info));
  if (path == "/tokenize") return SendResult(responder, Tokenize(info, request.body));
  if (path == "/detokenize") return SendResult(responder, Detokenize(info, request.body));
  if (path == "/apply-template") return SendResult(responder, ApplyTemplate(info, request.body));
  if (path == "/v1/embeddings") {
    return ServeEmbeddings(*model.engine, info, request.body, responder);
  }
  Completion(model, request, responder);
}

void Service::Completion(const Model& model, const net::Request& request,
                         net::Responder& responder) {
  Result<CompletionRequest> prepared = Prepare(*model.info, request.body);
  if (!prepared) return SendError(responder, prepared.error());
  const bool stream = prepared->stream;
  const size_t each = prepared->generate.logprobs + 1;
  const size_t prompt_tokens = prepared->generate.tokens.size();
  const uint32_t context = engine::ContextOf(prepared->generate, model.info->limits);
  const Result<std::shared_ptr<engine::Generation>> submitted =
      model.engine->Submit(std::move(prepared->generate));
  if (!submitted) {
    const Error& error = submitted.error();
    if (error.kind != ErrorKind::kTooLong) return SendError(responder, error);
    return responder.Send(HttpStatus(error.kind), kJson,
                          WriteTooLong(error, prompt_tokens, context));
  }
  const std::shared_ptr<engine::Generation>& generation = *submitted;
  responder.OnGone([engine = model.engine, generation] { engine->Cancel(generation); });
  if (responder.gone()) model.engine->Cancel(generation);

  std::string text, whole_text;
  std::vector<int32_t> tokens, whole_tokens;
  std::vector<engine::TokenLogprob> logprobs, whole_logprobs;
  const text::Tokenizer& tokenizer = *model.info->tokenizer;
  while (generation->Read(&text, &tokens, &logprobs)) {
    if (!stream) {
      whole_logprobs.insert(whole_logprobs.end(), logprobs.begin(), logprobs.end());
      whole_text += text;
      whole_tokens.insert(whole_tokens.end(), tokens.begin(), tokens.end());
      continue;
    }
    if (!responder.begun()) responder.Begin(200, "text/event-stream");
    if (!responder.Write(WritePiece(text, tokens, Probabilities(logprobs, each, tokenizer)))) {
      model.engine->Cancel(generation);
    }
  }
  responder.OnGone(nullptr);

  const engine::Outcome& outcome = generation->outcome();
  if (!outcome.status && !responder.begun()) return SendError(responder, outcome.status.error());
  if (!stream) {
    return responder.Send(200, kJson,
                          WriteWhole(whole_text, whole_tokens, outcome,
                                     Probabilities(whole_logprobs, each, tokenizer)));
  }
  if (!responder.begun()) responder.Begin(200, "text/event-stream");
  responder.Write(outcome.status ? WriteLast(outcome) : WriteErrorEvent(outcome.status.error()));
}

}  // namespace axollama::runner

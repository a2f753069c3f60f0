#include "runner/embeddings.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include "base/http_status.h"
#include "base/json.h"
#include "base/json_floats.h"
#include "runner/protocol.h"

namespace axollama::runner {
namespace {

// Of one answer: 32 MiB, which are about 100 MB of text.
constexpr size_t kMaxValues = 8u << 20;

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

constexpr std::string_view kInputForms =
    "\"input\" must be a text, a list of token ids, or a list of these";

Result<std::vector<int32_t>> ReadTokens(const json::Array& array) {
  std::vector<int32_t> tokens;
  tokens.reserve(array.size());
  for (const json::Value& item : array) {
    const int64_t* id = item.if_int64();
    if (id == nullptr || *id < 0 || *id > std::numeric_limits<int32_t>::max()) {
      return Bad(std::string(kInputForms));
    }
    tokens.push_back(static_cast<int32_t>(*id));
  }
  return tokens;
}

Result<EmbeddingInput> ReadInput(const json::Value& value) {
  EmbeddingInput input;
  if (value.is_string()) {
    input.text = std::string(json::View(value.get_string()));
  } else if (value.is_array()) {
    AX_ASSIGN_OR_RETURN(input.tokens, ReadTokens(value.get_array()));
  } else {
    return Bad(std::string(kInputForms));
  }
  return input;
}

void Normalize(std::span<float> vector) {
  double sum = 0;
  for (const float value : vector) sum += double{value} * value;
  if (sum == 0) return;
  const double length = std::sqrt(sum);
  for (float& value : vector) value = static_cast<float>(value / length);
}

// One input from text to vector, with the client's leaving seen to.
class Embedder {
 public:
  Embedder(engine::Engine& engine, const ModelInfo& info, const EmbeddingsRequest& request,
           net::Responder& responder)
      : engine_(engine), info_(info), request_(request), responder_(responder) {}
  ~Embedder() { responder_.OnGone(nullptr); }

  // How many tokens it had, and what of it is the answer. False: that was sent.
  bool Embed(size_t index, std::string* body, size_t* tokens) {
    auto vector = Vector(request_.inputs[index], tokens);
    if (!vector) {
      const Error& error = vector.error();
      responder_.Send(HttpStatus(error.kind), "application/json",
                      error.kind == ErrorKind::kTooLong
                          ? WriteTooLong(error, *tokens, context_tokens())
                          : WriteError(error));
      return false;
    }
    if (request_.normalize) Normalize(*vector);
    *body += index == 0 ? R"({"embedding":)" : R"(,{"embedding":)";
    json::WriteFloatsTo(*vector, body);
    *body +=
        fmt::format(R"(,"index":{},"object":"embedding","tokens_evaluated":{}}})", index, *tokens);
    return true;
  }

 private:
  uint32_t context_tokens() const {
    engine::Request request;
    request.context_tokens = request_.context_tokens;
    return engine::ContextOf(request, info_.limits);
  }

  Result<std::vector<float>> Vector(const EmbeddingInput& input, size_t* count) {
    engine::Request request;
    request.embed = true;
    request.context_tokens = request_.context_tokens;
    if (input.tokens) {
      request.tokens = *input.tokens;
    } else {
      const text::EncodeOptions encode{.add_special = true, .parse_special = true};
      AX_ASSIGN_OR_RETURN(request.tokens, info_.tokenizer->Encode(input.text, encode));
    }
    *count = request.tokens.size();
    AX_ASSIGN_OR_RETURN(const auto generation, engine_.Submit(std::move(request)));
    responder_.OnGone([&engine = engine_, generation] { engine.Cancel(generation); });
    if (responder_.gone()) engine_.Cancel(generation);
    std::string text;
    std::vector<int32_t> tokens;
    while (generation->Read(&text, &tokens)) {
    }
    const engine::Outcome& outcome = generation->outcome();
    AX_RETURN_IF_ERROR(outcome.status);
    return outcome.embedding;
  }

  engine::Engine& engine_;
  const ModelInfo& info_;
  const EmbeddingsRequest& request_;
  net::Responder& responder_;
};

}  // namespace

Result<EmbeddingsRequest> ReadEmbeddings(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, json::ParseObject(body, "the request"));
  EmbeddingsRequest request;
  const json::Value* input = json::Find(object, "input");
  if (input == nullptr) return Bad("\"input\" must be given");
  const json::Array* list = input->if_array();
  if (list == nullptr || (!list->empty() && list->front().is_number())) {
    AX_ASSIGN_OR_RETURN(EmbeddingInput one, ReadInput(*input));
    request.inputs.push_back(std::move(one));
  } else {
    for (const json::Value& item : *list) {
      AX_ASSIGN_OR_RETURN(EmbeddingInput one, ReadInput(item));
      request.inputs.push_back(std::move(one));
    }
  }
  if (request.inputs.empty()) return Bad("\"input\" must not be empty");
  AX_ASSIGN_OR_RETURN(const int64_t normalize, json::GetInt(object, "embd_normalize", 2));
  if (normalize != 2 && normalize != -1) {
    return Bad("\"embd_normalize\" must be 2 (to the length 1) or -1 (as they are)");
  }
  request.normalize = normalize == 2;
  AX_ASSIGN_OR_RETURN(const int64_t context, json::GetInt(object, "n_ctx", 0));
  if (context < 0 || context > std::numeric_limits<int32_t>::max()) {
    return Bad("\"n_ctx\" must be a number of tokens");
  }
  request.context_tokens = static_cast<uint32_t>(context);
  return request;
}

void ServeEmbeddings(engine::Engine& engine, const ModelInfo& info, std::string_view body,
                     net::Responder& responder) {
  const auto refuse = [&](const Error& error) {
    responder.Send(HttpStatus(error.kind), "application/json", WriteError(error));
  };
  if (!info.limits.makes_embeddings) {
    return refuse({ErrorKind::kInvalid, "the model does not make embeddings"});
  }
  const auto request = ReadEmbeddings(body);
  if (!request) return refuse(request.error());
  if (const size_t most = kMaxValues / info.limits.hidden; request->inputs.size() > most) {
    return refuse({ErrorKind::kInvalid, fmt::format("\"input\" has {} texts: at most {} are "
                                                    "embedded at once",
                                                    request->inputs.size(), most)});
  }
  std::string answer = R"({"object":"list","data":[)";
  size_t total_tokens = 0;
  Embedder embedder(engine, info, *request, responder);
  for (size_t i = 0; i < request->inputs.size(); ++i) {
    size_t tokens = 0;
    if (!embedder.Embed(i, &answer, &tokens)) return;
    total_tokens += tokens;
  }
  answer += fmt::format(R"(],"usage":{{"prompt_tokens":{0},"total_tokens":{0}}}}})", total_tokens);
  responder.Send(200, "application/json", answer);
}

}  // namespace axollama::runner

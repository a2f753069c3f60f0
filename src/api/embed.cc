#include "api/embed.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "api/fields.h"
#include "api/keep_alive.h"
#include "api/protocol.h"
#include "base/json.h"
#include "base/json_floats.h"

namespace axollama::api {
namespace {

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

// model, keep_alive and options.
Status ReadHead(const json::Object& object, EmbedRequest* request) {
  AX_ASSIGN_OR_RETURN(request->model, json::GetString(object, "model", ""));
  AX_ASSIGN_OR_RETURN(request->keep_alive_ns, ParseKeepAlive(object));
  if (const json::Value* options = json::Find(object, "options");
      options != nullptr && !options->is_object()) {
    return Bad("\"options\" must be an object");
  }
  if (auto options = ParseOptions(object)) {
    request->options = std::move(*options);
  } else {
    request->refused = std::move(options).error();
  }
  return {};
}

Result<std::vector<int32_t>> ReadIds(const json::Array& array) {
  std::vector<int32_t> ids;
  ids.reserve(array.size());
  for (const json::Value& item : array) {
    if (!item.is_int64() || item.get_int64() < 0 ||
        item.get_int64() > std::numeric_limits<int32_t>::max()) {
      return Bad("invalid input type");
    }
    ids.push_back(static_cast<int32_t>(item.get_int64()));
  }
  return ids;
}

// `ids`: a list may hold lists of token ids too.
Status ReadList(const json::Array& list, bool ids, std::vector<EmbedInput>* inputs) {
  for (const json::Value& item : list) {
    EmbedInput& input = inputs->emplace_back();
    if (item.is_string()) {
      input.text = std::string(json::View(item.get_string()));
    } else if (ids && item.is_array()) {
      AX_ASSIGN_OR_RETURN(input.tokens, ReadIds(item.get_array()));
    } else {
      return Bad("invalid input type");
    }
  }
  return {};
}

uint32_t Bits(float value) { return std::bit_cast<uint32_t>(value); }

// Of the floats as little-endian bytes.
void WriteBase64(std::span<const float> values, std::string* out) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size_t bytes = values.size() * sizeof(float);
  const auto byte = [&](size_t i) -> uint32_t {
    return i < bytes ? Bits(values[i / 4]) >> (8 * (i % 4)) & 0xFF : 0;
  };
  for (size_t i = 0; i < bytes; i += 3) {
    const uint32_t three = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (size_t digit = 0; digit < 4; ++digit) {
      *out += i + digit > bytes ? '=' : kDigits[three >> (18 - 6 * digit) & 63];
    }
  }
}

}  // namespace

Result<EmbedRequest> ParseEmbed(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  EmbedRequest request;
  AX_RETURN_IF_ERROR(ReadHead(object, &request));
  AX_ASSIGN_OR_RETURN(request.truncate, json::GetBool(object, "truncate", true));
  AX_ASSIGN_OR_RETURN(request.dimensions, json::GetInt(object, "dimensions", 0));
  const json::Value* input = json::Find(object, "input");
  if (input == nullptr) return request;
  if (input->is_array()) {
    AX_RETURN_IF_ERROR(ReadList(input->get_array(), false, &request.inputs));
  } else if (!input->is_string()) {
    return Bad("invalid input type");
  } else if (!input->get_string().empty()) {
    request.inputs.push_back({std::string(json::View(input->get_string())), std::nullopt});
  }
  return request;
}

Result<EmbedRequest> ParseEmbeddings(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  EmbedRequest request;
  AX_RETURN_IF_ERROR(ReadHead(object, &request));
  if (request.model.empty()) return Bad("model is required");
  request.truncate = false;
  request.normalize = false;
  AX_ASSIGN_OR_RETURN(std::string prompt, json::GetString(object, "prompt", ""));
  if (!prompt.empty()) request.inputs.push_back({std::move(prompt), std::nullopt});
  return request;
}

Result<EmbedRequest> ParseOpenAiEmbeddings(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  EmbedRequest request;
  AX_ASSIGN_OR_RETURN(request.model, json::GetString(object, "model", ""));
  AX_ASSIGN_OR_RETURN(request.dimensions, json::GetInt(object, "dimensions", 0));
  AX_ASSIGN_OR_RETURN(const std::string given, json::GetString(object, "encoding_format", ""));
  std::string format = given;
  for (char& c : format) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (!format.empty() && format != "float" && format != "base64") {
    return Bad(fmt::format(
        "Invalid value for 'encoding_format' = {}. Supported values: ['float', 'base64'].", given));
  }
  request.as_base64 = format == "base64";
  const json::Value* input = json::Find(object, "input");
  if (input == nullptr || (input->is_array() && input->get_array().empty())) {
    return Bad("invalid input");
  }
  if (input->is_string()) {
    request.inputs.push_back({std::string(json::View(input->get_string())), std::nullopt});
  } else if (!input->is_array()) {
    return Bad("invalid input type");
  } else if (input->get_array().front().is_number()) {
    AX_ASSIGN_OR_RETURN(std::vector<int32_t> ids, ReadIds(input->get_array()));
    request.inputs.push_back({"", std::move(ids)});
  } else {
    AX_RETURN_IF_ERROR(ReadList(input->get_array(), true, &request.inputs));
  }
  return request;
}

std::string WriteEmbed(std::string_view model, const Embedded& embedded) {
  std::string out = R"({"model":)" + json::Write(json::Value(model)) + R"(,"embeddings":[)";
  for (size_t i = 0; i < embedded.vectors.size(); ++i) {
    if (i > 0) out += ',';
    json::WriteFloatsTo(embedded.vectors[i], &out);
  }
  out += ']';
  const std::pair<const char*, int64_t> numbers[] = {{"total_duration", embedded.total_ns},
                                                     {"load_duration", embedded.load_ns},
                                                     {"prompt_eval_count", embedded.tokens}};
  for (const auto& [name, value] : numbers) {
    if (value != 0) out += fmt::format(R"(,"{}":{})", name, value);
  }
  return out + '}';
}

std::string WriteEmbeddings(const Embedded& embedded) {
  std::string out = R"({"embedding":)";
  json::WriteFloatsTo(
      embedded.vectors.empty() ? std::span<const float>() : embedded.vectors.front(), &out);
  return out + '}';
}

std::string WriteOpenAiEmbeddings(const EmbedRequest& request, const Embedded& embedded) {
  std::string out = R"({"object":"list","data":[)";
  for (size_t i = 0; i < embedded.vectors.size(); ++i) {
    out +=
        i == 0 ? R"({"object":"embedding","embedding":)" : R"(,{"object":"embedding","embedding":)";
    if (request.as_base64) {
      out += '"';
      WriteBase64(embedded.vectors[i], &out);
      out += '"';
    } else {
      json::WriteFloatsTo(embedded.vectors[i], &out);
    }
    out += fmt::format(R"(,"index":{}}})", i);
  }
  out += R"(],"model":)" + json::Write(json::Value(request.model));
  return out +
         fmt::format(R"(,"usage":{{"prompt_tokens":{0},"total_tokens":{0}}}}})", embedded.tokens);
}

std::string WriteRunnerEmbedding(const std::vector<int32_t>& tokens, int64_t context_tokens) {
  return json::Write(json::Object{{"input", json::Array(tokens.begin(), tokens.end())},
                                  {"embd_normalize", -1},
                                  {"n_ctx", context_tokens}});
}

Result<std::vector<float>> ParseRunnerEmbedding(std::string_view body) {
  const auto object = json::ParseObject(body, "the answer");
  if (!object) return ProtocolError(object.error().message);
  const json::Value* data = json::Find(*object, "data");
  const json::Value* first = data != nullptr && data->is_array() && data->get_array().size() == 1
                                 ? &data->get_array()[0]
                                 : nullptr;
  const json::Value* list = first != nullptr && first->is_object()
                                ? json::Find(first->get_object(), "embedding")
                                : nullptr;
  if (list == nullptr || !list->is_array()) return ProtocolError("no \"embedding\"");
  std::vector<float> vector;
  vector.reserve(list->get_array().size());
  for (const json::Value& item : list->get_array()) {
    const double value = item.is_number() ? item.to_number<double>() : std::nan("");
    if (!std::isfinite(static_cast<float>(value))) {
      return ProtocolError("\"embedding\" holds something else than numbers");
    }
    vector.push_back(static_cast<float>(value));
  }
  return vector;
}

}  // namespace axollama::api

#include "api/openai_models.h"

#include <algorithm>

#include "base/http_status.h"

namespace axollama::api {
namespace {

// The part before the last slash, without a host: `library` where there is none.
std::string_view Namespace(std::string_view name) {
  const size_t end = name.rfind('/');
  if (end == std::string_view::npos) return "library";
  const size_t start = name.rfind('/', end == 0 ? 0 : end - 1);
  return start == std::string_view::npos || end == 0 ? name.substr(0, end)
                                                     : name.substr(start + 1, end - start - 1);
}

json::Object Model(const OpenAiModel& model) {
  return {{"id", model.id},
          {"object", "model"},
          {"created", model.modified_ns / 1'000'000'000},
          {"owned_by", Namespace(model.id)}};
}

std::string_view Type(int status) {
  switch (status) {
    case 400:
      return "invalid_request_error";
    case 404:
      return "not_found_error";
    default:
      return "api_error";
  }
}

std::string ErrorObject(int status, std::string_view message, const json::Value& code) {
  return json::Write(json::Object{
      {"error",
       json::Object{
           {"message", message}, {"type", Type(status)}, {"param", nullptr}, {"code", code}}}});
}

}  // namespace

std::string WriteOpenAiModels(std::vector<OpenAiModel> models) {
  std::stable_sort(models.begin(), models.end(), [](const OpenAiModel& a, const OpenAiModel& b) {
    return a.modified_ns > b.modified_ns;
  });
  json::Array data;
  for (const OpenAiModel& model : models) data.push_back(Model(model));
  return json::Write(json::Object{{"object", "list"}, {"data", std::move(data)}});
}

std::string WriteOpenAiModel(const OpenAiModel& model) { return json::Write(Model(model)); }

std::string WriteOpenAiError(const Error& error) {
  return ErrorObject(HttpStatus(error.kind), error.message,
                     error.kind == ErrorKind::kTooLong ? json::Value("context_length_exceeded")
                                                       : json::Value(nullptr));
}

std::string WriteOpenAiError(int status, std::string_view message) {
  return ErrorObject(status, message, nullptr);
}

}  // namespace axollama::api

#include "api/prototype.h"

#include "api/fields.h"
#include "base/json.h"

namespace axollama::api {
namespace {

bool Blank(std::string_view body) {
  return body.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

template <typename T>
json::Value OrNull(const std::optional<T>& value) {
  return value ? json::Value(*value) : json::Value();
}

json::Value Megabytes(const std::optional<uint64_t>& bytes) {
  return bytes ? json::Value(*bytes >> 20) : json::Value();
}

}  // namespace

Result<PrototypeLoadRequest> ParsePrototypeLoad(std::string_view body) {
  PrototypeLoadRequest request;
  if (Blank(body)) return request;
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  AX_ASSIGN_OR_RETURN(request.model_path, json::GetString(object, "model_path", ""));
  return request;
}

std::string WritePrototypeLoad(std::string_view model, std::string_view backend) {
  return json::Write(json::Object{{"status", "loaded"}, {"model", model}, {"backend", backend}});
}

Result<PrototypeGenerateRequest> ParsePrototypeGenerate(std::string_view body) {
  if (Blank(body)) return Fail(ErrorKind::kInvalid, "missing prompt");
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  PrototypeGenerateRequest r;
  AX_ASSIGN_OR_RETURN(r.prompt, json::GetString(object, "prompt", ""));
  if (r.prompt.empty()) return Fail(ErrorKind::kInvalid, "missing prompt");
  AX_ASSIGN_OR_RETURN(r.max_tokens, json::GetInt(object, "max_tokens", r.max_tokens));
  AX_ASSIGN_OR_RETURN(r.temperature, json::GetDouble(object, "temperature", r.temperature));
  AX_ASSIGN_OR_RETURN(r.top_p, json::GetDouble(object, "top_p", r.top_p));
  AX_ASSIGN_OR_RETURN(r.top_k, json::GetInt(object, "top_k", r.top_k));
  AX_ASSIGN_OR_RETURN(r.stream, json::GetBool(object, "stream", r.stream));
  return r;
}

std::string WritePrototypeText(std::string_view text) {
  return json::Write(json::Object{{"text", text}});
}

std::string WritePrototypeChunk(std::string_view text) {
  return json::Write(json::Object{{"text", text}, {"done", false}});
}

std::string WritePrototypeDone(std::string_view done_reason) {
  return json::Write(json::Object{{"text", ""}, {"done", true}, {"done_reason", done_reason}});
}

std::string WritePrototypeReset() { return json::Write(json::Object{{"status", "reset"}}); }

std::string WritePrototypeHealth(const PrototypeHealth& h) {
  return json::Write(json::Object{{"status", h.status},
                                  {"backend_type", h.backend_type},
                                  {"model_loaded", h.model_loaded},
                                  {"model_path", OrNull(h.model_path)},
                                  {"temperature_c", OrNull(h.temperature_c)},
                                  {"memory_usage_mb", Megabytes(h.memory_usage_bytes)},
                                  {"memory_total_mb", Megabytes(h.memory_total_bytes)},
                                  {"npu_utilization_pct", OrNull(h.npu_utilization_pct)}});
}

}  // namespace axollama::api

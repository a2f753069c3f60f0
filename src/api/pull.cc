#include "api/pull.h"

#include "api/fields.h"
#include "base/json.h"

namespace axollama::api {

Result<PullRequest> ParsePull(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  PullRequest request;
  AX_ASSIGN_OR_RETURN(request.model, json::GetString(object, "model", ""));
  AX_ASSIGN_OR_RETURN(const std::string name, json::GetString(object, "name", ""));
  if (request.model.empty()) request.model = name;
  AX_ASSIGN_OR_RETURN(request.insecure, json::GetBool(object, "insecure", false));
  AX_ASSIGN_OR_RETURN(request.stream, json::GetBool(object, "stream", true));
  return request;
}

std::string WriteProgress(std::string_view status, std::string_view digest, uint64_t total,
                          uint64_t completed) {
  json::Object object;
  object["status"] = status;
  if (!digest.empty()) object["digest"] = digest;
  if (total > 0) object["total"] = total;
  if (completed > 0) object["completed"] = completed;
  return json::Write(object);
}

}  // namespace axollama::api

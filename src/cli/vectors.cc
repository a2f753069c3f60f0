#include "cli/vectors.h"

#include <fmt/format.h>

namespace axollama::cli {

Result<bool> MakesVectors(Remote& remote, const std::string& model) {
  AX_ASSIGN_OR_RETURN(const json::Object about, remote.Post("/api/show", {{"model", model}}));
  const json::Value* capabilities = json::Find(about, "capabilities");
  if (capabilities == nullptr || !capabilities->is_array()) return false;
  for (const json::Value& one : capabilities->get_array()) {
    if (one.is_string() && json::View(one.get_string()) == "embedding") return true;
  }
  return false;
}

Status PrintVectors(Remote& remote, const json::Object& body, bool as_json) {
  AX_ASSIGN_OR_RETURN(const json::Object answer, remote.Post("/api/embed", body));
  if (as_json) {
    fmt::print("{}\n", json::Write(answer));
    return {};
  }
  const json::Value* vectors = json::Find(answer, "embeddings");
  if (vectors == nullptr || !vectors->is_array()) {
    return Fail(ErrorKind::kInternal,
                fmt::format("{} answered without embeddings", remote.address()));
  }
  for (const json::Value& vector : vectors->get_array()) fmt::print("{}\n", json::Write(vector));
  return {};
}

}  // namespace axollama::cli

// `axollama create`: a model from another one, or from a GGUF file, as a Modelfile says.
#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "base/file.h"
#include "base/sha256.h"
#include "cli/cli_main.h"
#include "cli/command.h"
#include "cli/connection.h"
#include "cli/create_request.h"
#include "cli/stream_progress.h"

namespace axollama::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxModelfileBytes = 16u << 20;
constexpr size_t kMaxUploadBytes = 1u << 30;  // it is in memory while it is sent

// The file's bytes as the blob that /api/create wants by its digest.
Status BringFile(Remote& remote, const fs::path& path, json::Object* body) {
  AX_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  if (file.bytes().size() > kMaxUploadBytes) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("{} is {}, and files up to {} are brought to the server: make the "
                    "model with `axollama sim build`, and name it with `axollama add`",
                    path.string(), HumanBytes(file.bytes().size()), HumanBytes(kMaxUploadBytes)));
  }
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()),
                               file.bytes().size());
  const std::string digest = "sha256:" + Sha256Hex(bytes);
  AX_ASSIGN_OR_RETURN(const bool there, remote.HasBlob(digest));
  if (!there) AX_RETURN_IF_ERROR(remote.Upload(digest, bytes));
  (*body)["files"] = json::Object{{path.filename().string(), digest}};
  return {};
}

// FROM is a path where there is such a file, else a name: as Ollama tells them apart.
Status AddBase(Remote& remote, const fs::path& folder, const std::string& from,
               json::Object* body) {
  const fs::path path = folder / from;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_regular_file(status)) return BringFile(remote, path, body);
  if (fs::is_directory(status)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("FROM {}: a folder gets a name with `axollama add {} NAME`, and that "
                            "name can stand here",
                            from, path.lexically_normal().string()));
  }
  if (from.starts_with('/') || from.starts_with('.')) {
    return Fail(ErrorKind::kNotFound, fmt::format("FROM {}: there is no file {}", from,
                                                  path.lexically_normal().string()));
  }
  (*body)["from"] = from;
  return {};
}

}  // namespace

int CreateMain(int argc, char** argv) {
  CLI::App app("Makes a model as a Modelfile says", "axollama create");
  std::string name, file = "Modelfile", quantize;
  bool as_json = false;
  app.add_option("NAME", name, "the new NAME or NAME:TAG")->required();
  app.add_option("-f,--file", file, "the Modelfile (default: Modelfile)");
  app.add_option("-q,--quantize", quantize, "what weights of a GGUF file become, such as q8_0");
  app.add_flag("--json", as_json, "the server's lines as they are, on standard output");
  return WithServer(app, argc, argv, NoServer::kStartOne, [&](Remote& remote) -> Status {
    AX_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxModelfileBytes));
    AX_ASSIGN_OR_RETURN(const auto commands, api::ParseModelfile(text));
    AX_ASSIGN_OR_RETURN(CreatePlan plan, PlanCreate(name, commands, quantize));
    AX_RETURN_IF_ERROR(AddBase(remote, fs::path(file).parent_path(), plan.from, &plan.body));
    return StreamProgress(remote, "/api/create", plan.body, as_json);
  });
}

}  // namespace axollama::cli

#include "server/model_builder.h"

#include <fmt/format.h>
#include <signal.h>

#include <chrono>
#include <fstream>
#include <mutex>
#include <system_error>
#include <vector>

#include "server/child.h"
#include "store/manifest.h"

namespace axollama::server {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kPoll{100};
constexpr milliseconds kTermPatience{5'000};

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

struct Upload {
  std::string name, digest;
  fs::path blob;
};

Result<std::vector<Upload>> FindUploads(const store::Store& store,
                                        const std::map<std::string, std::string>& files) {
  std::vector<Upload> uploads;
  for (const auto& [name, text] : files) {
    AX_ASSIGN_OR_RETURN(std::string digest, store::ParseDigest(text));
    if (!store.blobs().Has(digest)) return Bad(fmt::format("blob \"{}\" not found", text));
    fs::path blob = store.blobs().PathOf(digest);
    uploads.push_back({name, std::move(digest), std::move(blob)});
  }
  return uploads;
}

bool IsGguf(const fs::path& file) {
  char magic[4] = {};
  std::ifstream(file, std::ios::binary).read(magic, sizeof magic);
  return std::string_view(magic, sizeof magic) == "GGUF";
}

// A folder in which the files have their names again. The names are relative paths without `..`.
Status MakeSource(const std::vector<Upload>& uploads, const fs::path& folder) {
  for (const Upload& upload : uploads) {
    const fs::path file = folder / upload.name;
    std::error_code error;
    fs::create_directories(file.parent_path(), error);
    if (!error) fs::create_hard_link(upload.blob, file, error);
    if (error) {
      return Fail(ErrorKind::kIo,
                  fmt::format("cannot make {}: {}", file.string(), error.message()));
    }
  }
  return {};
}

// What the builder reads: a file or a folder.
Result<fs::path> SourceOf(const std::vector<Upload>& uploads, const fs::path& work) {
  if (uploads.size() == 1) {
    if (IsGguf(uploads.front().blob)) return uploads.front().blob;
    if (uploads.front().name.ends_with(".safetensors")) {
      return Bad(
          "safetensors alone are no model: config.json and the tokenizer's files are missing");
    }
    return Bad("supplied file was not in GGUF format");
  }
  bool safetensors = false;
  for (const Upload& upload : uploads) {
    if (IsGguf(upload.blob)) return Bad("a model must be one GGUF file: merge its parts first");
    safetensors = safetensors || upload.name.ends_with(".safetensors");
  }
  if (!safetensors) return Bad("unknown type");
  const fs::path folder = work / "source";
  AX_RETURN_IF_ERROR(MakeSource(uploads, folder));
  return folder;
}

Status RunBuilder(const std::vector<std::string>& arguments, net::Responder& responder) {
  ChildOptions options;
  options.arguments = {"axollama", "sim", "build"};
  options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
  AX_ASSIGN_OR_RETURN(const std::unique_ptr<Child> child, Child::Start(std::move(options)));
  while (!child->WaitFor(kPoll)) {
    if (!responder.gone()) continue;
    child->Signal(SIGTERM);
    if (!child->WaitFor(kTermPatience)) child->Signal(SIGKILL);
    return Fail(ErrorKind::kCancelled, "the client has gone");
  }
  if (child->exit_code() == 0) return {};
  const std::string why = child->last_error();
  return Bad(
      fmt::format("cannot make a model of these files: {}", why.empty() ? child->EndText() : why));
}

}  // namespace

Result<std::string> WeightsFor(const std::string& quantize) {
  std::string lower = quantize;
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (lower.empty() || lower == "s8" || lower == "q8_0") return std::string("s8");
  if (lower == "s4" || lower.starts_with("q4_")) return std::string("s4");
  if (lower == "bf16" || lower == "f16" || lower == "f32") return std::string("bf16");
  return Bad(
      fmt::format("unsupported quantization \"{}\": the card has q8_0, q4_0 and bf16", quantize));
}

Result<fs::path> BuildModel(store::Store& store, const std::map<std::string, std::string>& files,
                            const std::string& quantize, std::optional<int64_t> context_tokens,
                            net::Responder& responder,
                            const std::function<void(const std::string&)>& say) {
  // A build takes memory and every core: two at once would take longer than one after the other.
  static std::mutex building;
  AX_ASSIGN_OR_RETURN(const std::string weights, WeightsFor(quantize));
  AX_ASSIGN_OR_RETURN(const std::vector<Upload> uploads, FindUploads(store, files));
  const std::unique_lock<std::mutex> lock(building, std::try_to_lock);
  if (!lock) {
    return Fail(ErrorKind::kBusy, "another model is being made: try again when it is done");
  }
  AX_ASSIGN_OR_RETURN(const store::WorkFolder work, store.MakeWorkFolder());
  AX_ASSIGN_OR_RETURN(const fs::path source, SourceOf(uploads, work.path()));
  say(fs::is_directory(source) ? "parsing safetensors" : "parsing GGUF");
  say(fmt::format("building {} model for the simulated card", weights));
  const fs::path out = work.path() / "bundle";
  std::vector<std::string> arguments = {source.string(), out.string(), "--weights", weights};
  if (context_tokens) {
    arguments.insert(arguments.end(), {"--context", std::to_string(*context_tokens)});
  }
  AX_RETURN_IF_ERROR(RunBuilder(arguments, responder));
  AX_ASSIGN_OR_RETURN(fs::path folder, store.Adopt(out));
  for (const Upload& upload : uploads) store.RemoveUpload(upload.digest);
  return folder;
}

}  // namespace axollama::server

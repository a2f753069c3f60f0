// What changes the models: /api/create, /api/copy, /api/delete, /api/blobs, and the routes of
// ollama.com's accounts, which are not here.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/errors.h"
#include "api/manage.h"
#include "api/options.h"
#include "base/disk_room.h"
#include "base/log.h"
#include "server/model_builder.h"
#include "server/routes.h"
#include "store/manifest.h"

namespace axollama::server {
namespace {

constexpr std::string_view kBlobs = "/api/blobs/";
constexpr uint64_t kRoomStep = 64u << 20;

// As the head says; 0: it does not.
uint64_t LengthOf(const net::Request& request) {
  const std::string_view text = request.headers.Get("Content-Length");
  uint64_t length = 0;
  std::from_chars(text.data(), text.data() + text.size(), length);
  return length;
}

Result<std::string> DigestOf(const net::Request& request) {
  return store::ParseDigest(std::string_view(request.path).substr(kBlobs.size()));
}

// The base's texts with what the request says over them, as Ollama does it.
store::Texts MergeTexts(store::Texts base, const api::CreateRequest& request) {
  if (!request.system.empty()) base.system = request.system;
  if (request.go_template) base.go_template = request.go_template;
  for (const auto& [key, value] : request.parameters) base.parameters[key] = value;
  if (!request.messages.empty()) {
    base.messages.clear();
    for (const api::Message& message : request.messages) {
      base.messages.push_back({message.role, message.content});
    }
  }
  if (!request.required_version.empty()) base.required_version = request.required_version;
  base.licenses.insert(base.licenses.end(), request.licenses.begin(), request.licenses.end());
  return base;
}

}  // namespace

bool Routes::StreamsBody(std::string_view method, std::string_view path) {
  return method == "POST" && path.starts_with(kBlobs);
}

void Routes::Create(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParseCreate(http.body);
  if (!request) return SendError(responder, request.error());
  const auto name = store::ParseName(request->model);
  if (!name) return SendError(responder, name.error());
  const auto say = [&](const std::string& status) {
    if (request->stream) SendLine(responder, api::WriteStatus(status));
  };
  const auto make = [&]() -> Status {
    if (!request->from.empty()) {
      AX_ASSIGN_OR_RETURN(const store::Model base, models_->store().Find(request->from));
      return models_->store().Write(*name, base.folder, MergeTexts(base.texts, *request),
                                    base.name.Short(), say);
    }
    if (request->files.empty()) {
      return Fail(ErrorKind::kInvalid, "neither 'from' or 'files' was specified");
    }
    AX_ASSIGN_OR_RETURN(const api::Options options,
                        api::ParseOptions({{"options", request->parameters}}));
    AX_ASSIGN_OR_RETURN(const std::filesystem::path folder,
                        BuildModel(models_->store(), request->files, request->quantize,
                                   options.num_ctx, responder, say));
    return models_->store().Write(*name, folder, MergeTexts({}, *request), "", say);
  };
  if (const Status made = make(); !made) return SendError(responder, made.error());
  log::Info("server", "{} was created", name->Short());
  if (request->stream) {
    SendLine(responder, api::WriteStatus("success"));
  } else {
    SendJson(responder, api::WriteStatus("success"));
  }
}

void Routes::Copy(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParseCopy(http.body);
  if (!request) return SendError(responder, request.error());
  const auto source = store::Name::Parse(request->source);
  if (!source) {
    return SendError(
        responder, {ErrorKind::kInvalid, fmt::format("source \"{}\" is invalid", request->source)});
  }
  const auto target = store::Name::Parse(request->destination);
  if (!target) {
    return SendError(responder, {ErrorKind::kInvalid, fmt::format("destination \"{}\" is invalid",
                                                                  request->destination)});
  }
  auto model = models_->store().FindExactly(*source);
  if (!model && model.error().kind == ErrorKind::kNotFound) {
    return SendError(
        responder, {ErrorKind::kNotFound, fmt::format("model \"{}\" not found", request->source)});
  }
  if (!model) return SendError(responder, model.error());
  if (const Status done = models_->store().Copy(*model, *target); !done) {
    return SendError(responder, done.error());
  }
  responder.Send(200, "", "");
}

void Routes::Delete(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParseNamed(http.body);
  if (!request) return SendError(responder, request.error());
  if (request->model.empty()) {
    return SendError(responder, {ErrorKind::kInvalid, "model is required"});
  }
  const auto name = store::Name::Parse(request->model);
  if (!name) {
    return SendError(responder,
                     {ErrorKind::kInvalid, fmt::format("name \"{}\" is invalid", request->model)});
  }
  const auto model = models_->store().FindExactly(*name);
  const Status done = models_->store().Delete(*name);
  if (!done && done.error().kind == ErrorKind::kNotFound) {
    return SendError(responder, api::ModelNotFound(request->model));
  }
  if (!done) return SendError(responder, done.error());
  log::Info("server", "{} was removed", name->Short());
  // Whoever is served by it just now is served to the end: its files are in use, not its name. What
  // other names have is left loaded for them.
  const auto has = [&](const store::Model& other) { return other.folder == model->folder; };
  const std::vector<store::Model> others = models_->store().List();
  if (model && std::none_of(others.begin(), others.end(), has)) {
    models_->Unload({model->name.Short(), model->folder});
  }
  responder.Send(200, "", "");
}

void Routes::HeadBlob(const net::Request& http, net::Responder& responder) {
  const auto digest = DigestOf(http);
  if (!digest) return SendError(responder, digest.error());
  if (models_->store().blobs().Has(*digest)) return responder.Send(200, "", "");
  SendError(responder, {ErrorKind::kNotFound,
                        fmt::format("blob \"{}\" not found", http.path.substr(kBlobs.size()))});
}

void Routes::PostBlob(const net::Request& http, net::Responder& responder) {
  const auto receive = [&]() -> Result<int> {
    AX_ASSIGN_OR_RETURN(const std::string digest, DigestOf(http));
    if (models_->store().blobs().Has(digest)) return 200;
    // What does not say how long it is is looked at step by step.
    const std::filesystem::path place = models_->store().blobs().PathOf(digest);
    uint64_t room = std::max(LengthOf(http), kRoomStep), written = 0;
    AX_RETURN_IF_ERROR(CheckDiskRoom(place.parent_path(), room, "the file"));
    AX_ASSIGN_OR_RETURN(store::BlobWriter writer, models_->store().blobs().Begin());
    AX_RETURN_IF_ERROR(http.ReadBody([&](std::string_view bytes) -> Status {
      written += bytes.size();
      if (written > room) {
        AX_RETURN_IF_ERROR(CheckDiskRoom(place.parent_path(), kRoomStep, "the file"));
        room += kRoomStep;
      }
      return writer.Append(bytes);
    }));
    AX_RETURN_IF_ERROR(writer.Commit(digest));
    return 201;
  };
  const auto status = receive();
  if (!status) return SendError(responder, status.error());
  responder.Send(*status, "", "");
}

void Routes::Push(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParseNamed(http.body);
  if (!request) return SendError(responder, request.error());
  if (request->model.empty()) {
    return SendError(responder, {ErrorKind::kInvalid, "model is required"});
  }
  const auto model = models_->store().Find(request->model);
  if (!model) return SendError(responder, model.error());
  SendError(responder, {ErrorKind::kInvalid,
                        "models for the card cannot be pushed: Ollama's registry takes "
                        "GGUF models. Publish the model's folder on Hugging Face instead"});
}

// 404 and never 401: that would have clients ask their user to sign in somewhere.
void Routes::Account(const net::Request&, net::Responder& responder) {
  SendError(responder, {ErrorKind::kNotFound, "this server has no ollama.com account"});
}

}  // namespace axollama::server

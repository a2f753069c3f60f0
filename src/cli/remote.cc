#include "cli/remote.h"

#include <fmt/format.h>

#include "base/env.h"
#include "base/ollama_host.h"

namespace axollama::cli {
namespace {

net::ClientRequest Request(std::string_view method, std::string_view path, std::string body) {
  net::ClientRequest request;
  request.method = method;
  request.path = path;
  request.body = std::move(body);
  return request;
}

}  // namespace

Result<std::unique_ptr<Remote>> Remote::FromEnvironment() {
  const OllamaHost host = OllamaHostFromEnv();
  if (host.scheme == "https") {
    return Fail(ErrorKind::kInvalid,
                "OLLAMA_HOST asks for https, which this command line does not speak: use http");
  }
  std::string prefix = host.path;
  while (prefix.ends_with('/')) prefix.pop_back();
  return std::make_unique<Remote>(host.DialAddress(), prefix.empty() ? "" : "/" + prefix);
}

void Remote::SetCurrent(net::ClientCall* call) {
  const std::lock_guard lock(mutex_);
  current_ = call;
  if (interrupted_ && call != nullptr) call->Cancel();
}

void Remote::Interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  if (current_ != nullptr) current_->Cancel();
}

void Remote::Resume() {
  const std::lock_guard lock(mutex_);
  interrupted_ = false;
}

Result<std::unique_ptr<net::ClientCall>> Remote::Start(net::ClientRequest request) {
  request.path.insert(0, prefix_);
  if (!request.body.empty()) request.headers.Set("Content-Type", "application/json");
  if (const auto key = GetEnv("OLLAMA_API_KEY")) {
    request.headers.Set("Authorization", "Bearer " + *key);
  }
  auto call = net::ClientCall::Start(net::Target{address_}, std::move(request));
  if (!call && call.error().kind == ErrorKind::kUnavailable) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("no server answers at {}: start one with `axollama serve`, or set "
                            "OLLAMA_HOST to where it is",
                            address_));
  }
  return call;
}

Status Remote::FailedAnswer(net::ClientCall& call) {
  AX_ASSIGN_OR_RETURN(const std::string body, call.ReadAll(1u << 20));
  const ErrorKind kind = call.status() == 404 ? ErrorKind::kNotFound : ErrorKind::kInvalid;
  const auto parsed = json::Parse(body);
  if (parsed && parsed->is_object()) {
    const auto text = json::GetString(parsed->get_object(), "error", "");
    if (text && !text->empty()) return Fail(kind, *text);
  }
  return Fail(kind,
              fmt::format("the server at {} answered with status {}", address_, call.status()));
}

Result<std::string> Remote::Body(net::ClientRequest request) {
  AX_ASSIGN_OR_RETURN(const auto call, Start(std::move(request)));
  SetCurrent(call.get());
  const auto answer = [&]() -> Result<std::string> {
    AX_RETURN_IF_ERROR(call->ReadHeader());
    if (call->status() / 100 != 2) return Fail(FailedAnswer(*call).error());
    return call->ReadAll();
  }();
  SetCurrent(nullptr);
  return answer;
}

Result<json::Object> Remote::Whole(net::ClientRequest request) {
  AX_ASSIGN_OR_RETURN(const std::string text, Body(std::move(request)));
  return json::ParseObject(text, fmt::format("the answer of {}", address_));
}

Result<json::Object> Remote::Get(std::string_view path) { return Whole(Request("GET", path, "")); }

Result<json::Object> Remote::Post(std::string_view path, const json::Object& body) {
  return Whole(Request("POST", path, json::Write(json::Value(body))));
}

Status Remote::Send(std::string_view method, std::string_view path, const json::Object& body) {
  AX_RETURN_IF_ERROR(Body(Request(method, path, json::Write(json::Value(body)))));
  return {};
}

Result<bool> Remote::HasBlob(std::string_view digest) {
  AX_ASSIGN_OR_RETURN(const auto call,
                      Start(Request("HEAD", fmt::format("/api/blobs/{}", digest), "")));
  AX_RETURN_IF_ERROR(call->ReadHeader());
  if (call->status() == 200 || call->status() == 404) return call->status() == 200;
  return Fail(ErrorKind::kInvalid,
              fmt::format("the server at {} answered with status {}", address_, call->status()));
}

Status Remote::Upload(std::string_view digest, std::string_view bytes) {
  AX_RETURN_IF_ERROR(
      Body(Request("POST", fmt::format("/api/blobs/{}", digest), std::string(bytes))));
  return {};
}

Status Remote::Stream(std::string_view path, const json::Object& body,
                      const std::function<Status(const json::Object&)>& on_object) {
  AX_ASSIGN_OR_RETURN(const auto call,
                      Start(Request("POST", path, json::Write(json::Value(body)))));
  SetCurrent(call.get());
  const auto read = [&]() -> Status {
    AX_RETURN_IF_ERROR(call->ReadHeader());
    if (call->status() != 200) return FailedAnswer(*call);
    std::string line;
    bool done = false;
    while (!done) {
      AX_ASSIGN_OR_RETURN(const bool more, call->ReadLine(&line));
      if (!more) break;
      if (line.empty()) continue;
      AX_ASSIGN_OR_RETURN(const json::Object object,
                          json::ParseObject(line, "a line of the answer"));
      AX_ASSIGN_OR_RETURN(const std::string error, json::GetString(object, "error", ""));
      if (!error.empty()) return Fail(ErrorKind::kDevice, error);
      AX_RETURN_IF_ERROR(on_object(object));
      AX_ASSIGN_OR_RETURN(done, json::GetBool(object, "done", false));
      AX_ASSIGN_OR_RETURN(const std::string status, json::GetString(object, "status", ""));
      done = done || status == "success";
    }
    if (!done) return Fail(ErrorKind::kIo, "the answer broke off: the server ended the connection");
    return {};
  }();
  SetCurrent(nullptr);
  return read;
}

}  // namespace axollama::cli

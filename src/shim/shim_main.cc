#include "shim/shim_main.h"

#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/json.h"
#include "base/one_line.h"
#include "net/client.h"
#include "net/server.h"
#include "shim/arguments.h"
#include "shim/forward.h"
#include "shim/stub.h"

namespace axollama::shim {
namespace {

using std::chrono::milliseconds;

constexpr const char* kDefaultServer = "127.0.0.1:11500";
// Ollama's own llama-server, if somebody has put it there, for ordinary GGUF models.
constexpr const char* kReal = "llama-server.ollama";

// Ollama shows its clients the last such line of a runner that ends.
int Fails(std::string_view why) {
  fmt::print(stderr, "error: {}\n", OneLine(why));
  return 1;
}

[[noreturn]] void Die(const std::string& why) {
  Fails(why);
  // Handlers may be waiting for the server, and nothing here has an end of its own.
  _exit(1);
}

std::string ServerAddress() {
  std::string address = GetEnv("AXOLLAMA_SERVER").value_or(kDefaultServer);
  constexpr std::string_view kScheme = "http://";
  if (address.starts_with(kScheme)) address.erase(0, kScheme.size());
  while (address.ends_with('/')) address.pop_back();
  return address;
}

void Say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

// In the form in which llama-server lists its devices.
int ListDevices(const std::string& server) {
  Say("Available devices:");
  net::ClientRequest request;
  request.path = "/health";
  request.connect_timeout = milliseconds(2'000);
  request.read_timeout = milliseconds(10'000);
  const auto health = net::Call({server}, std::move(request));
  const auto object =
      health ? json::ParseObject(health->body, "/health") : Result<json::Object>(json::Object());
  // A server that is not there is no error of discovery: Ollama goes on with the CPU.
  if (!health || !object) {
    Fails(health ? object.error().message : health.error().message);
    return 0;
  }
  const double total = json::GetDouble(*object, "memory_total_mb", 0).value_or(0);
  const double used = json::GetDouble(*object, "memory_usage_mb", 0).value_or(0);
  if (total > 0)
    Say(fmt::format("  NPU0: AXERA ({:.0f} MiB, {:.0f} MiB free)", total, total - used));
  return 0;
}

// What Ollama reads of llama-server's log for its books: all of the model is on the card.
void SayWhatItTakes(const json::Object& loaded) {
  const int64_t bytes = json::GetInt(loaded, "cmm_bytes", 0).value_or(0);
  const int64_t layers = json::GetInt(loaded, "layers", 0).value_or(0) + 1;
  Say(fmt::format("load_tensors: offloaded {0}/{0} layers to GPU", layers));
  Say(fmt::format("load_tensors: NPU0 model buffer size = {:.2f} MiB",
                  static_cast<double>(bytes) / (1 << 20)));
}

// Loads the model and holds it as long as this process lives; returns when that is over.
Status Hold(Forward& forward) {
  const pid_t parent = getppid();
  AX_ASSIGN_OR_RETURN(const auto call, forward.Start("/load", ""));
  AX_RETURN_IF_ERROR(call->ReadHeader());
  if (call->status() != 200) {
    AX_ASSIGN_OR_RETURN(std::string why, call->ReadAll());
    return Fail(ErrorKind::kUnavailable, std::move(why));
  }
  std::string line;
  AX_ASSIGN_OR_RETURN(bool more, call->ReadLine(&line));
  AX_ASSIGN_OR_RETURN(const json::Object loaded, json::ParseObject(line, "/load"));
  SayWhatItTakes(loaded);
  forward.SetReady();
  // A line comes every second. An Ollama that was killed leaves its runners behind.
  while (more && getppid() == parent) {
    AX_ASSIGN_OR_RETURN(more, call->ReadLine(&line));
  }
  if (getppid() != parent) return {};
  return Fail(ErrorKind::kUnavailable, "axollama serve has ended");
}

int RunReal(char** argv, const std::string& model) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path real = self.parent_path() / kReal;
  execv(real.c_str(), argv);
  return Fails(
      fmt::format("{} is an ordinary GGUF model. This llama-server serves axollama's; "
                  "put Ollama's own beside it as {}",
                  model, real.string()));
}

int Serve(const Arguments& arguments, const std::string& server, const std::string& model) {
  net::Headers headers;
  headers.Set("X-Axollama-Model", model);
  headers.Set("X-Axollama-Context", std::to_string(arguments.context_tokens));
  headers.Set("X-Axollama-Shift", arguments.shift ? "1" : "0");
  Forward forward({server}, std::move(headers), Die);
  auto http = net::Server::Create({}, [&](const net::Request& request, net::Responder& answer) {
    forward.Handle(request, answer);
  });
  if (!http) return Fails(http.error().message);
  const auto bound = (*http)->ListenTcp(arguments.host + ":" + arguments.port);
  if (!bound) return Fails(bound.error().message);
  Say(fmt::format("serving {} of axollama at {}", model, server));
  const Status held = Hold(forward);
  if (!held) Die(held.error().message);
  _exit(0);
}

}  // namespace

int ShimMain(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  const Arguments arguments = ReadArguments(std::vector<std::string>(argv + 1, argv + argc));
  const std::string server = ServerAddress();
  if (arguments.list_devices) return ListDevices(server);
  if (arguments.model.empty()) {
    // Ollama looks for the line that llama-server writes when it knows its devices.
    fmt::print(stderr, "system_info: axollama at {}\n", server);
    return 0;
  }
  const auto model = ReadStub(arguments.model);
  if (!model) return Fails(model.error().message);
  if (!*model) return RunReal(argv, arguments.model);
  return Serve(arguments, server, **model);
}

}  // namespace axollama::shim

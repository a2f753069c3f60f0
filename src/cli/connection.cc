#include "cli/connection.h"

namespace axollama::cli {

Result<Connection> Connect(NoServer no_server) {
  Connection connection;
  AX_ASSIGN_OR_RETURN(connection.remote, Remote::FromEnvironment());
  if (no_server == NoServer::kFail) return connection;
  const auto version = connection.remote->Get("/api/version");
  if (version || version.error().kind != ErrorKind::kUnavailable) return connection;
  AX_ASSIGN_OR_RETURN(connection.own, OwnServer::Start("", ""));
  connection.remote = std::make_unique<Remote>(connection.own->address());
  return connection;
}

int WithServer(CLI::App& app, int argc, char** argv, NoServer no_server,
               const std::function<Status(Remote&)>& command) {
  int exit_code = 0;
  if (!ParseOrExit(app, argc, argv, &exit_code)) return exit_code;
  Signals signals;
  return WithServer(signals, no_server, command);
}

int WithServer(Signals& signals, NoServer no_server,
               const std::function<Status(Remote&)>& command) {
  auto connection = Connect(no_server);
  if (!connection) return Report(connection.error());
  signals.OnInterrupt([&] { connection->remote->Interrupt(); });
  const Status done = command(*connection->remote);
  signals.OnInterrupt(nullptr);
  return done ? 0 : Report(done.error());
}

}  // namespace axollama::cli

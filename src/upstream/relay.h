// An upstream's answer on its way to our client: status, body and errors as they are; a stream line
// by line, or event by event, each sent on when it is whole.
//
// Owner: one request's handler. Threads: the handler's.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/fetch.h"
#include "net/server.h"

namespace axollama::upstream {

class Relay {
 public:
  // The body of an error of ours, in the shape of the client's API.
  using ErrorBody = std::function<std::string(int status, std::string_view message)>;

  // `named_errors`: an error within a stream of events is one of the name `error`.
  Relay(net::Responder& responder, ErrorBody error_body, bool named_errors)
      : responder_(responder), error_body_(std::move(error_body)), named_errors_(named_errors) {}

  // What a Fetcher calls. kCancelled: the client has gone.
  Status TakeHead(const net::FetchHead& head);
  Status TakeBody(std::string_view bytes);
  // When the request has ended: the rest, or the error in the client's shape, 502 (kBusy: 503).
  void End(const Status& fetched);

 private:
  enum class Form { kWhole, kLines, kEvents };

  Status SendOn(std::string_view bytes);
  void SendError(const Error& error);

  net::Responder& responder_;
  const ErrorBody error_body_;
  const bool named_errors_;
  Form form_ = Form::kWhole;
  int status_ = 0;
  std::string type_;
  std::string pending_;  // a whole answer, or the beginning of a line or an event
};

}  // namespace axollama::upstream

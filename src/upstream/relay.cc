#include "upstream/relay.h"

#include <algorithm>

namespace axollama::upstream {
namespace {

// A line of Ollama's has at most 8 MB; an embedding of many inputs is one whole answer.
constexpr size_t kMaxPendingBytes = 64u << 20;
constexpr int kBadGateway = 502;
constexpr int kServiceUnavailable = 503;

// What an answer says about itself beside its type, and a client of ours may know.
constexpr std::string_view kPassedHeaders[] = {"Retry-After",
                                               "Cache-Control",
                                               "request-id",
                                               "X-Axollama-Context-Length",
                                               "X-Axollama-Truncated-Messages",
                                               "X-Axollama-Truncated-Tokens"};

// Where the last whole line or event of `text` ends; 0: nowhere. Both line ends are in use.
size_t WholeEnd(std::string_view text, bool events) {
  if (!events) {
    const size_t line = text.rfind('\n');
    return line == std::string_view::npos ? 0 : line + 1;
  }
  const size_t plain = text.rfind("\n\n");
  const size_t crlf = text.rfind("\r\n\r\n");
  return std::max(plain == std::string_view::npos ? 0 : plain + 2,
                  crlf == std::string_view::npos ? 0 : crlf + 4);
}

}  // namespace

Status Relay::TakeHead(const net::FetchHead& head) {
  if (head.status >= 300 && head.status < 400) {
    return Fail(ErrorKind::kInternal, "it redirects to another address");
  }
  status_ = head.status;
  type_ = head.headers.Get("Content-Type");
  if (type_.starts_with("application/x-ndjson")) form_ = Form::kLines;
  if (type_.starts_with("text/event-stream")) form_ = Form::kEvents;
  for (const std::string_view name : kPassedHeaders) {
    const std::string_view value = head.headers.Get(name);
    if (!value.empty()) responder_.SetHeader(name, value);
  }
  return {};
}

Status Relay::TakeBody(std::string_view bytes) {
  // What was there before ends nowhere; an end of up to 4 bytes may begin in it.
  const size_t from = pending_.size() - std::min<size_t>(pending_.size(), 3);
  pending_ += bytes;
  if (form_ != Form::kWhole) {
    const std::string_view text = pending_;
    const size_t end = WholeEnd(text.substr(from), form_ == Form::kEvents);
    if (end > 0) {
      AX_RETURN_IF_ERROR(SendOn(text.substr(0, from + end)));
      pending_.erase(0, from + end);
    }
  }
  if (pending_.size() > kMaxPendingBytes) {
    return Fail(ErrorKind::kInternal, "it answers with too much at once");
  }
  return {};
}

Status Relay::SendOn(std::string_view bytes) {
  if (!responder_.begun()) responder_.Begin(status_, type_);
  if (responder_.Write(bytes)) return {};
  return Fail(ErrorKind::kCancelled, "the client has gone");
}

void Relay::End(const Status& fetched) {
  if (!fetched) {
    if (fetched.error().kind != ErrorKind::kCancelled) SendError(fetched.error());
  } else if (form_ == Form::kWhole) {
    responder_.Send(status_, type_, pending_);
  } else if (!pending_.empty()) {
    (void)SendOn(pending_);
  } else if (!responder_.begun()) {
    responder_.Begin(status_, type_);
  }
}

void Relay::SendError(const Error& error) {
  const bool busy = error.kind == ErrorKind::kBusy;
  const int status = busy ? kServiceUnavailable : kBadGateway;
  const std::string body = error_body_(status, error.message);
  if (!responder_.begun()) {
    if (busy) responder_.SetHeader("Retry-After", "1");
    responder_.Send(status, "application/json; charset=utf-8", body);
  } else if (form_ == Form::kEvents) {
    responder_.Write((named_errors_ ? "event: error\ndata: " : "data: ") + body + "\n\n");
  } else {
    responder_.Write(body + "\n");
  }
}

}  // namespace axollama::upstream

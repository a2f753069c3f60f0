// Result<T> and Status: how rooms report failure to each other.
//
// No exception crosses a room's border (design 9). An Error carries its kind, which the HTTP and
// command-line edges turn into a status or exit code, and one line for the person who must act:
// what is wrong, where, and what to do.
// Threads: plain values.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace axollama {

enum class ErrorKind {
  kInvalid,      // the caller's input is wrong: HTTP 400
  kForbidden,    // not for this caller, or switched off: HTTP 403
  kNotFound,     // no such model, file or card: HTTP 404
  kConflict,     // not possible in the present state: HTTP 409
  kTooLong,      // the prompt does not fit the context: HTTP 400
  kBusy,         // a queue is full: HTTP 503
  kUnavailable,  // no device, driver or process to do it: HTTP 503
  kNoMemory,     // the card's memory (CMM) does not suffice: HTTP 503
  kDevice,       // the device answered with an error: HTTP 500
  kTimeout,      // no answer in time: HTTP 500
  kCancelled,    // the client went away or asked to stop: HTTP 499
  kIo,           // a file or socket failed: HTTP 500
  kInternal,     // a bug, or a peer that broke its protocol: HTTP 500
};

struct Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = tl::expected<void, Error>;

// `return Fail(ErrorKind::kInvalid, "...")` works for every Result<T>.
inline tl::unexpected<Error> Fail(ErrorKind kind, std::string message) {
  return tl::unexpected<Error>(Error{kind, std::move(message)});
}
inline tl::unexpected<Error> Fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace axollama

#define AX_CONCAT_INNER(a, b) a##b
#define AX_CONCAT(a, b) AX_CONCAT_INNER(a, b)

// Leaves the function with the error of `expression` (a Status or Result) if it has one.
#define AX_RETURN_IF_ERROR(expression)                                     \
  do {                                                                     \
    auto&& ax_status = (expression);                                       \
    if (!ax_status) return ::axollama::Fail(std::move(ax_status).error()); \
  } while (false)

// AX_ASSIGN_OR_RETURN(auto value, MakeValue()); declares or assigns, or leaves with the error.
#define AX_ASSIGN_OR_RETURN(lhs, expression) \
  AX_ASSIGN_OR_RETURN_INNER(AX_CONCAT(ax_result_, __LINE__), lhs, expression)
#define AX_ASSIGN_OR_RETURN_INNER(result, lhs, expression)         \
  auto result = (expression);                                      \
  if (!result) return ::axollama::Fail(std::move(result).error()); \
  lhs = std::move(*result)

#include "base/http_status.h"

namespace axollama {

int HttpStatus(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
    case ErrorKind::kTooLong:
      return 400;
    case ErrorKind::kForbidden:
      return 403;
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kConflict:
      return 409;
    case ErrorKind::kCancelled:
      return 499;
    case ErrorKind::kBusy:
    case ErrorKind::kUnavailable:
    case ErrorKind::kNoMemory:
      return 503;
    case ErrorKind::kDevice:
    case ErrorKind::kTimeout:
    case ErrorKind::kIo:
    case ErrorKind::kInternal:
      return 500;
  }
  return 500;
}

}  // namespace axollama

#include "net/content_encoding.h"

#include <fmt/format.h>
#include <zstd.h>

#include <memory>
#include <string>
#include <utility>

namespace axollama::net {
namespace {

// The largest window that a frame may ask for: 8 MiB, what RFC 8878 recommends to accept.
constexpr int kWindowLog = 23;
constexpr size_t kStepBytes = 256u << 10;

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

Result<std::string> Unzstd(std::string_view data, size_t limit_bytes) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                     ZSTD_freeDCtx);
  if (!context) return Fail(ErrorKind::kInternal, "no memory to decompress a request's body");
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kWindowLog);
  std::string out;
  std::string step(kStepBytes, '\0');
  ZSTD_inBuffer in{data.data(), data.size(), 0};
  for (;;) {
    ZSTD_outBuffer buffer{step.data(), step.size(), 0};
    const size_t left = ZSTD_decompressStream(context.get(), &buffer, &in);
    if (ZSTD_isError(left)) {
      return Bad(fmt::format("the request's body is no good zstd: {}", ZSTD_getErrorName(left)));
    }
    if (buffer.pos > limit_bytes - out.size()) {
      return Bad(fmt::format("the request's body, decompressed, is over the limit of {} bytes",
                             limit_bytes));
    }
    out.append(step, 0, buffer.pos);
    const bool all_read = in.pos == in.size;
    if (left == 0 && all_read) return out;
    if (all_read && buffer.pos < buffer.size) {
      return Bad("the request's body is no good zstd: it ends too early");
    }
  }
}

}  // namespace

Result<Request> Decompressed(const Request& request, size_t limit_bytes) {
  const std::string_view encoding = request.headers.Get("Content-Encoding");
  if (!SameName(encoding, "zstd")) {
    return Bad(fmt::format(
        "Content-Encoding \"{}\" is not supported: send the body as it is, or as zstd", encoding));
  }
  Request out = request;
  AX_ASSIGN_OR_RETURN(out.body, Unzstd(request.body, limit_bytes));
  return out;
}

Status PlainBodies::With(const Request& request,
                         const std::function<void(const Request& plain)>& use) {
  std::unique_lock lock(mutex_);
  AX_ASSIGN_OR_RETURN(const Request plain, Decompressed(request, limit_bytes_));
  if (plain.body.size() > total_bytes_ - used_bytes_) {
    return Fail(ErrorKind::kBusy, "server busy, please try again.  too much is being sent at once");
  }
  used_bytes_ += plain.body.size();
  lock.unlock();
  // Also when `use` throws.
  auto release = [&](const Request* used) {
    lock.lock();
    used_bytes_ -= used->body.size();
  };
  const std::unique_ptr<const Request, decltype(release)> held(&plain, std::move(release));
  use(plain);
  return {};
}

}  // namespace axollama::net

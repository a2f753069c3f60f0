// Bodies that a client compressed: zstd, which some clients send to Ollama.
//
// Threads: a plain function. Source: RFC 9110 8.4, RFC 8878.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "net/http.h"

namespace axollama::net {

// `request` with its body as it was before Content-Encoding. kInvalid: another encoding than zstd,
// bytes that are no zstd, or more than `limit_bytes` of them. At most that and as much again is
// allocated, whatever the body claims.
Result<Request> Decompressed(const Request& request, size_t limit_bytes);

}  // namespace axollama::net

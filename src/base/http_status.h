// The HTTP status that an error has at every edge: result.h names it beside each kind.
// Threads: a plain function.
#pragma once

#include "base/result.h"

namespace axollama {

int HttpStatus(ErrorKind kind);

}  // namespace axollama

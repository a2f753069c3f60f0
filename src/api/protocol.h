// What the readers of the runner's answers share. Private to the room.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

// kInternal: the runner's answer is not what its protocol says.
tl::unexpected<Error> ProtocolError(std::string_view what);

// The field "tokens"; absent: none.
Result<std::vector<int32_t>> ReadTokens(const json::Object& object);

}  // namespace axollama::api

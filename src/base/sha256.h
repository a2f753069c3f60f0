// SHA-256 (FIPS 180-4) of a byte string, as 64 lower-case hex digits. For digests of file lists,
// not for bulk data. Threads: a plain function.
#pragma once

#include <string>
#include <string_view>

namespace axollama {

std::string Sha256Hex(std::string_view bytes);

}  // namespace axollama

// Helpers around the C ABI of rust/textkit: buffers that free themselves, errors as Status.
//
// Owner: the holder. Threads: plain values. For the .cc files of this room only.
#pragma once

#include <textkit.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/grammar.h"

namespace axollama::text {

struct KitBytes : textkit_bytes {
  KitBytes() : textkit_bytes{} {}
  KitBytes(const KitBytes&) = delete;
  KitBytes& operator=(const KitBytes&) = delete;
  ~KitBytes() { textkit_bytes_free(this); }
  std::string_view view() const { return {reinterpret_cast<const char*>(data), size}; }
};

struct KitIds : textkit_ids {
  KitIds() : textkit_ids{} {}
  KitIds(const KitIds&) = delete;
  KitIds& operator=(const KitIds&) = delete;
  ~KitIds() { textkit_ids_free(this); }
};

inline const uint8_t* KitData(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

inline Status KitStatus(int32_t code, const KitBytes& error) {
  if (code == TEXTKIT_OK) return {};
  return Fail(code == TEXTKIT_INVALID ? ErrorKind::kInvalid : ErrorKind::kInternal,
              std::string(error.view()));
}

// grammar.cc, for the tokenizer.
Result<std::unique_ptr<Grammars>> MakeKitGrammars(const textkit_tokenizer* tokenizer,
                                                  uint32_t vocab, std::span<const int32_t> eos);

}  // namespace axollama::text

// For tests: a tokenizer.json that is whole and small.
//
// Owner and threads: plain functions.
#pragma once

#include <string>
#include <string_view>

namespace axollama::text {

inline std::string Utf8(int code) {
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
}

// A token for each byte (ids 0 to 255, in the order of the bytes), `{"` and `":` besides, and the
// special tokens <|end|>, <|stop|>, [CALL].
inline std::string ByteTokenizerJson() {
  std::string vocab;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    const std::string letter = Utf8(printable ? byte : next++);
    if (byte > 0) vocab += ",";
    vocab += '"' + (letter == "\"" || letter == "\\" ? "\\" + letter : letter) +
             "\":" + std::to_string(byte);
  }
  std::string added;
  int id = 258;
  for (const std::string_view name : {"<|end|>", "<|stop|>", "[CALL]"}) {
    if (!added.empty()) added += ",";
    added += R"({"id":)" + std::to_string(id++) + R"(,"content":")" + std::string(name) +
             R"(","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,)"
             R"("special":true})";
  }
  return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[)" + added +
         R"(],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,)"
         R"("trim_offsets":true,"use_regex":false},"post_processor":null,"decoder":{"type":)"
         R"("ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},)"
         R"("model":{"type":"BPE","dropout":null,"unk_token":null,)"
         R"("continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,)"
         R"("byte_fallback":false,"ignore_merges":false,"vocab":{)" +
         vocab + R"(,"{\"":256,"\":":257},"merges":["{ \"","\" :"]}})";
}

}  // namespace axollama::text

#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <string>
#include <string_view>

namespace axollama::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// A folder of this test's own.
class TokenizerTest : public testing::Test {
 protected:
  TokenizerTest() {
    std::string name = (std::filesystem::temp_directory_path() / "textXXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~TokenizerTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path Write(std::string_view content) {
    const std::filesystem::path path = folder_ / "tokenizer.json";
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::unique_ptr<Tokenizer> MustLoad(std::string_view content) {
    auto tokenizer = Tokenizer::Load(Write(content));
    EXPECT_TRUE(tokenizer) << tokenizer.error().message;
    return tokenizer ? std::move(*tokenizer) : nullptr;
  }
  Error MustFail(std::string_view content) {
    auto tokenizer = Tokenizer::Load(Write(content));
    EXPECT_FALSE(tokenizer);
    return tokenizer ? Error{} : tokenizer.error();
  }

  std::filesystem::path folder_;
};

// Byte-level BPE: é is Ã (0xC3) and © (0xA9), a space is Ġ.
constexpr std::string_view kByteLevel = R"({
 "version": "1.0", "truncation": {"direction":"Right","max_length":2,"strategy":"LongestFirst",
 "stride":0}, "padding": null,
 "added_tokens": [
  {"id":0,"content":"<|s|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,
   "special":true},
  {"id":14,"content":"<tool>","single_word":false,"lstrip":false,"rstrip":false,
   "normalized":false,"special":false}],
 "normalizer": null,
 "pre_tokenizer": {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,
  "use_regex":true},
 "post_processor": {"type":"TemplateProcessing",
  "single":[{"SpecialToken":{"id":"<|s|>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
  "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
  "special_tokens":{"<|s|>":{"id":"<|s|>","ids":[0],"tokens":["<|s|>"]}}},
 "decoder": {"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},
 "model": {"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
  "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,
  "vocab":{"<|s|>":0,"<":1,"|":2,"s":3,">":4,"a":5,"b":6,"Ġ":7,"Ã":8,"©":9,"ab":10,"Ġab":11,
   "Ã©":12,"Ċ":13},
  "merges":["a b","Ġ ab","Ã ©"]}})";

// SentencePiece's manner: ▁ for a space, unknown bytes as <0xNN>.
constexpr std::string_view kMetaspace = R"({
 "version": "1.0", "truncation": null, "padding": null,
 "added_tokens": [{"id":1,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,
  "normalized":false,"special":true}],
 "normalizer": {"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
  {"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
 "pre_tokenizer": null, "post_processor": null,
 "decoder": {"type":"Sequence","decoders":[
  {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},
  {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
 "model": {"type":"BPE","dropout":null,"unk_token":"<unk>","continuing_subword_prefix":null,
  "end_of_word_suffix":null,"fuse_unk":true,"byte_fallback":true,"ignore_merges":false,
  "vocab":{"<unk>":0,"<s>":1,"<0xC3>":2,"<0xA9>":3,"▁":4,"a":5,"▁a":6},"merges":["▁ a"]}})";

TEST_F(TokenizerTest, EncodesAndDecodesBytes) {
  const auto t = MustLoad(kByteLevel);
  EXPECT_EQ(t->vocab_size(), 15u);
  const EncodeOptions plain{.add_special = false, .parse_special = true};
  EXPECT_THAT(*t->Encode("ab ab\né", plain), ElementsAre(10, 11, 13, 12));
  EXPECT_THAT(*t->Encode("", plain), ElementsAre());
  EXPECT_EQ(*t->Decode(std::vector<int32_t>{10, 11, 13, 12}, false), "ab ab\né");
  EXPECT_EQ(*t->TokenBytes(8, false), "\xC3");
  EXPECT_EQ(*t->TokenBytes(7, false), " ");
  EXPECT_EQ(*t->Decode(std::vector<int32_t>{8}, false), "\xEF\xBF\xBD");
  EXPECT_EQ(*t->Decode(std::vector<int32_t>{8, 9}, false), "é");
}

// The file asks for truncation to two tokens, which would cut prompts silently.
TEST_F(TokenizerTest, NothingIsCut) {
  const auto t = MustLoad(kByteLevel);
  EXPECT_THAT(*t->Encode("abababab", {}), ElementsAre(0, 10, 10, 10, 10));
}

TEST_F(TokenizerTest, SpecialTokensAreTextWhenAsked) {
  const auto t = MustLoad(kByteLevel);
  EXPECT_THAT(*t->Encode("a<|s|>b", {.add_special = false, .parse_special = true}),
              ElementsAre(5, 0, 6));
  EXPECT_THAT(*t->Encode("a<|s|>b", {.add_special = false, .parse_special = false}),
              ElementsAre(5, 1, 2, 3, 2, 4, 6));
  // A token that is added but not special is looked for in either case, as llama.cpp does it.
  EXPECT_THAT(*t->Encode("a<tool>", {.add_special = false, .parse_special = false}),
              ElementsAre(5, 14));
  EXPECT_TRUE(t->IsSpecial(0));
  EXPECT_FALSE(t->IsSpecial(14));
  EXPECT_EQ(*t->TokenBytes(0, true), "<|s|>");
  EXPECT_EQ(*t->TokenBytes(0, false), "");
  EXPECT_EQ(*t->TokenBytes(14, false), "<tool>");
  EXPECT_EQ(*t->Decode(std::vector<int32_t>{0, 5, 14}, true), "<|s|>a<tool>");
  EXPECT_EQ(*t->Decode(std::vector<int32_t>{0, 5}, false), "a");
}

TEST_F(TokenizerTest, LooksTokensUp) {
  const auto t = MustLoad(kByteLevel);
  EXPECT_EQ(t->TokenToId("<|s|>"), 0);
  EXPECT_EQ(t->TokenToId("<tool>"), 14);
  EXPECT_EQ(t->TokenToId("nothing"), std::nullopt);
}

TEST_F(TokenizerTest, IdsOutOfRangeAreRefused) {
  const auto t = MustLoad(kByteLevel);
  for (const int32_t id : {-1, 15, 1 << 30}) {
    EXPECT_EQ(t->TokenBytes(id, true).error().kind, ErrorKind::kInvalid);
    EXPECT_FALSE(t->IsSpecial(id));
    EXPECT_FALSE(t->Decode(std::vector<int32_t>{5, id}, true));
  }
}

TEST_F(TokenizerTest, InvalidUtf8IsRefused) {
  const auto t = MustLoad(kByteLevel);
  const auto ids = t->Encode("ab\xFF", {});
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(ids.error().message, HasSubstr("not valid UTF-8 at byte 2"));
}

TEST_F(TokenizerTest, MetaspaceAndByteFallback) {
  const auto t = MustLoad(kMetaspace);
  const EncodeOptions plain{.add_special = false, .parse_special = true};
  EXPECT_THAT(*t->Encode("a aé", plain), ElementsAre(6, 6, 2, 3));
  EXPECT_EQ(*t->TokenBytes(6, false), " a");
  EXPECT_EQ(*t->TokenBytes(2, false), "\xC3");
  EXPECT_EQ(*t->Decode(std::vector<int32_t>{6, 6, 2, 3}, false), "a aé");
}

// AXERA's text form. Type 0: pieces as base64, with score and kind; token 1 begins every text. The
// same vocabulary as kMetaspace.
constexpr std::string_view kPieces =
    "430 0\n1 1 1\n1 1 1 \n7\n"
    "PHVuaz4= 0 2\nPHM+ 0 3\nPDB4QzM+ 0 6\nPDB4QTk+ 0 6\nIA== -2.5 1\nYQ== -2 1\nIGE= -1 1\n";

TEST_F(TokenizerTest, VendorPieces) {
  const auto t = MustLoad(kPieces), same = MustLoad(kMetaspace);
  const EncodeOptions plain{.add_special = false, .parse_special = true};
  for (const char* text : {"a aé", "", "  a<s>a", "aa a", "é<s"}) {
    EXPECT_EQ(*t->Encode(text, plain), *same->Encode(text, plain)) << text;
  }
  EXPECT_THAT(*t->Encode("a", {}), ElementsAre(1, 6));
  EXPECT_TRUE(t->IsSpecial(1));
  EXPECT_EQ(*t->Decode(std::vector<int32_t>{1, 6, 6, 2, 3}, false), "a aé");
  // The count may be one too many.
  std::string text(kPieces);
  EXPECT_EQ(MustLoad(text.replace(text.find("\n7\n"), 3, "\n8\n"))->vocab_size(), 7u);
}

// Without <s> no space is put before the text.
TEST_F(TokenizerTest, VendorPiecesAsGemmas) {
  const auto t = MustLoad(
      "430 0\n3 1 1\n0 1 2 0 0 \n5\nPGJvcz4= 0 3\nCgo= 0 1\nPHVuaz4= 0 2\nYQ== -2 1\n"
      "IGE= -1 1\n");
  EXPECT_THAT(*t->Encode("a\n\na", {}), ElementsAre(0, 3, 1, 3));
  EXPECT_EQ(*t->Decode(std::vector<int32_t>{0, 3, 1, 4}, false), "a\n\n a");
}

// Type 2: base64, WordPiece; "un" and "##aff" are words of BERT's, all in lower case.
TEST_F(TokenizerTest, VendorWordPieces) {
  const std::string text = "430 2\n1 0 0\n0 \n5\nW1VOS10=\ndW4=\nIyNhZmY=\nYQ==\nLA==\n";
  const auto t = MustLoad(text);
  EXPECT_THAT(*t->Encode("Unaff a, x", {}), ElementsAre(1, 2, 3, 4, 0));
  EXPECT_EQ(*t->Decode(std::vector<int32_t>{1, 2, 3, 4}, false), "unaff a ,");
  EXPECT_THAT(MustFail("430 2\n0 0 0\n\n1\nYQ==\n").message, HasSubstr("without the token [UNK]"));
}

// Type 1: bytes by rank. "bc" has the lower id, so it goes before "ab"; id 6 is none of joins.
TEST_F(TokenizerTest, VendorRanks) {
  const auto t = MustLoad(
      "430 1\n3 1 0\n7 8 9 7 \n10\nYQ==\nYg==\nYw==\nIA==\nYmM=\nYWI=\neHl6\n"
      "PHxlbmR8Pg==\nPHRvb2w+\nPC90b29sPg==\n");
  EXPECT_THAT(*t->Encode("abc ab<|end|>", {}), ElementsAre(0, 4, 3, 5, 7));
  EXPECT_TRUE(t->IsSpecial(7));
  EXPECT_FALSE(t->IsSpecial(8));  // <tool> and </tool> are to be read
  EXPECT_EQ(*t->Decode(std::vector<int32_t>{8, 5, 9, 7}, false), "<tool>ab</tool>");
}

TEST_F(TokenizerTest, VendorFilesThatCannotBeAreRefused) {
  EXPECT_THAT(MustFail("430 4\n0 0 0\n\n1\nYQ==\n").message, HasSubstr("type 4 is not known"));
  EXPECT_THAT(MustFail("430 x\n").message, HasSubstr("line 1 does not hold the kind"));
  EXPECT_THAT(MustFail("430 3\n").message, HasSubstr("ends after line 1"));
  EXPECT_THAT(MustFail("430 3\n1 0 0\n\n").message, HasSubstr("line 3 does not hold the ids"));
  EXPECT_THAT(MustFail("430 3\n4294967295 4294967295 0\n\n").message, HasSubstr("too many ids"));
  EXPECT_THAT(MustFail("430 1\n0 0 0\n\n99999999\nYQ==\n").message,
              HasSubstr("99999999 tokens are no vocabulary"));
  EXPECT_THAT(MustFail("430 1\n0 0 0\n\n2\nYQ==\n").message, HasSubstr("ends after line 5"));
  EXPECT_THAT(MustFail("430 1\n0 0 0\n\n1\n*\n").message, HasSubstr("line 5 does not hold base64"));
  EXPECT_THAT(MustFail("430 0\n0 0 0\n\n1\nYQ== nan 1\n").message, HasSubstr("line 5"));
  EXPECT_THAT(MustFail("430 0\n0 0 1\n7\n1\nYQ== 0 1\n").message, HasSubstr("prefix token 7"));
  EXPECT_THAT(MustFail("430 1\n0 0 0\n\n1\n4paB\n").message, HasSubstr("SentencePiece's pieces"));
  EXPECT_THAT(MustFail("430 3\n0 0 0\n\n1 0\na\n").message, HasSubstr("no byte-level BPE"));
  EXPECT_THAT(MustFail("430 3\n0 0 0\n\n2 1\na\nĠ\nab\n").message, HasSubstr("a merge"));
  EXPECT_THAT(MustFail("430 3\n0 0 0\n\n2 0\nĠa.b\nĠ\n").message,
              HasSubstr("fits none of the ways to split text"));
  for (size_t size = 4; size < kPieces.size(); size += 3) {
    const auto t = Tokenizer::Load(Write(kPieces.substr(0, size)));
    if (!t) {
      EXPECT_FALSE(t.error().message.empty());
    }
  }
}

TEST_F(TokenizerTest, RefusesRubbishWithOneLine) {
  EXPECT_THAT(MustFail("").message, HasSubstr("empty"));
  EXPECT_THAT(MustFail("version https://git-lfs.github.com/spec/v1\noid sha256:0").message,
              HasSubstr("git lfs pull"));
  EXPECT_THAT(MustFail("{}").message, HasSubstr("not a tokenizer"));
  EXPECT_THAT(MustFail("null").message, HasSubstr("not a tokenizer"));
  EXPECT_THAT(MustFail(std::string(100'000, '[')).message, HasSubstr("not a tokenizer"));
  EXPECT_THAT(MustFail("\xFF\xFE\x00").message, HasSubstr("not a tokenizer"));

  std::string text(kByteLevel);
  const auto replaced = [&](std::string_view from, std::string_view to) {
    std::string copy = text;
    copy.replace(copy.find(from), from.size(), to);
    return copy;
  };
  EXPECT_THAT(MustFail(replaced("\"Ċ\":13", "\"Ċ\":4000000000")).message, HasSubstr("limit"));
  EXPECT_THAT(MustFail(replaced("\"decoder\": {\"type\":\"ByteLevel\"",
                                "\"decoder\": {\"type\":\"WordPiece\",\"prefix\":\"##\","
                                "\"cleanup\":true"))
                  .message,
              HasSubstr("WordPiece"));
  EXPECT_THAT(MustFail(replaced("\"a b\"", "\"a zz\"")).message, HasSubstr("not a tokenizer"));
  EXPECT_EQ(Tokenizer::Load(folder_ / "absent.json").error().kind, ErrorKind::kNotFound);
}

TEST_F(TokenizerTest, CutFilesAreRefused) {
  for (size_t size = 1; size < kByteLevel.size(); size += 37) {
    const Error error = MustFail(kByteLevel.substr(0, size));
    EXPECT_EQ(error.kind, ErrorKind::kInvalid);
    EXPECT_THAT(error.message, HasSubstr("tokenizer.json: "));
    EXPECT_THAT(error.message, Not(HasSubstr("\n")));
  }
}

// Any file either loads, and then every id is safe to use, or is refused.
TEST_F(TokenizerTest, DamagedFilesNeverCrash) {
  uint32_t random = 1;
  const auto next = [&random] { return random = random * 1664525u + 1013904223u; };
  for (int round = 0; round < 400; ++round) {
    std::string text(round % 3 == 0 ? kPieces : round % 3 == 1 ? kByteLevel : kMetaspace);
    for (uint32_t n = next() >> 30; n < 4; ++n) {
      text[(next() >> 8) % text.size()] = "0129\"{}[],:aex-"[(next() >> 8) % 15];
    }
    const auto t = Tokenizer::Load(Write(text));
    if (!t) {
      EXPECT_FALSE(t.error().message.empty());
      continue;
    }
    const auto ids = (*t)->Encode("ab <|s|> é\n", {});
    if (!ids) continue;
    for (const int32_t id : *ids) (void)(*t)->TokenBytes(id, true);
    for (uint32_t id = 0; id < (*t)->vocab_size(); ++id) {
      (void)(*t)->TokenBytes(static_cast<int32_t>(id), true);
    }
  }
}

}  // namespace
}  // namespace axollama::text

#include "sim/build/hf_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "sim/build/gguf_source.h"
#include "sim/build/sentencepiece_file.h"
#include "sim/build/test_hf.h"

namespace axsim::build {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace json = axollama::json;

std::string Varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
std::string Number(uint32_t field, uint64_t value) { return Varint(field << 3) + Varint(value); }
std::string Bytes(uint32_t field, std::string_view bytes) {
  return Varint(field << 3 | 2) + Varint(bytes.size()) + std::string(bytes);
}

// A tokenizer.model of the fields that are read, and one that is not.
struct PieceFile {
  struct Piece {
    std::string text;
    float score;
    uint64_t kind;
  };
  std::vector<Piece> pieces = {{"<unk>", 0, 2},
                               {"<s>", 0, 3},
                               {"</s>", 0, 3},
                               {"a", -4, 1},
                               {"b", -5, 1},
                               {"ab", -2, 1},
                               {"\xe2\x96\x81", -6, 1},
                               {"\xe2\x96\x81"
                                "ab",
                                -1, 1}};
  std::string trainer = Number(3, 2) + Number(35, 1);  // BPE, byte_fallback
  std::string normalizer = Bytes(1, "identity") + Number(4, 0);

  std::string Content() const {
    std::string out;
    for (const Piece& piece : pieces) {
      out += Bytes(1, Bytes(1, piece.text) + Varint(2 << 3 | 5) + Raw(piece.score) +
                          (piece.kind == 1 ? "" : Number(3, piece.kind)));
    }
    return out + Bytes(2, trainer) + Bytes(3, normalizer) + Bytes(4, "self test");
  }
};

class FolderTokenizer : public ::testing::Test {
 protected:
  FolderTokenizer() { folder_.Write("config.json", R"({"eos_token_id":2})"); }

  axollama::Result<TokenizerFiles> Make() {
    return TokenizerOfFolder(folder_.path(), SettingsJson::Read(folder_ / "config.json").value(),
                             kTinyVocab);
  }
  std::string Refusal() {
    const auto files = Make();
    return files ? "accepted" : files.error().message;
  }
  std::string Refusal(const PieceFile& file) {
    folder_.Write("tokenizer.model", file.Content());
    return Refusal();
  }
  TestFolder folder_;
};

// The same vocabulary, as llama.cpp's converter writes it into a GGUF.
TEST_F(FolderTokenizer, PiecesGiveTheTokenizerOfTheGguf) {
  GgufFile f = TinyLlama();
  f.Text("tokenizer.ggml.model", "llama");
  std::vector<std::string> tokens = {"<extra>"};
  std::vector<int32_t> kinds = {4};
  std::string scores = Raw(uint32_t{6}) + Raw(uint64_t{9});
  const PieceFile pieces;
  for (size_t i = pieces.pieces.size(); i-- > 0;) {
    tokens.insert(tokens.begin(), pieces.pieces[i].text);
    kinds.insert(kinds.begin(), static_cast<int32_t>(pieces.pieces[i].kind));
  }
  for (const auto& piece : pieces.pieces) scores += Raw(piece.score);
  f.Texts("tokenizer.ggml.tokens", tokens);
  f.Ints("tokenizer.ggml.token_type", kinds);
  f.Set("tokenizer.ggml.scores", 9, scores + Raw(0.0f));
  f.values.erase("tokenizer.ggml.add_bos_token");
  const auto gguf = GgufSource::Open(folder_.Write("x.gguf", f.Bytes()));
  const auto want = gguf->Tokenizer(kTinyVocab);
  ASSERT_TRUE(want) << want.error().message;

  folder_.Write("tokenizer.model", pieces.Content());
  folder_.Write("added_tokens.json", R"({"<extra>":8})");
  folder_.Write("tokenizer_config.json",
                R"({"bos_token":{"content":"<s>"},"eos_token":"</s>","chat_template":"T"})");
  const auto files = Make();
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_EQ(files->tokenizer_json, want->tokenizer_json);
  EXPECT_THAT(files->eos_ids, ElementsAre(2));
  EXPECT_EQ(files->bos_id, 1u);
  EXPECT_EQ(files->chat_template, "T");
}

TEST_F(FolderTokenizer, SettingsBesideThePiecesCount) {
  PieceFile pieces;
  pieces.normalizer += Number(3, 0);  // no space before the text
  folder_.Write("tokenizer.model", pieces.Content());
  folder_.Write("tokenizer_config.json",
                R"({"add_bos_token":false,"added_tokens_decoder":{"8":{"content":"<|im_end|>",)"
                R"("special":true}}})");
  folder_.Write("generation_config.json", R"({"eos_token_id":[2,8]})");
  folder_.Write("chat_template.jinja", "J");
  const auto files = Make();
  ASSERT_TRUE(files) << files.error().message;
  const auto root = json::ParseObject(files->tokenizer_json, "t");
  ASSERT_TRUE(root) << root.error().message;
  EXPECT_EQ(root->at("normalizer").at("type").as_string(), "Replace");
  EXPECT_TRUE(root->at("post_processor").is_null());
  EXPECT_EQ(root->at("model").at("vocab").at("<|im_end|>").to_number<int>(), 8);
  EXPECT_THAT(files->eos_ids, ElementsAre(2, 8));
  EXPECT_EQ(files->chat_template, "J");
}

TEST_F(FolderTokenizer, AnAddedTokenMayRenameAPiece) {
  folder_.Write("tokenizer.model", PieceFile().Content());
  folder_.Write("tokenizer_config.json",
                R"({"added_tokens_decoder":{"7":{"content":"<tool>","special":false}}})");
  const auto files = Make();
  ASSERT_TRUE(files) << files.error().message;
  const auto root = json::ParseObject(files->tokenizer_json, "t");
  ASSERT_TRUE(root) << root.error().message;
  EXPECT_EQ(root->at("model").at("vocab").at("<tool>").to_number<int>(), 7);
  const auto& added = root->at("added_tokens").as_array().back();
  EXPECT_EQ(added.at("content").as_string(), "<tool>");
  EXPECT_FALSE(added.at("special").as_bool());
}

TEST_F(FolderTokenizer, RefusesPiecesByName) {
  PieceFile file;
  file.trainer = Number(3, 1);
  EXPECT_THAT(Refusal(file), HasSubstr("SentencePiece model of type Unigram"));
  file.trainer = Number(3, 4);
  EXPECT_THAT(Refusal(file), HasSubstr("SentencePiece model of type 4"));
  file = {};
  file.trainer += Number(24, 1);
  EXPECT_THAT(Refusal(file), HasSubstr("puts spaces behind words"));
  file = {};
  file.normalizer = Bytes(1, "nmt_nfkc") + Bytes(2, "map") + Number(4, 0);
  EXPECT_THAT(Refusal(file), HasSubstr("normalises text (\"nmt_nfkc\")"));
  file.normalizer = Bytes(1, "identity");
  EXPECT_THAT(Refusal(file), HasSubstr("normalises text (\"identity\")"));
  file = {};
  file.pieces[3].kind = 9;
  EXPECT_THAT(Refusal(file), HasSubstr("is no SentencePiece model"));
  file = {};
  file.pieces[3].text = "\xff";
  EXPECT_THAT(Refusal(file), HasSubstr("token 3 that is empty or no UTF-8"));
  file = {};
  file.trainer += Number(41, 500);
  EXPECT_THAT(Refusal(file), HasSubstr("names token 500, which it has not"));
  file = {};
  for (char c = 'c'; c < 'f'; ++c) file.pieces.push_back({std::string(1, c), -9, 1});
  EXPECT_THAT(Refusal(file), HasSubstr("11 tokens for an embedding of 9 rows"));
}

TEST_F(FolderTokenizer, DamagedPiecesAreSafe) {
  const std::string whole = PieceFile().Content();
  for (size_t size = 0; size < whole.size(); ++size) {
    folder_.Write("tokenizer.model", whole.substr(0, size));
    (void)Make();
  }
  uint32_t random = 1;
  for (int round = 0; round < 300; ++round) {
    std::string bytes = whole;
    random = random * 1664525u + 1013904223u;
    bytes[(random >> 8) % bytes.size()] = static_cast<char>(random >> 24);
    folder_.Write("tokenizer.model", bytes);
    (void)Make();
  }
  folder_.Write("tokenizer.model", "");
  EXPECT_THAT(Refusal(), HasSubstr("is no SentencePiece model"));
}

TEST_F(FolderTokenizer, RefusesFilesBesideThatCannotBe) {
  EXPECT_THAT(Refusal(), HasSubstr("has neither tokenizer.json nor tokenizer.model"));
  const PieceFile pieces;
  folder_.Write("added_tokens.json", R"({"<extra>":9})");
  EXPECT_THAT(Refusal(pieces), HasSubstr("adds token 9, but none has the id 8"));
  folder_.Write("added_tokens.json", R"({"<extra>":"9"})");
  EXPECT_THAT(Refusal(pieces), HasSubstr("added_tokens.json: \"<extra>\" is not a number"));
  folder_.Write("added_tokens.json", "{}");
  folder_.Write("tokenizer_config.json", R"({"added_tokens_decoder":{"99999999999":{}}})");
  EXPECT_THAT(Refusal(pieces), HasSubstr("names a token by no number"));
  folder_.Write("tokenizer_config.json", "{}");
  folder_.Write("generation_config.json", R"({"eos_token_id":"</s>"})");
  EXPECT_THAT(Refusal(pieces), HasSubstr("generation_config.json: \"eos_token_id\" is not"));
  folder_.Write("generation_config.json", R"({"eos_token_id":9})");
  EXPECT_NE(Refusal(pieces), "accepted");
}

TEST_F(FolderTokenizer, TakesATokenizerJsonAsItIs) {
  const std::string text =
      R"({"added_tokens":[{"id":8,"content":"<|im_end|>","special":true},)"
      R"({"id":7,"content":"</s>","special":true},{"id":500,"content":"<image>"}],)"
      R"("model":{"vocab":{"a":0,"b":1}}})";
  folder_.Write("tokenizer.json", text);
  folder_.Write("tokenizer_config.json", R"({"eos_token":"</s>","bos_token":null})");
  folder_.Write("config.json", R"({"bos_token_id":1,"eos_token_id":[7]})");
  const auto files = Make();
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_EQ(files->tokenizer_json, text);
  EXPECT_THAT(files->eos_ids, ElementsAre(7, 8));
  EXPECT_EQ(files->bos_id, 1u);
  EXPECT_THAT(files->tokenizer_config_json, HasSubstr("</s>"));
  folder_.Write("config.json", R"({"eos_token_id":9})");
  EXPECT_THAT(Refusal(), HasSubstr("names token 9 as an end, but the embedding has 9 rows"));
  const auto with = [&](std::string_view json) {
    folder_.Write("tokenizer.json", json);
    return Refusal();
  };
  EXPECT_THAT(with("{}"), HasSubstr("has no vocabulary"));
  EXPECT_THAT(with("version https://git-lfs.github.com/spec/v1"), HasSubstr("git lfs pull"));
  EXPECT_THAT(with(R"({"model":{"vocab":[1,2,3,4,5,6,7,8,9,10]}})"),
              HasSubstr("10 tokens for an embedding of 9 rows"));
  EXPECT_THAT(with(R"({"model":{"vocab":{"a":0}},"added_tokens":[{"id":-1}]})"),
              HasSubstr("an added token without an id"));
  EXPECT_THAT(with(R"({"model":{"vocab":{"a":0}},"added_tokens":7})"), HasSubstr("are no list"));
}

}  // namespace
}  // namespace axsim::build

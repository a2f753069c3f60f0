// Token ids equal to llama.cpp's and prompts equal to transformers', on the real model's files.
//
// Reads the bundle smollm2/135m in the folder that AX_TEST_MODELS names. The references beside this
// file are made by make_tokens.py and make_prompts.py.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "tests/golden/vendor_form.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace axollama::text {
namespace {

std::filesystem::path Golden(std::string_view name) {
  return std::filesystem::path(AX_GOLDEN_DIR) / name;
}

std::string Read(const std::filesystem::path& path) {
  auto content = ReadFile(path);
  EXPECT_TRUE(content) << content.error().message;
  return content ? *content : "";
}

json::Value ReadJson(std::string_view name) {
  auto value = json::Parse(Read(Golden(name)));
  EXPECT_TRUE(value) << value.error().message;
  return value ? *value : json::Value();
}

std::filesystem::path Bundle() {
  const char* models = getenv("AX_TEST_MODELS");
  EXPECT_NE(models, nullptr) << "AX_TEST_MODELS must name a folder that holds smollm2/135m";
  return std::filesystem::path(models ? models : "") / "smollm2" / "135m";
}

std::vector<int32_t> Ids(const json::Value& array) {
  std::vector<int32_t> ids;
  for (const json::Value& id : array.as_array()) ids.push_back(static_cast<int32_t>(id.as_int64()));
  return ids;
}

// Memory of this process that no file backs, in kB.
long RssAnonKb() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("RssAnon:")) return std::stol(line.substr(8));
  }
  return -1;
}

// The runner as a whole must stay under 150 MB. First in this file: a heap that other tests grew
// would hide what the tokenizer takes.
TEST(GoldenMemory, TheTokenizerIsSmall) {
  const long before = RssAnonKb();
  const auto tokenizer = Tokenizer::Load(Bundle() / "tokenizer.json");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const long taken = RssAnonKb() - before;
  RecordProperty("rss_anon_kb", std::to_string(taken));
  EXPECT_LT(taken, 40 * 1024);
}

// The model's tokenizer.json itself, or what AXERA's text form keeps of it (type 1 or 3).
class GoldenTokens : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    std::filesystem::path path = Bundle() / "tokenizer.json";
    if (GetParam() != 0) {
      const auto json = json::ParseObject(Read(path), "tokenizer.json");
      ASSERT_TRUE(json) << json.error().message;
      std::string name = (std::filesystem::temp_directory_path() / "goldenXXXXXX").string();
      folder_ = mkdtemp(name.data());
      path = folder_ / "tokenizer.txt";
      std::ofstream(path, std::ios::binary) << VendorForm(*json, GetParam());
    }
    auto tokenizer = Tokenizer::Load(path);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    tokenizer_ = std::move(*tokenizer);
    for (uint32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
      const auto bytes = tokenizer_->TokenBytes(static_cast<int32_t>(id), true);
      if (bytes && bytes->size() == 1) bytes_[uint8_t(bytes->front())] = true;
    }
  }

  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  void Check(std::string_view text, const json::Value& expected, const std::string& where) {
    for (const bool special : {true, false}) {
      const auto ids = tokenizer_->Encode(text, {.add_special = true, .parse_special = special});
      ASSERT_TRUE(ids) << where << ids.error().message;
      EXPECT_EQ(*ids, Ids(expected.at(special ? "parsed" : "plain")))
          << where << (special ? " parsed: " : " plain: ") << text;
      // What was encoded comes back byte for byte, where the vocabulary has the bytes (it lacks
      // some that no character of its training text used; llama.cpp drops those too).
      if (!std::all_of(text.begin(), text.end(), [&](char c) { return bytes_[uint8_t(c)]; })) {
        continue;
      }
      const auto back = tokenizer_->Decode(*ids, /*special=*/true);
      ASSERT_TRUE(back) << where << back.error().message;
      EXPECT_EQ(*back, text) << where;
    }
  }

  std::filesystem::path folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::array<bool, 256> bytes_{};  // which single bytes are tokens
};

TEST_P(GoldenTokens, EveryLineAsLlamaCpp) {
  const json::Value expected = ReadJson("tokens_smollm2.json");
  const std::string text = Read(Golden("lines.txt"));
  const json::Array& lines = expected.at("lines").as_array();
  ASSERT_GE(lines.size(), 200u);
  size_t begin = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const size_t end = text.find('\n', begin);
    ASSERT_NE(end, std::string::npos);
    Check(std::string_view(text).substr(begin, end - begin), lines[i],
          "line " + std::to_string(i + 1));
    begin = end + 1;
  }
  EXPECT_EQ(begin, text.size());
}

TEST_P(GoldenTokens, TheWholeFileAsLlamaCpp) {
  Check(Read(Golden("lines.txt")), ReadJson("tokens_smollm2.json").at("whole"), "the whole file");
}

TEST_P(GoldenTokens, SpecialTokens) {
  EXPECT_EQ(tokenizer_->vocab_size(), 49152u);
  EXPECT_EQ(tokenizer_->TokenToId("<|im_end|>"), 2);
  EXPECT_TRUE(tokenizer_->IsSpecial(2));
  EXPECT_EQ(*tokenizer_->TokenBytes(2, true), "<|im_end|>");
  EXPECT_EQ(*tokenizer_->TokenBytes(2, false), "");
  EXPECT_FALSE(tokenizer_->IsSpecial(100));
}

INSTANTIATE_TEST_SUITE_P(Forms, GoldenTokens, testing::Values(0, 1, 3));

TEST(GoldenPrompts, EveryConversationAsTransformers) {
  // The contexts go in as they stand in the file: 2.0 must not become 2 on the way.
  std::ifstream conversations(Golden("conversations.jsonl"));
  const json::Value prompts = ReadJson("prompts.json");
  size_t i = 0;
  for (std::string line; std::getline(conversations, line); ++i) {
    ASSERT_LT(i, prompts.as_array().size());
    const json::Value context = *json::Parse(line);
    std::filesystem::path source = Bundle() / "chat_template.jinja";
    if (const json::Value* name = json::Find(context.as_object(), "template")) {
      source = Golden("templates") / (std::string(json::View(name->as_string())) + ".jinja");
    }
    const auto compiled = ChatTemplate::Compile(Read(source));
    ASSERT_TRUE(compiled) << i << ": " << compiled.error().message;
    const auto text = (*compiled)->Render(line);
    const json::Object& expected = prompts.at(i).as_object();
    if (const json::Value* error = json::Find(expected, "error")) {
      ASSERT_FALSE(text) << i;
      EXPECT_EQ(text.error().message, json::View(error->as_string())) << i;
    } else {
      ASSERT_TRUE(text) << i << ": " << text.error().message;
      EXPECT_EQ(*text, json::View(expected.at("prompt").as_string())) << "conversation " << i;
    }
  }
  EXPECT_EQ(i, prompts.as_array().size());
  EXPECT_GE(i, 20u);
}

}  // namespace
}  // namespace axollama::text

#include "pull/bundle_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace axollama::pull {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

HubRepo Repo(const std::vector<std::string>& paths) {
  HubRepo repo;
  repo.repo = "AXERA-TECH/Qwen3-0.6B";
  for (const std::string& path : paths) repo.files.push_back({path, 10, "", ""});
  return repo;
}

std::vector<std::string> Local(const Result<BundleFiles>& files) {
  std::vector<std::string> names;
  if (!files) return {files.error().message};
  for (const WantedFile& file : files->files) names.push_back(file.local);
  return names;
}

const std::vector<std::string> kOld = {
    ".gitattributes",
    "README.md",
    "config.json",
    "main_ax650",
    "main_axcl_aarch64",
    "post_config.json",
    "qwen2.5_tokenizer/tokenizer.json",
    "qwen3-0.6b-ax630c/model.embed_tokens.weight.bfloat16.bin",
    "qwen3-0.6b-ax630c/qwen3_p128_l0_together.axmodel",
    "qwen3-0.6b-ax630c/qwen3_post.axmodel",
    "qwen3-0.6b-ax650/model.embed_tokens.weight.bfloat16.bin",
    "qwen3-0.6b-ax650/qwen3_p128_l0_together.axmodel",
    "qwen3-0.6b-ax650/qwen3_p128_l1_together.axmodel",
    "qwen3-0.6b-ax650/qwen3_post.axmodel",
    "qwen3_tokenizer/merges.txt",
    "qwen3_tokenizer/tokenizer.json",
    "qwen3_tokenizer/tokenizer_config.json",
    "qwen3_tokenizer_uid.py",
    "run_qwen3_0.6b_int8_ctx_ax650.sh",
};

TEST(BundleFilesTest, AFolderOfTheChipAndATokenizerFolderMakeABundle) {
  const auto files = ChooseBundle(Repo(kOld), "latest");
  EXPECT_THAT(Local(files),
              ElementsAre("config.json", "model.embed_tokens.weight.bfloat16.bin",
                          "post_config.json", "qwen3_p128_l0_together.axmodel",
                          "qwen3_p128_l1_together.axmodel", "qwen3_post.axmodel",
                          "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"));
  EXPECT_EQ(files->variant, "qwen3-0.6b-ax650");
  EXPECT_EQ(files->size_bytes, 80u);
  for (const WantedFile& file : files->files) {
    EXPECT_THAT(file.remote.path, testing::Not(HasSubstr("ax630c")));
    EXPECT_THAT(file.remote.path, testing::Not(HasSubstr("qwen2.5")));
  }
}

TEST(BundleFilesTest, AFlatRepositoryWithATextTokenizerIsTakenAsItIs) {
  EXPECT_THAT(
      Local(
          ChooseBundle(Repo({"README.md", "config.json", "images/a.png",
                             "model.embed_tokens.weight.bfloat16.bin", "post_config.json",
                             "qwen3_p128_l0_together.axmodel",
                             "qwen3_p128_l0_together.axmodel.onnx", "qwen3_post.axmodel",
                             "qwen3_tokenizer.txt", "requirements.txt", "vision_encoder.axmodel"}),
                       "latest")),
      ElementsAre("config.json", "model.embed_tokens.weight.bfloat16.bin", "post_config.json",
                  "qwen3_p128_l0_together.axmodel", "qwen3_post.axmodel", "qwen3_tokenizer.txt"));
}

TEST(BundleFilesTest, TheTagChoosesBetweenVariants) {
  const auto variant = [](const std::string& name) {
    return std::vector<std::string>{name + "/qwen2_p128_l0_together.axmodel",
                                    name + "/qwen2_post.axmodel", name + "/embed.bin",
                                    name + "/tokenizer.json", name + "/config.json"};
  };
  std::vector<std::string> paths = variant("ds-1.5b-int4");
  for (const std::string& path : variant("ds-1.5b-int8")) paths.push_back(path);
  paths.push_back("config.json");
  const HubRepo repo = Repo(paths);
  EXPECT_EQ(ChooseBundle(repo, "INT8")->variant, "ds-1.5b-int8");
  EXPECT_EQ(ChooseBundle(repo, "ds-1.5b-int4")->variant, "ds-1.5b-int4");
  // Its own settings go before those at the top.
  const auto int4 = ChooseBundle(repo, "int4");
  ASSERT_TRUE(int4);
  for (const WantedFile& file : int4->files) {
    EXPECT_EQ(file.remote.path, "ds-1.5b-int4/" + file.local);
  }
  EXPECT_THAT(ChooseBundle(repo, "latest").error().message,
              HasSubstr("holds several models: ds-1.5b-int4, ds-1.5b-int8: choose one, as in "
                        "AXERA-TECH/Qwen3-0.6B:ds-1.5b-int4"));
  EXPECT_THAT(ChooseBundle(repo, "int").error().message, HasSubstr("more than one model \"int\""));
  EXPECT_THAT(ChooseBundle(repo, "bf16").error().message, HasSubstr("no model \"bf16\""));
}

TEST(BundleFilesTest, WhatIsIncompleteIsRefusedBeforeItIsDownloaded) {
  const auto without = [](const std::string& part) {
    std::vector<std::string> paths;
    for (const std::string& path : kOld) {
      if (path.find(part) == std::string::npos) paths.push_back(path);
    }
    const auto files = ChooseBundle(Repo(paths), "latest");
    return files ? "" : files.error().message;
  };
  EXPECT_THAT(without("l0_together"), HasSubstr("incomplete: it has 1 layers"));
  EXPECT_THAT(without("_together"), HasSubstr("no *_together.axmodel files"));
  EXPECT_THAT(without("post.axmodel"), HasSubstr("no *_post.axmodel files"));
  EXPECT_THAT(without("embed_tokens"), HasSubstr("no embedding table"));
  EXPECT_THAT(without("tokenizer.json"), HasSubstr("no tokenizer"));
  EXPECT_THAT(without("-ax650/"), HasSubstr("of other chips only"));
  EXPECT_THAT(without(".axmodel"), HasSubstr("no model that was compiled for the card"));
  std::vector<std::string> two = kOld;
  two.push_back("qwen3-0.6b-ax650/qwen3_p64_l0_together.axmodel");
  EXPECT_THAT(ChooseBundle(Repo(two), "latest").error().message, HasSubstr("several models"));
}

}  // namespace
}  // namespace axollama::pull

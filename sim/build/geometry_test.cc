// Bundles of which only the geometry is built.
#include "sim/build/geometry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/file.h"
#include "sim/build/builder.h"
#include "sim/container/axmodel.h"

namespace axsim::build {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class GeometryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/axsim-geometry-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  axollama::Result<BuildReport> Make(BuildOptions options) {
    options.out = folder_ / "out";
    options.force = true;
    return Build(options, [] { return false; }, [](uint64_t, uint64_t) {});
  }
  container::Model Read(const char* name) {
    files_.push_back(*axollama::MappedFile::Open(folder_ / "out" / name));
    auto model = container::Read(files_.back().bytes());
    EXPECT_TRUE(model) << model.error().message;
    return model ? std::move(*model) : container::Model();
  }

  fs::path folder_;
  std::vector<axollama::MappedFile> files_;  // what models look into
};

// The sizes that the real model's files have, and next to nothing of it on the disk.
TEST_F(GeometryTest, FilesHaveTheirSizesAndTakeNoDisk) {
  const auto report = Make({.geometry = "qwen3-4b"});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->layers, 36u);
  uint64_t file_bytes = 0, disk_bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "out")) {
    struct stat info;
    ASSERT_EQ(stat(entry.path().c_str(), &info), 0);
    file_bytes += static_cast<uint64_t>(info.st_size);
    disk_bytes += static_cast<uint64_t>(info.st_blocks) * 512;
  }
  EXPECT_EQ(file_bytes, report->size_bytes);
  EXPECT_GT(file_bytes, 4'800'000'000u);
  EXPECT_LT(disk_bytes, 16u << 20);

  const container::Model layer = Read("qwen3_p128_l35_together.axmodel");
  EXPECT_TRUE(layer.program.geometry);
  EXPECT_EQ(layer.groups.size(), 17u);
  EXPECT_EQ(layer.groups[0].inputs[0].dims, (std::vector<int32_t>{1, 2047, 1024}));
  EXPECT_EQ(layer.weights.at("down").data.size(), 2560u * 9728);
  EXPECT_EQ(Read("qwen3_post.axmodel").program.vocab, 151'936u);
}

TEST_F(GeometryTest, OptionsHoldForItToo) {
  const auto report = Make({.geometry = "llama-3.2-1b",
                            .weights = spec::WeightType::kBf16,
                            .context_tokens = 512,
                            .chunk_tokens = 64});
  ASSERT_TRUE(report) << report.error().message;
  const container::Model layer = Read("llama_p64_l0_together.axmodel");
  EXPECT_EQ(layer.program.weights, spec::WeightType::kBf16);
  EXPECT_EQ(layer.groups.size(), 9u);
  // As the vendor's compiler makes it.
  EXPECT_EQ(Read("llama_post.axmodel").program.weights, spec::WeightType::kS8);
  ASSERT_TRUE(Make({.geometry = "smollm2-135m", .layout = Layout::kSingle}));
  EXPECT_TRUE(Read("model.axmodel").program.geometry);
}

TEST_F(GeometryTest, WhatIsNotKnownIsRefused) {
  const auto unknown = Make({.geometry = "qwen9"});
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("\"qwen9\" is not known; known are qwen3-0.6b, "));
  const auto too_long = Make({.geometry = "tinyllama-1.1b", .context_tokens = 4096});
  ASSERT_FALSE(too_long);
  EXPECT_THAT(too_long.error().message, HasSubstr("tinyllama-1.1b was trained for"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST(GeometryTokenizer, HasATokenForEachByte) {
  const auto files = GeometryTokenizer();
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_THAT(files->tokenizer_json, HasSubstr("\"a\":97"));
  EXPECT_THAT(files->tokenizer_json, HasSubstr("\"\u0120\":32"));  // a space
  EXPECT_THAT(files->eos_ids, testing::Contains(258u));
}

}  // namespace
}  // namespace axsim::build

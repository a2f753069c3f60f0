#include "server/tag_cache.h"

#include <gtest/gtest.h>

#include <fstream>

#include "server/test_folder.h"

namespace axollama::server {
namespace {

TEST(TagCache, LooksAgainWhenAFileOrTheManifestIsAnother) {
  const TestFolder folder;
  std::ofstream(folder.path() / "config.json") << "{}";
  store::Model model;
  model.name = *store::Name::Parse("m");
  model.folder = folder.path();
  model.digest = "1";
  int looks = 0;
  const auto look = [&]() -> Result<TagFacts> {
    TagFacts facts;
    facts.capabilities = {std::to_string(++looks)};
    return facts;
  };
  TagCache cache;
  EXPECT_EQ(cache.Get(model, look)->capabilities.front(), "1");
  EXPECT_EQ(cache.Get(model, look)->capabilities.front(), "1");
  model.digest = "2";
  EXPECT_EQ(cache.Get(model, look)->capabilities.front(), "2");
  std::ofstream(folder.path() / "config.json") << R"({"a":1})";
  EXPECT_EQ(cache.Get(model, look)->capabilities.front(), "3");
  EXPECT_EQ(cache.Get(model, look)->capabilities.front(), "3");
  store::Model other = model;
  other.name = *store::Name::Parse("n");
  EXPECT_EQ(cache.Get(other, look)->capabilities.front(), "4");
}

TEST(TagCache, KeepsNoErrors) {
  const TestFolder folder;
  store::Model model;
  model.folder = folder.path();
  TagCache cache;
  EXPECT_FALSE(
      cache.Get(model, []() -> Result<TagFacts> { return Fail(ErrorKind::kIo, "damaged"); }));
  EXPECT_TRUE(cache.Get(model, []() -> Result<TagFacts> { return TagFacts(); }));
}

}  // namespace
}  // namespace axollama::server

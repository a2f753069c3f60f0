#include "store/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace axollama::store {
namespace {

using ::testing::HasSubstr;

const std::string kDigest(64, 'a');

std::string Text(const std::string& from, const std::string& more = "") {
  return R"({"schemaVersion":2,"layers":[{"mediaType":"application/vnd.axollama.image.bundle",)"
         R"("digest":"sha256:)" +
         kDigest + R"(","size":5,"from":")" + from + "\"}" + more + "]}";
}

TEST(Manifest, ReadsWhatItWrites) {
  Manifest manifest;
  manifest.bundle = {std::string(kBundleType), kDigest, 123};
  manifest.from = "/srv/models/qwen3";
  manifest.parent = "qwen3:4b";
  manifest.texts = {{std::string(kSystemType), std::string(64, 'b'), 7}};
  const auto again = ParseManifest(WriteManifest(manifest));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->from, manifest.from);
  EXPECT_EQ(again->parent, manifest.parent);
  EXPECT_EQ(again->bundle.size_bytes, 123u);
  ASSERT_EQ(again->texts.size(), 1u);
  EXPECT_EQ(again->texts[0].digest, std::string(64, 'b'));
  EXPECT_EQ(WriteManifest(*again), WriteManifest(manifest));
}

TEST(Manifest, RefusesWhatTheStoreDoesNotWrite) {
  EXPECT_TRUE(ParseManifest(Text("bundles/x")));
  const std::string layer = R"(,{"mediaType":"t","digest":"sha256:../../x","size":1})";
  const std::string huge =
      R"(,{"mediaType":"t","digest":"sha256:)" + kDigest + R"(","size":99999999999})";
  for (const std::string& text :
       {std::string(""), std::string("[]"), std::string("{}"),
        std::string(R"({"schemaVersion":1,"layers":[]})"),
        std::string(R"({"schemaVersion":2,"layers":[]})"), Text(""), Text("../x"),
        Text("bundles/../../x"), Text("a\\u0000b"), Text("x", layer), Text("x", huge),
        Text("x", R"(,{"mediaType":"t","digest":"sha256:)" + kDigest + R"(","size":-1})"),
        Text("x", ",7"), std::string(kMaxManifestBytes + 1, ' ')}) {
    EXPECT_FALSE(ParseManifest(text)) << text.substr(0, 200);
  }
  const std::string twice = Text("x", "," + Text("y").substr(Text("y").find("[{") + 1));
  EXPECT_FALSE(ParseManifest(twice.substr(0, twice.size() - 2)));
}

TEST(Digest, IsSha256AndNothingElse) {
  EXPECT_EQ(*ParseDigest("sha256:" + kDigest), kDigest);
  EXPECT_EQ(*ParseDigest("sha256-" + kDigest), kDigest);
  EXPECT_EQ(*ParseDigest("sha256:" + std::string(64, 'F')), std::string(64, 'f'));
  for (const std::string& text :
       {std::string(""), std::string("sha256:"), kDigest, "sha512:" + kDigest,
        "sha256:" + kDigest + "a", "sha256:" + kDigest.substr(1), "sha256:/" + kDigest.substr(1),
        "sha256:.." + kDigest.substr(2), "sha256:" + std::string(64, '\0'), "sha256/" + kDigest}) {
    const auto digest = ParseDigest(text);
    ASSERT_FALSE(digest) << text;
    EXPECT_EQ(digest.error().message, "invalid digest format");
  }
}

}  // namespace
}  // namespace axollama::store

#include "api/pull.h"

#include <gtest/gtest.h>

namespace axollama::api {
namespace {

TEST(PullTest, EitherSpellingNamesTheModel) {
  const auto request = ParsePull(R"({"name":"a","insecure":true,"stream":false})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->model, "a");
  EXPECT_TRUE(request->insecure);
  EXPECT_FALSE(request->stream);
  EXPECT_EQ(ParsePull(R"({"name":"a","model":"b"})")->model, "b");
  EXPECT_TRUE(ParsePull(R"({"model":"b"})")->stream);
  EXPECT_EQ(ParsePull("").error().message, "missing request body");
  EXPECT_EQ(ParsePull(R"({"model":7})").error().kind, ErrorKind::kInvalid);
}

TEST(PullTest, ProgressLeavesOutWhatIsEmpty) {
  EXPECT_EQ(WriteProgress("pulling manifest"), R"({"status":"pulling manifest"})");
  EXPECT_EQ(WriteProgress("pulling 0123", "sha256:0123", 10),
            R"({"status":"pulling 0123","digest":"sha256:0123","total":10})");
  EXPECT_EQ(WriteProgress("pulling 0123", "sha256:0123", 10, 5),
            R"({"status":"pulling 0123","digest":"sha256:0123","total":10,"completed":5})");
}

}  // namespace
}  // namespace axollama::api

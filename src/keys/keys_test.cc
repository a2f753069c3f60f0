#include "keys/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/file.h"

namespace axollama::keys {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Keys : public testing::Test {
 protected:
  Keys() {
    std::string name = (fs::temp_directory_path() / "axkeysXXXXXX").string();
    folder_ = mkdtemp(name.data());
    path_ = folder_ / "home" / "keys.json";
  }
  ~Keys() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  std::string Text() const { return ReadFile(path_).value_or(""); }

  fs::path folder_, path_;
};

TEST_F(Keys, NoFileMeansNoKeys) {
  Keyring ring(path_);
  EXPECT_FALSE(ring.Check("").any);
  EXPECT_FALSE(ring.Check("axo_1").scopes);
}

TEST_F(Keys, AKeyIsSeenOnceAndKnownFromThenOn) {
  Keyring ring(path_);
  EXPECT_FALSE(ring.Check("").any);
  const auto secret = Add(path_, "kiosk", kInference | kMetrics);
  ASSERT_TRUE(secret) << secret.error().message;
  EXPECT_EQ(secret->size(), 4u + 64);
  EXPECT_THAT(Text(), testing::Not(HasSubstr(secret->substr(4))));
  const Keyring::State known = ring.Check(*secret);
  EXPECT_TRUE(known.any);
  ASSERT_TRUE(known.scopes);
  EXPECT_EQ(*known.scopes, kInference | kMetrics);
  for (const std::string& wrong :
       {std::string(), *secret + "0", secret->substr(0, 67), std::string("axo_"),
        std::string(1u << 20, 'x'), "axo_" + std::string(1u << 20, 'x')}) {
    EXPECT_FALSE(ring.Check(wrong).scopes) << wrong.size();
  }
}

TEST_F(Keys, TwoKeysAreNeverTheSame) {
  const auto one = Add(path_, "one", kInference);
  const auto two = Add(path_, "two", kManage);
  ASSERT_TRUE(one && two);
  EXPECT_NE(*one, *two);
  Keyring ring(path_);
  EXPECT_EQ(*ring.Check(*one).scopes, kInference);
  EXPECT_EQ(*ring.Check(*two).scopes, kManage);
}

TEST_F(Keys, ARemovedKeyIsNoKeyAtOnce) {
  Keyring ring(path_);
  const auto one = Add(path_, "one", kInference);
  ASSERT_TRUE(one && Add(path_, "two", kInference));
  ASSERT_TRUE(ring.Check(*one).scopes);
  EXPECT_TRUE(Remove(path_, "one"));
  EXPECT_FALSE(ring.Check(*one).scopes);
  EXPECT_TRUE(ring.Check(*one).any);
  EXPECT_TRUE(Remove(path_, "two"));
  EXPECT_FALSE(ring.Check(*one).any);
  EXPECT_EQ(Remove(path_, "two").error().kind, ErrorKind::kNotFound);
}

TEST_F(Keys, NamesAndScopesAreChecked) {
  EXPECT_TRUE(Add(path_, "a", kInference));
  EXPECT_EQ(Add(path_, "a", kInference).error().kind, ErrorKind::kConflict);
  for (const std::string& name : {std::string(), std::string("a b"), std::string("a\n"),
                                  std::string("\xc3\xa4"), std::string(65, 'x')}) {
    EXPECT_EQ(Add(path_, name, kInference).error().kind, ErrorKind::kInvalid) << name;
  }
  EXPECT_EQ(*ParseScopes("manage,inference"), kInference | kManage);
  EXPECT_EQ(*ParseScopes("all"), kInference | kManage | kMetrics);
  EXPECT_EQ(FormatScopes(kManage | kInference), "inference,manage");
  EXPECT_THAT(ParseScopes("admin").error().message, HasSubstr("\"admin\" is no scope"));
  EXPECT_FALSE(ParseScopes(""));
}

TEST_F(Keys, TheFileIsItsOwnersAlone) {
  ASSERT_TRUE(Add(path_, "a", kInference));
  struct stat info{};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

// A file that cannot be trusted opens nothing: no key is accepted, and there are keys.
TEST_F(Keys, ADamagedFileOpensNothing) {
  const auto secret = Add(path_, "a", kInference);
  ASSERT_TRUE(secret);
  Keyring ring(path_);
  ASSERT_TRUE(ring.Check(*secret).scopes);
  const std::string good = Text();
  const std::string bad[] = {
      "",
      "{",
      "[]",
      R"({"keys":{}})",
      R"({"keys":[5]})",
      R"({"keys":[{"name":"a","scopes":"inference","sha256":""}]})",
      R"({"keys":[{"name":"a","scopes":"root","sha256":")" + std::string(64, '0') + R"("}]})",
  };
  for (const std::string& text : bad) {
    ASSERT_TRUE(WriteFileAtomically(path_, text, 0600));
    EXPECT_FALSE(Read(path_)) << text;
    EXPECT_TRUE(ring.Check(*secret).any) << text;
    EXPECT_FALSE(ring.Check(*secret).scopes) << text;
  }
  ASSERT_TRUE(WriteFileAtomically(path_, good, 0600));
  EXPECT_TRUE(ring.Check(*secret).scopes);
  ASSERT_EQ(chmod(path_.c_str(), 0666), 0);
  EXPECT_FALSE(ring.Check(*secret).scopes);
  EXPECT_THAT(Read(path_).error().message, HasSubstr("others may write"));
}

}  // namespace
}  // namespace axollama::keys

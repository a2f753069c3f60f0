#include "pull/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "pull/sha1.h"

namespace axollama::pull {
namespace {

using testing::Contains;
using testing::HasSubstr;

const std::string kSha(64, 'a');
const std::string kOid(40, 'b');

TEST(HubTest, ATreeHasItsFilesWithSizeAndDigest) {
  std::vector<HubFile> files;
  const std::string text = R"([
    {"type":"directory","oid":"x","size":0,"path":"sub"},
    {"type":"file","oid":")" +
                           kOid +
                           R"(","size":12,"path":"config.json"},
    {"type":"file","oid":"c","size":134,"path":"sub/a.axmodel",
     "lfs":{"oid":")" + kSha +
                           R"(","size":5000000000,"pointerSize":134}}])";
  const Status status = ParseTree(text, &files);
  ASSERT_TRUE(status) << status.error().message;
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].path, "config.json");
  EXPECT_EQ(files[0].git_sha1, kOid);
  EXPECT_EQ(files[0].sha256, "");
  EXPECT_EQ(files[1].size_bytes, 5'000'000'000u);
  EXPECT_EQ(files[1].sha256, kSha);
  EXPECT_EQ(files[1].git_sha1, "");
}

TEST(HubTest, NamesThatLeaveTheFolderAreRefused) {
  for (const char* path : {"../x", "a/../../x", "/etc/passwd", "a//b", "a/", ".", "a/./b", "",
                           R"(a\\b)", R"(a\u0000b)", R"(a\u001bb)"}) {
    std::vector<HubFile> files;
    const Status status =
        ParseTree(std::string(R"([{"type":"file","size":1,"path":")") + path + "\"}]", &files);
    ASSERT_FALSE(status) << path;
    EXPECT_THAT(status.error().message, HasSubstr("a name that is refused"));
  }
  EXPECT_TRUE(SafePath("a/b..c/..d/.gitattributes"));
  EXPECT_FALSE(SafePath(std::string(256, 'a')));
  EXPECT_FALSE(SafePath(std::string(600, 'a') + "/" + std::string(600, 'b')));
}

TEST(HubTest, WhatIsNoListIsRefused) {
  for (const char* text :
       {"", "{}", "[1]", R"([{"type":"file","path":"a","size":-1}])",
        R"([{"type":"file","path":"a"}])", R"([{"type":"file","path":"a","size":9e18}])",
        R"([{"type":"file","path":"a","size":1,"lfs":{"oid":"short","size":1}}])",
        R"([{"type":"file","path":7,"size":1}])"}) {
    std::vector<HubFile> files;
    EXPECT_FALSE(ParseTree(text, &files)) << text;
  }
  EXPECT_FALSE(ParseRevision(R"({"sha":"../../x"})"));
  EXPECT_FALSE(ParseRevision("[]"));
  EXPECT_EQ(*ParseRevision(R"({"sha":")" + kOid + "\"}"), kOid);
}

TEST(HubTest, OnlyTheCursorOfALinkCounts) {
  EXPECT_EQ(NextCursor(""), "");
  EXPECT_EQ(NextCursor("<https://evil/api?recursive=true&cursor=ZXlK%3D%3D&limit=9>; rel=\"next\""),
            "ZXlK%3D%3D");
  EXPECT_EQ(NextCursor("<https://hf.co/a?cursor=x>; rel=\"prev\""), "");
  EXPECT_EQ(NextCursor("https://hf.co/a?cursor=x; rel=\"next\""), "");
  EXPECT_EQ(NextCursor("<https://hf.co/a?cursor=x y>; rel=\"next\""), "");
}

TEST(HubTest, FilesHaveEscapedUrls) {
  Hub hub;
  hub.endpoint = "https://huggingface.co";
  EXPECT_EQ(FileUrl(hub, {"a/b", "c0", {}}, "d e/f%.bin"),
            "https://huggingface.co/a/b/resolve/c0/d%20e/f%25.bin");
}

TEST(HubTest, TheEnvironmentNamesMirrorHostsAndToken) {
  setenv("HF_ENDPOINT", "https://Mirror.example:8443/", 1);
  setenv("AXOLLAMA_PULL_HOSTS", " CDN.example , .more.example,", 1);
  setenv("HF_TOKEN", "t", 1);
  const auto mirror = Hub::FromEnvironment();
  unsetenv("HF_ENDPOINT");
  unsetenv("AXOLLAMA_PULL_HOSTS");
  unsetenv("HF_TOKEN");
  ASSERT_TRUE(mirror);
  EXPECT_EQ(mirror->endpoint, "https://Mirror.example:8443");
  EXPECT_TRUE(mirror->own);
  EXPECT_EQ(mirror->token, "t");
  EXPECT_THAT(mirror->hosts, Contains("mirror.example"));
  EXPECT_THAT(mirror->hosts, Contains("cdn.example"));
  EXPECT_THAT(mirror->hosts, Contains(".more.example"));
  const auto plain = Hub::FromEnvironment();
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->endpoint, "https://huggingface.co");
  EXPECT_FALSE(plain->FetchOptions(false).allow_private);
  setenv("HF_ENDPOINT", "mirror", 1);
  EXPECT_FALSE(Hub::FromEnvironment());
  unsetenv("HF_ENDPOINT");
}

TEST(Sha1Test, KnownAnswers) {
  const auto sum = [](std::string_view text) {
    Sha1 sha;
    for (const char& c : text) sha.Update({&c, 1});
    return sha.Hex();
  };
  EXPECT_EQ(sum(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(sum("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(sum("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  Sha1 million;
  for (int i = 0; i < 1000; ++i) million.Update(std::string(1000, 'a'));
  EXPECT_EQ(million.Hex(), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

}  // namespace
}  // namespace axollama::pull

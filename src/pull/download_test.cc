#include "pull/download.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "base/sha256.h"
#include "net/server.h"

namespace axollama::pull {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A server of one file, and how it fails.
class DownloadTest : public testing::Test {
 protected:
  static constexpr uint64_t kPart = 1000;

  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    std::string name = fs::temp_directory_path() / "axdownloadXXXXXX";
    folder_ = mkdtemp(name.data());
    for (int i = 0; i < 4321; ++i) content_ += static_cast<char>(i * 7 + i / 256);
    server_ = std::move(*net::Server::Create({}, [this](const auto& request, auto& out) {
      {
        std::lock_guard lock(mutex_);
        asked_.push_back(std::string(request.headers.Get("Range")));
      }
      answer_(request, out);
    }));
    address_ = *server_->ListenTcp("127.0.0.1:0");
    answer_ = [this](const auto& request, auto& out) { Ranged(request, out); };
  }
  void TearDown() override {
    server_.reset();
    fs::remove_all(folder_);
  }

  // [from, to] of a Range header, or all.
  std::pair<size_t, size_t> Wanted(const net::Request& request) const {
    size_t from = 0, to = content_.size() - 1;
    const std::string range(request.headers.Get("Range"));
    if (!range.empty()) {
      EXPECT_EQ(sscanf(range.c_str(), "bytes=%zu-%zu", &from, &to), 2) << range;
    }
    return {from, to};
  }
  void Ranged(const net::Request& request, net::Responder& out) const {
    const auto [from, to] = Wanted(request);
    const bool ranged = !request.headers.Get("Range").empty();
    if (ranged) {
      out.SetHeader("Content-Range", fmt::format("bytes {}-{}/{}", from, to, content_.size()));
    }
    out.Send(ranged ? 206 : 200, "", content_.substr(from, to - from + 1));
  }

  Download Make(size_t streams = 2, DownloadOptions options = {}) const {
    options.fetch.allow_private = true;
    options.streams = streams;
    options.part_bytes = kPart;
    options.pause = std::chrono::milliseconds(1);
    DownloadFile file{"blob",
                      "http://" + address_ + "/file",
                      "file.bin",
                      content_.size(),
                      {Sha256Hex(content_), ""}};
    return Download(folder_, {file}, options);
  }
  std::string ErrorOf(Download& download) const {
    Status status = download.Prepare();
    if (status) status = download.Run();
    return status ? "" : status.error().message;
  }
  std::string Got() const {
    std::ifstream in(folder_ / "blob", std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  bool OnlyTheFileIsThere() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator()) == 1;
  }

  fs::path folder_;
  std::string content_, address_;
  std::function<void(const net::Request&, net::Responder&)> answer_;
  // A download that ended may have left a request that the server has not seen yet.
  std::vector<std::string> Asked() {
    std::lock_guard lock(mutex_);
    return asked_;
  }

  std::mutex mutex_;
  std::vector<std::string> asked_;
  std::unique_ptr<net::Server> server_;
};

TEST_F(DownloadTest, PartsMakeAFile) {
  Download download = Make(4);
  EXPECT_EQ(ErrorOf(download), "");
  EXPECT_EQ(Got(), content_);
  EXPECT_EQ(download.completed_bytes(), content_.size());
  EXPECT_THAT(Asked(),
              testing::UnorderedElementsAre("bytes=0-999", "bytes=1000-1999", "bytes=2000-2999",
                                            "bytes=3000-3999", "bytes=4000-4320"));
  EXPECT_TRUE(OnlyTheFileIsThere());
  asked_.clear();
  Download again = Make();
  EXPECT_EQ(ErrorOf(again), "");
  EXPECT_TRUE(Asked().empty());
}

TEST_F(DownloadTest, WhatAKilledProcessLeftIsNotAskedForAgain) {
  {
    auto left = PartialFile::Open(folder_ / "blob", content_.size(), kPart);
    ASSERT_TRUE(left);
    ASSERT_TRUE(left->Write(0, content_.substr(0, 1000)));
    ASSERT_TRUE(left->Write(3, content_.substr(3000, 400)));
    ASSERT_TRUE(left->SaveState(0));
    ASSERT_TRUE(left->SaveState(3));
    ASSERT_TRUE(left->Write(4, content_.substr(4000, 10)));  // the state does not know of it
  }
  Download download = Make(1);
  ASSERT_TRUE(download.Prepare());
  EXPECT_EQ(download.completed_bytes(), 1400u);
  ASSERT_TRUE(download.Run());
  EXPECT_EQ(Got(), content_);
  EXPECT_THAT(Asked(), testing::ElementsAre("bytes=1000-1999", "bytes=2000-2999", "bytes=3400-3999",
                                            "bytes=4000-4320"));
}

TEST_F(DownloadTest, AllPartsOfAKilledProcessAreChecked) {
  {
    auto left = PartialFile::Open(folder_ / "blob", content_.size(), kPart);
    for (size_t i = 0; i < 5; ++i) {
      ASSERT_TRUE(left->Write(i, content_.substr(i * kPart, kPart)));
      ASSERT_TRUE(left->SaveState(i));
    }
  }
  Download download = Make();
  EXPECT_EQ(ErrorOf(download), "");
  EXPECT_EQ(Got(), content_);
  EXPECT_TRUE(Asked().empty());
}

TEST_F(DownloadTest, WrongBytesOfAnEarlierTryAreThrownAwayOnce) {
  {
    auto left = PartialFile::Open(folder_ / "blob", content_.size(), kPart);
    ASSERT_TRUE(left->Write(1, std::string(1000, 'x')));
    ASSERT_TRUE(left->SaveState(1));
  }
  Download download = Make();
  EXPECT_EQ(ErrorOf(download), "");
  EXPECT_EQ(Got(), content_);
  EXPECT_EQ(download.completed_bytes(), content_.size());
}

TEST_F(DownloadTest, AServerThatIgnoresRangesSendsTheWhole) {
  answer_ = [this](const auto&, auto& out) { out.Send(200, "", content_); };
  Download download = Make(3);
  EXPECT_EQ(ErrorOf(download), "");
  EXPECT_EQ(Got(), content_);
  EXPECT_EQ(Asked().back(), "");
  EXPECT_EQ(download.completed_bytes(), content_.size());
}

TEST_F(DownloadTest, BrokenOffPartsGoOnWhereTheyWere) {
  std::atomic<int> calls{0};
  answer_ = [&](const auto& request, auto& out) {
    const auto [from, to] = Wanted(request);
    out.SetHeader("Content-Range", fmt::format("bytes {}-{}/{}", from, to, content_.size()));
    // Half of what is asked for, honestly announced.
    const size_t size = calls++ < 8 ? (to - from + 2) / 2 : to - from + 1;
    out.Send(206, "", content_.substr(from, size));
  };
  Download download = Make(1);
  EXPECT_EQ(ErrorOf(download), "");
  EXPECT_EQ(Got(), content_);
  EXPECT_EQ(Asked()[1], "bytes=500-999");
}

TEST_F(DownloadTest, TroublesOfTheServerAreWaitedOut) {
  std::atomic<int> calls{0};
  answer_ = [&](const auto& request, auto& out) {
    if (calls++ % 14 != 13) return out.Send(503, "", "busy");
    Ranged(request, out);
  };
  DownloadOptions options;
  options.max_pause = std::chrono::milliseconds(2);
  options.patience = std::chrono::milliseconds(30);  // 13 failures take less, 65 more
  Download download = Make(1, options);
  EXPECT_EQ(ErrorOf(download), "");
  EXPECT_EQ(Got(), content_);
  EXPECT_EQ(calls, 5 * 14);
}

TEST_F(DownloadTest, PatienceHasAnEnd) {
  answer_ = [](const auto&, auto& out) { out.Send(503, "", "busy"); };
  DownloadOptions options;
  options.max_pause = std::chrono::milliseconds(2);
  options.patience = std::chrono::milliseconds(10);
  Download download = Make(1, options);
  EXPECT_THAT(ErrorOf(download), HasSubstr("answers with status 503"));
  EXPECT_EQ(Asked().size(), 7u);  // pauses of 1, 2, 2, 2, 2 and 2 ms
}

TEST_F(DownloadTest, RetryAfterIsHeededUpToABound) {
  answer_ = [](const auto&, auto& out) {
    out.SetHeader("Retry-After", "3600");
    out.Send(429, "", "later");
  };
  DownloadOptions options;
  options.max_pause = std::chrono::milliseconds(5);
  options.patience = std::chrono::milliseconds(10);
  Download download = Make(1, options);
  EXPECT_THAT(ErrorOf(download), HasSubstr("answers with status 429"));
  EXPECT_EQ(Asked().size(), 3u);  // pauses of 5 and 5 ms
}

TEST_F(DownloadTest, HashingEndsWhenTheDownloadDoes) {
  std::ofstream(folder_ / "blob", std::ios::binary) << content_;
  const Digest right{Sha256Hex(content_), ""};
  EXPECT_TRUE(CheckDigest(folder_ / "blob", right, [] { return false; }));
  const Status ended = CheckDigest(folder_ / "blob", right, [] { return true; });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().kind, ErrorKind::kCancelled);
  // Without any digest nothing is right.
  EXPECT_FALSE(CheckDigest(folder_ / "blob", {}, [] { return false; }));
}

TEST_F(DownloadTest, WrongBytesAreNeverGivenTheirName) {
  answer_ = [this](const auto& request, auto& out) {
    const std::string right = content_;
    content_[2500] ^= 1;
    Ranged(request, out);
    content_ = right;
  };
  Download download = Make(1);
  EXPECT_THAT(ErrorOf(download),
              HasSubstr("file.bin: digest mismatch, file must be downloaded again: want sha256:"));
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(DownloadTest, LiesAboutRangesAndSizesAreErrors) {
  answer_ = [this](const auto& request, auto& out) {
    const auto [from, to] = Wanted(request);
    out.SetHeader("Content-Range", fmt::format("bytes {}-{}/{}", from + 1, to, content_.size()));
    out.Send(206, "", content_.substr(from + 1, to - from));
  };
  Download shifted = Make(1);
  EXPECT_THAT(ErrorOf(shifted), HasSubstr("sends another range than it was asked for"));
  EXPECT_FALSE(fs::exists(folder_ / "blob"));
}

TEST_F(DownloadTest, StatusesThatDoNotPassEndIt) {
  answer_ = [](const auto&, auto& out) { out.Send(404, "", "gone"); };
  Download download = Make();
  EXPECT_THAT(ErrorOf(download), HasSubstr("file.bin: 127.0.0.1 answers with status 404"));
  EXPECT_LE(Asked().size(), 2u);
}

TEST_F(DownloadTest, ACancelledDownloadKeepsWhatItHas) {
  std::atomic<Download*> running{nullptr};
  std::atomic<int> calls{0};
  answer_ = [&](const auto& request, auto& out) {
    if (calls++ < 2) return Ranged(request, out);
    running.load()->Cancel();
    while (!out.gone()) std::this_thread::yield();
  };
  Download download = Make(1);
  ASSERT_TRUE(download.Prepare());
  running = &download;
  const Status status = download.Run();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::kCancelled);
  Download next = Make(1);
  ASSERT_TRUE(next.Prepare());
  EXPECT_EQ(next.completed_bytes(), 2000u);
}

}  // namespace
}  // namespace axollama::pull

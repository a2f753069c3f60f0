#include "store/store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <set>

#include "bundle/test_folder.h"

namespace axollama::store {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() : store_(Options()) {
    const fs::path made = fs::path("own") / "small" / "1b";
    fs::create_directories(folder_.path() / "foreign");
    MakeBundle(made);
  }

  StoreOptions Options() const {
    return {.folder = folder_.path() / "store",
            .roots = {folder_.path() / "own", folder_.path() / "foreign"},
            .own_root = folder_.path() / "own"};
  }

  fs::path MakeBundle(const fs::path& relative) const {
    const bundle::TestFolder source;
    bundle::FillBundle(source);
    const fs::path target = folder_.path() / relative;
    fs::create_directories(target);
    fs::copy(source.path(), target, fs::copy_options::recursive);
    return target;
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const Model& model : store_.List()) names.push_back(model.name.Short());
    return names;
  }

  Name N(std::string_view text) const { return *Name::Parse(text); }

  Texts SomeTexts() const {
    Texts texts;
    texts.system = "Be brief.";
    texts.go_template = "{{ .Prompt }}";
    texts.parameters = {{"temperature", 0.5}, {"stop", json::Array{"x"}}};
    texts.messages = {{"user", "hi"}, {"assistant", "ho"}};
    texts.licenses = {"MIT", "Apache"};
    texts.required_version = "0.14.0";
    return texts;
  }

  void Age(const fs::path& path) const {
    const timespec times[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }

  size_t FilesIn(const char* name) const {
    std::error_code error;
    size_t n = 0;
    for (fs::directory_iterator it(folder_.path() / "store" / name, error);
         !error && it != fs::directory_iterator(); it.increment(error)) {
      ++n;
    }
    return n;
  }

  bundle::TestFolder folder_;
  Store store_;
};

TEST_F(StoreTest, ModelsOfRootsAreThereWithoutAStore) {
  EXPECT_THAT(Names(), ElementsAre("small:1b"));
  const auto model = store_.Find("SMALL:1B");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_FALSE(model->stored);
  EXPECT_EQ(model->digest.size(), 64u);
  EXPECT_GT(model->size_bytes, 0u);
  EXPECT_GT(model->modified_ns, 0);
  EXPECT_EQ(store_.Find("none").error().message, "model 'none' not found");
  EXPECT_EQ(store_.Find("").error().message, "model '' not found");
  EXPECT_EQ(store_.Find("../own/small/1b").error().message, "invalid model name");
  EXPECT_FALSE(fs::exists(folder_.path() / "store"));
}

TEST_F(StoreTest, ASourceBehindANameIsHeeded) {
  EXPECT_EQ(store_.Find("small:1b:local")->name.Short(), "small:1b");
  for (const std::string_view text : {"small:1b:cloud", "small:1b-cloud", "none:cloud"}) {
    const auto model = store_.Find(text);
    ASSERT_FALSE(model) << text;
    EXPECT_EQ(model.error().kind, ErrorKind::kForbidden);
    EXPECT_EQ(model.error().message, "ollama cloud is disabled: remote model is unavailable");
  }
  EXPECT_EQ(store_.Find("none:local").error().message, "model 'none:local' not found");
  // A model that is here goes before what its tag could mean.
  const fs::path folder = store_.Find("small:1b")->folder;
  ASSERT_TRUE(store_.Write(N("mine:cloud"), folder, SomeTexts(), ""));
  EXPECT_EQ(store_.Find("mine:cloud")->name.Short(), "mine:cloud");
  ASSERT_TRUE(store_.Write(N("small:local"), folder, SomeTexts(), ""));
  EXPECT_EQ(store_.Find("small:local")->name.Short(), "small:local");
}

TEST_F(StoreTest, WritesAndReadsEveryText) {
  const fs::path folder = store_.Find("small:1b")->folder;
  std::vector<std::string> said;
  const auto say = [&](const std::string& status) { said.push_back(status); };
  ASSERT_TRUE(store_.Write(N("me/Mine:x"), folder, SomeTexts(), "small:1b", say));
  EXPECT_EQ(said.size(), 8u);
  EXPECT_THAT(said.front(), HasSubstr("creating new layer sha256:"));
  EXPECT_EQ(said.back(), "writing manifest");

  const auto model = store_.Find("me/mine:X");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->name.Short(), "me/Mine:x");
  EXPECT_EQ(model->folder, folder);
  EXPECT_EQ(model->parent, "small:1b");
  EXPECT_EQ(model->texts.system, "Be brief.");
  EXPECT_EQ(model->texts.go_template, "{{ .Prompt }}");
  EXPECT_EQ(json::Write(model->texts.parameters), R"({"temperature":0.5,"stop":["x"]})");
  ASSERT_EQ(model->texts.messages.size(), 2u);
  EXPECT_EQ(model->texts.messages[1].role, "assistant");
  EXPECT_THAT(model->texts.licenses, ElementsAre("MIT", "Apache"));
  EXPECT_EQ(model->texts.required_version, "0.14.0");
  EXPECT_EQ(model->size_bytes, store_.Find("small:1b")->size_bytes + 9 + 13 +
                                   std::string(R"({"temperature":0.5,"stop":["x"]})").size() +
                                   std::string(R"([{"role":"user","content":"hi"},)"
                                               R"({"role":"assistant","content":"ho"}])")
                                       .size() +
                                   3 + 6 + 6);
  said.clear();
  ASSERT_TRUE(store_.Write(N("other"), folder, SomeTexts(), "", say));
  EXPECT_THAT(said.front(), HasSubstr("using existing layer sha256:"));
  EXPECT_THAT(Names(), ElementsAre("me/Mine:x", "other:latest", "small:1b"));
}

TEST_F(StoreTest, ANameIsReplacedWhateverItsCase) {
  const fs::path folder = store_.Find("small:1b")->folder;
  Texts texts;
  texts.system = "one";
  ASSERT_TRUE(store_.Write(N("mine"), folder, texts, ""));
  texts.system = "two";
  ASSERT_TRUE(store_.Write(N("MINE"), folder, texts, ""));
  EXPECT_THAT(Names(), ElementsAre("mine:latest", "small:1b"));
  EXPECT_EQ(store_.Find("mine")->texts.system, "two");
  EXPECT_EQ(FilesIn("blobs"), 1u);  // "one" is nobody's any more
  EXPECT_EQ(FilesIn("tmp"), 0u);
}

TEST_F(StoreTest, AStoredModelGoesBeforeOneOfARoot) {
  Texts texts;
  texts.system = "mine";
  ASSERT_TRUE(store_.Write(N("Small:1b"), store_.Find("small:1b")->folder, texts, "small:1b"));
  EXPECT_EQ(store_.Find("small:1b")->texts.system, "mine");
  EXPECT_THAT(Names(), ElementsAre("Small:1b"));
  ASSERT_TRUE(store_.Delete(N("small:1b")));
  EXPECT_EQ(store_.Find("small:1b")->texts.system, "");
}

TEST_F(StoreTest, ACopyIsTheSameModel) {
  const auto small = store_.Find("small:1b");
  ASSERT_TRUE(store_.Copy(*small, N("copy")));
  EXPECT_EQ(store_.Find("copy")->digest, small->digest);
  ASSERT_TRUE(store_.Write(N("mine"), small->folder, SomeTexts(), ""));
  ASSERT_TRUE(store_.Copy(*store_.Find("mine"), N("mine:2")));
  ASSERT_TRUE(store_.Delete(N("mine")));
  EXPECT_EQ(store_.Find("mine:2")->texts.system, "Be brief.");  // its blobs stayed
  ASSERT_TRUE(store_.Delete(N("mine:2")));
  EXPECT_EQ(FilesIn("blobs"), 0u);
}

TEST_F(StoreTest, ALinkWhoseFolderIsGoneSaysSo) {
  const fs::path elsewhere = MakeBundle("elsewhere/model");
  ASSERT_TRUE(store_.Write(N("linked"), elsewhere, {}, ""));
  EXPECT_TRUE(store_.Find("linked"));
  fs::rename(elsewhere, folder_.path() / "moved");
  const auto gone = store_.Find("linked");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().kind, ErrorKind::kIo);
  EXPECT_THAT(gone.error().message, HasSubstr(elsewhere.string()));
  EXPECT_THAT(Names(), ElementsAre("linked:latest", "small:1b"));
  ASSERT_TRUE(store_.Delete(N("linked")));
  EXPECT_THAT(Names(), ElementsAre("small:1b"));
}

TEST_F(StoreTest, DeletingALinkLeavesTheFolder) {
  const fs::path elsewhere = MakeBundle("elsewhere/model");
  ASSERT_TRUE(store_.Write(N("linked"), elsewhere, {}, ""));
  ASSERT_TRUE(store_.Delete(N("linked")));
  EXPECT_TRUE(fs::exists(elsewhere / "qwen3_post.axmodel"));
}

TEST_F(StoreTest, OnlyFoldersOfOurOwnAreDeleted) {
  const fs::path foreign = MakeBundle("foreign/theirs");
  const auto refused = store_.Delete(N("theirs"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(fs::exists(foreign / "qwen3_post.axmodel"));

  ASSERT_TRUE(store_.Copy(*store_.Find("small:1b"), N("copy")));
  const auto used = store_.Delete(N("small:1b"));
  ASSERT_FALSE(used);
  EXPECT_THAT(used.error().message, HasSubstr("remove copy:latest first"));
  ASSERT_TRUE(store_.Delete(N("copy")));
  ASSERT_TRUE(store_.Delete(N("small:1b")));
  EXPECT_FALSE(fs::exists(folder_.path() / "own/small"));
  EXPECT_EQ(store_.Delete(N("small:1b")).error().message, "model 'small:1b' not found");
}

TEST_F(StoreTest, AnAdoptedFolderGoesWithItsLastModel) {
  const auto place = store_.Adopt(MakeBundle("made"));
  ASSERT_TRUE(place) << place.error().message;
  ASSERT_TRUE(store_.Write(N("made"), *place, {}, ""));
  ASSERT_TRUE(store_.Copy(*store_.Find("made"), N("made:2")));
  ASSERT_TRUE(store_.Delete(N("made")));
  EXPECT_TRUE(fs::exists(*place));
  ASSERT_TRUE(store_.Delete(N("made:2")));
  EXPECT_FALSE(fs::exists(*place));
}

TEST_F(StoreTest, TheSameFilesCanBeAdoptedTwice) {
  const fs::path first = MakeBundle("first");
  const fs::path second = folder_.path() / "second";
  fs::create_directories(second);
  for (const auto& file : fs::directory_iterator(first)) {
    fs::create_hard_link(file.path(), second / file.path().filename());
  }
  const auto place = store_.Adopt(first);
  ASSERT_TRUE(place) << place.error().message;
  const auto again = store_.Adopt(second);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, *place);
  EXPECT_FALSE(fs::exists(second));
}

TEST_F(StoreTest, WhatIsNoModelFolderIsNotLinked) {
  EXPECT_FALSE(store_.Write(N("x"), folder_.path(), {}, ""));
  EXPECT_FALSE(store_.Write(N("x"), folder_.path() / "nothing", {}, ""));
  EXPECT_FALSE(store_.Write(N("x"), "/etc", {}, ""));
}

TEST_F(StoreTest, DamageIsSaidAndCanBeRemoved) {
  ASSERT_TRUE(store_.Write(N("mine"), store_.Find("small:1b")->folder, SomeTexts(), ""));
  const fs::path manifest =
      folder_.path() / "store/manifests/registry.ollama.ai/library/mine/latest";
  std::ofstream(manifest) << "{";
  EXPECT_EQ(store_.Find("mine").error().kind, ErrorKind::kIo);
  EXPECT_THAT(Names(), ElementsAre("small:1b"));
  ASSERT_TRUE(store_.Delete(N("mine")));
  EXPECT_EQ(store_.Find("mine").error().kind, ErrorKind::kNotFound);

  ASSERT_TRUE(store_.Write(N("mine"), store_.Find("small:1b")->folder, SomeTexts(), ""));
  for (const auto& blob : fs::directory_iterator(folder_.path() / "store/blobs")) {
    std::ofstream(blob.path()) << "other";
  }
  EXPECT_THAT(store_.Find("mine").error().message, HasSubstr("is damaged"));
  ASSERT_TRUE(store_.Write(N("mine"), store_.Find("small:1b")->folder, SomeTexts(), ""));
  EXPECT_EQ(store_.Find("mine")->texts.system, "Be brief.");
}

TEST_F(StoreTest, LinksAmongTheManifestsAreNoModels) {
  ASSERT_TRUE(store_.Write(N("mine"), store_.Find("small:1b")->folder, {}, ""));
  const fs::path library = folder_.path() / "store/manifests/registry.ollama.ai/library";
  fs::create_symlink("mine", library / "link");
  fs::create_symlink("latest", library / "mine/other");
  EXPECT_THAT(Names(), ElementsAre("mine:latest", "small:1b"));
  EXPECT_FALSE(store_.Find("mine:other"));
}

TEST_F(StoreTest, BlobsAreThereOnceTheirDigestFits) {
  const std::string content(100'000, 'x');
  const std::string digest = Sha256Hex(content);
  {
    auto writer = store_.blobs().Begin();
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->Append(content.substr(0, 70'000)));
    EXPECT_FALSE(store_.blobs().Has(digest));
    const auto wrong = writer->Commit(digest);
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().message, HasSubstr("digest mismatch, expected \"sha256:" + digest));
  }
  EXPECT_EQ(FilesIn("tmp"), 0u);
  auto writer = store_.blobs().Begin();
  ASSERT_TRUE(writer->Append(content));
  ASSERT_TRUE(writer->Commit(digest));
  EXPECT_TRUE(store_.blobs().Has(digest));
  EXPECT_EQ(*store_.blobs().Read(digest), content);
}

TEST_F(StoreTest, TidyRemovesWhatNobodyNeeds) {
  ASSERT_TRUE(store_.Write(N("mine"), store_.Find("small:1b")->folder, SomeTexts(), ""));
  bool is_new = false;
  const std::string fresh = *store_.blobs().Put("fresh", &is_new);
  const std::string old = *store_.blobs().Put("old", &is_new);
  const auto unused = store_.Adopt(MakeBundle("made"));
  for (const auto& blob : fs::directory_iterator(folder_.path() / "store/blobs")) {
    if (blob.path() != store_.blobs().PathOf(fresh)) Age(blob.path());
  }
  Age(*unused);
  const fs::path leftover = folder_.path() / "store/tmp/file-abc";
  std::ofstream(leftover) << "x";
  Age(leftover);
  auto work = store_.MakeWorkFolder();
  ASSERT_TRUE(work);

  const fs::path bad = folder_.path() / "store/manifests/registry.ollama.ai/library/bad/latest";
  fs::create_directories(bad.parent_path());
  std::ofstream(bad) << "{";
  store_.Tidy();
  EXPECT_TRUE(fs::exists(store_.blobs().PathOf(old)));  // the damaged one may need it
  fs::remove(bad);

  store_.Tidy();
  EXPECT_FALSE(fs::exists(store_.blobs().PathOf(old)));
  EXPECT_TRUE(fs::exists(store_.blobs().PathOf(fresh)));
  EXPECT_FALSE(fs::exists(*unused));
  EXPECT_FALSE(fs::exists(leftover));
  EXPECT_TRUE(fs::exists(work->path()));
  EXPECT_EQ(store_.Find("mine")->texts.system, "Be brief.");
}

// Runs `work` in a process of its own that kills itself when `work` says the `at`-th word. False:
// it came to its end before.
bool Killed(int at, const std::function<void(const Store::Progress&)>& work) {
  const pid_t child = fork();
  if (child == 0) {
    int said = 0;
    work([&](const std::string&) {
      if (++said == at) kill(getpid(), SIGKILL);
    });
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status);
}

TEST_F(StoreTest, AWriterThatIsKilledLeavesTheModelAsItWas) {
  const fs::path folder = store_.Find("small:1b")->folder;
  Texts before;
  before.system = "before";
  ASSERT_TRUE(store_.Write(N("mine"), folder, before, ""));
  int at = 1;
  while (Killed(at, [&](const Store::Progress& progress) {
    (void)Store(Options()).Write(N("mine"), folder, SomeTexts(), "", progress);
  })) {
    EXPECT_EQ(store_.Find("mine")->texts.system, "before") << at;
    ++at;
  }
  EXPECT_EQ(at, 9);
  EXPECT_EQ(store_.Find("mine")->texts.system, "Be brief.");
  EXPECT_EQ(FilesIn("blobs"), 7u);
}

TEST_F(StoreTest, AWorkFolderOfAKilledProcessIsRemoved) {
  EXPECT_TRUE(Killed(1, [&](const Store::Progress& progress) {
    const auto work = Store(Options()).MakeWorkFolder();
    std::ofstream(work->path() / "half") << "x";
    progress("");
  }));
  EXPECT_EQ(FilesIn("tmp"), 1u);
  store_.Tidy();
  EXPECT_EQ(FilesIn("tmp"), 0u);
}

TEST_F(StoreTest, WritersOfSeveralProcessesDoNotHarmEachOther) {
  const fs::path folder = store_.Find("small:1b")->folder;
  std::vector<pid_t> children;
  for (int c = 0; c < 3; ++c) {
    const pid_t child = fork();
    if (child == 0) {
      Store store(Options());
      bool good = true;
      for (int i = 0; i < 10; ++i) {
        Texts texts;
        texts.system = std::to_string(c) + " " + std::to_string(i);
        good = good && store.Write(N("shared"), folder, texts, "").has_value();
        good = good && store.Write(N("own:" + std::to_string(c)), folder, texts, "").has_value();
      }
      _exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_THAT(Names(), ElementsAre("own:0", "own:1", "own:2", "shared:latest", "small:1b"));
  EXPECT_EQ(store_.Find("own:2")->texts.system, "2 9");
  std::set<std::string> systems;
  for (const Model& model : store_.List()) systems.insert(model.texts.system);
  systems.erase("");
  EXPECT_EQ(FilesIn("blobs"), systems.size());
}

}  // namespace
}  // namespace axollama::store

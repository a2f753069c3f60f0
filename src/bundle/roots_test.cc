#include "bundle/roots.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

namespace axollama::bundle {
namespace {

namespace fs = std::filesystem;

class RootsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ax-roots-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = fs::canonical(pattern);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path MakeBundle(const fs::path& relative) {
    const fs::path folder = folder_ / relative;
    fs::create_directories(folder);
    for (const char* name : {"llama_p128_l0_together.axmodel", "llama_post.axmodel"}) {
      std::ofstream(folder / name) << "x";
    }
    return folder;
  }

  std::vector<std::string> Names(const std::vector<fs::path>& roots) {
    std::vector<std::string> names;
    for (const ModelRef& model : ListModels(roots)) names.push_back(model.name);
    return names;
  }

  fs::path folder_;
};

TEST_F(RootsTest, ListsNamesAndTags) {
  MakeBundle("a/smollm2/135m");
  MakeBundle("a/smollm2/latest");
  MakeBundle("a/Qwen3-0.6B");
  fs::create_directories(folder_ / "a/empty/tag");
  EXPECT_EQ(Names({folder_ / "a"}),
            (std::vector<std::string>{"Qwen3-0.6B:latest", "smollm2:135m", "smollm2:latest"}));
}

TEST_F(RootsTest, FirstRootWinsAndNamesIgnoreCase) {
  const fs::path first = MakeBundle("a/smollm2/135m");
  MakeBundle("b/SmolLM2/135M");
  const std::vector<fs::path> roots = {folder_ / "missing", folder_ / "a", folder_ / "b"};
  EXPECT_EQ(Names(roots), std::vector<std::string>{"smollm2:135m"});
  const Result<ModelRef> found = FindModel(roots, "SMOLLM2:135M");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->folder, first);
  EXPECT_EQ(found->name, "smollm2:135m");
}

TEST_F(RootsTest, NoTagMeansLatest) {
  const fs::path folder = MakeBundle("a/qwen");
  const Result<ModelRef> found = FindModel({folder_ / "a"}, "qwen");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->folder, folder);
  EXPECT_TRUE(FindModel({folder_ / "a"}, "qwen:latest"));
  EXPECT_FALSE(FindModel({folder_ / "a"}, "qwen:7b"));
}

TEST_F(RootsTest, OllamasDefaultHostAndNamespaceMayBeSpelledOut) {
  const fs::path folder = MakeBundle("a/qwen/7b");
  for (const char* name : {"library/qwen:7b", "registry.ollama.ai/library/qwen:7b",
                           "Registry.Ollama.AI/Library/Qwen:7B"}) {
    const Result<ModelRef> found = FindModel({folder_ / "a"}, name);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->folder, folder);
  }
  for (const char* name : {"other/qwen:7b", "registry.ollama.ai/qwen:7b", "library/library/qwen:7b",
                           "example.com/library/qwen:7b", "library/"}) {
    EXPECT_FALSE(FindModel({folder_ / "a"}, name)) << name;
  }
}

TEST_F(RootsTest, NothingOutsideTheRootIsFound) {
  const fs::path outside = MakeBundle("outside/model");
  fs::create_directories(folder_ / "a/name");
  fs::create_directory_symlink(outside, folder_ / "a/linked");
  fs::create_directory_symlink(outside, folder_ / "a/name/tag");
  fs::create_directory_symlink(folder_ / "outside", folder_ / "a/family");
  EXPECT_TRUE(Names({folder_ / "a"}).empty());
  for (const char* name : {"../outside/model", "..", "linked", "name:tag", "family:model",
                           "..:model", "name:../../outside/model", "", ":", "a:b:c"}) {
    const Result<ModelRef> found = FindModel({folder_ / "a"}, name);
    ASSERT_FALSE(found) << name;
    EXPECT_EQ(found.error().kind, ErrorKind::kNotFound);
    EXPECT_EQ(found.error().message, "model '" + std::string(name) + "' not found");
  }
}

TEST_F(RootsTest, LinksInsideTheRootAreFollowed) {
  const fs::path folder = MakeBundle("a/real");
  fs::create_directory_symlink(folder, folder_ / "a/alias");
  const Result<ModelRef> found = FindModel({folder_ / "a"}, "alias");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->folder, folder);
}

TEST_F(RootsTest, HalfBuiltFoldersAreHidden) {
  MakeBundle("a/smollm2/.135m.tmp");
  MakeBundle("a/.cache");
  EXPECT_TRUE(Names({folder_ / "a"}).empty());
}

TEST_F(RootsTest, AFolderIsNamedAfterItsPlace) {
  const fs::path named = MakeBundle("a/smollm2/135m");
  const fs::path loose = MakeBundle("elsewhere/thing");
  Result<ModelRef> found = ModelOfFolder({folder_ / "a"}, named.string() + "/");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->name, "smollm2:135m");
  found = ModelOfFolder({folder_ / "a"}, loose.string());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->name, "thing");
  found = ModelOfFolder({folder_ / "a"}, "./no/such/folder");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::kNotFound);
}

TEST_F(RootsTest, CommandLineThenEnvironment) {
  ASSERT_EQ(setenv("AXOLLAMA_MODELS", "/one::/two", 1), 0);
  EXPECT_EQ(ModelRoots({}), (std::vector<fs::path>{"/one", "/two"}));
  EXPECT_EQ(ModelRoots({"/three"}), (std::vector<fs::path>{"/three"}));
  ASSERT_EQ(setenv("AXOLLAMA_MODELS", "", 1), 0);
  ASSERT_EQ(setenv("AXOLLAMA_HOME", "/home-of-it", 1), 0);
  EXPECT_EQ(ModelRoots({}), (std::vector<fs::path>{"/home-of-it/models"}));
  unsetenv("AXOLLAMA_MODELS");
  unsetenv("AXOLLAMA_HOME");
}

}  // namespace
}  // namespace axollama::bundle

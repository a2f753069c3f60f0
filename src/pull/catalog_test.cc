#include "pull/catalog.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "pull/pull.h"

namespace axollama::pull {
namespace {

TEST(CatalogTest, EveryNameCanBePulled) {
  std::set<std::string_view> names;
  for (const CatalogEntry& entry : Catalog()) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    const auto target = ResolvePull(std::string(entry.name));
    ASSERT_TRUE(target) << entry.name;
    EXPECT_EQ(target->repo, entry.repo);
    EXPECT_EQ(target->name.Short(), entry.name);
    for (const Figure& figure : {entry.context_tokens, entry.download_mib, entry.cmm_mib,
                                 entry.pi5_tokens_s, entry.board_tokens_s}) {
      EXPECT_EQ(figure.value > 0, figure.source != Source::kNone) << entry.name;
      EXPECT_EQ(SourceText(figure.source).empty(), figure.source == Source::kNone);
    }
  }
}

TEST(CatalogTest, NamesAreFoundAsOllamaSpellsThem) {
  EXPECT_EQ(FindInCatalog("Qwen3:0.6B")->repo, "AXERA-TECH/Qwen3-0.6B");
  EXPECT_EQ(FindInCatalog("qwen3"), FindInCatalog("qwen3:latest"));
  EXPECT_EQ(FindInCatalog("qwen3")->name, "qwen3:0.6b");
  EXPECT_EQ(FindInCatalog("qwen3:235b"), nullptr);
  EXPECT_EQ(FindInCatalog("qwen"), nullptr);
  EXPECT_EQ(FindInCatalog(""), nullptr);
}

TEST(CatalogTest, TheBestFitComesFirst) {
  const auto index = [](const std::vector<Ranked>& ranked, std::string_view name) {
    for (size_t i = 0; i < ranked.size(); ++i) {
      if (ranked[i].entry->name == name) return i;
    }
    return ranked.size();
  };
  const auto large = RankCatalog(std::nullopt);
  EXPECT_EQ(large.size(), Catalog().size());
  // The largest that is fast enough to read along with.
  EXPECT_EQ(large.front().entry->name, "qwen3:4b-int4");
  EXPECT_LT(index(large, "qwen3:1.7b"), index(large, "qwen3:4b"));       // which is slow
  EXPECT_LT(index(large, "qwen3:4b"), index(large, "qwen2.5:7b-int4"));  // of unknown size
  const auto small = RankCatalog(2944);
  EXPECT_EQ(small.back().fits, false);
  EXPECT_EQ(small.front().fits, true);
  EXPECT_EQ(small[index(small, "qwen3:4b")].fits, false);
  EXPECT_EQ(small[index(small, "smollm2:360m")].fits, std::nullopt);
}

TEST(ResolvePullTest, RepositoriesAndNames) {
  const auto repo = [](const char* name) {
    const auto target = ResolvePull(name);
    return target ? target->repo + " " + target->variant + " " + target->name.Short()
                  : target.error().message;
  };
  EXPECT_EQ(repo("hf.co/AXERA-TECH/Qwen3-0.6B"),
            "AXERA-TECH/Qwen3-0.6B latest hf.co/AXERA-TECH/Qwen3-0.6B:latest");
  EXPECT_EQ(repo("huggingface.co/a/B:int4"), "a/B int4 huggingface.co/a/B:int4");
  EXPECT_EQ(repo("AXERA-TECH/Qwen3-4B"), "AXERA-TECH/Qwen3-4B latest AXERA-TECH/Qwen3-4B:latest");
  EXPECT_EQ(repo("qwen3:4b:local"), "AXERA-TECH/Qwen3-4B latest qwen3:4b");
  EXPECT_EQ(repo("qwen3:local:cloud"),
            "use either :local or :cloud, not both: \"qwen3:local:cloud\"");
  EXPECT_EQ(repo("registry.ollama.ai/library/qwen3:4b"), "AXERA-TECH/Qwen3-4B latest qwen3:4b");
  for (const char* name :
       {"evil.example/a/b", "evil.example/library/qwen3:4b", "gemma99", "qwen3:9999b"}) {
    EXPECT_EQ(repo(name), "pull model manifest: file does not exist") << name;
  }
  for (const char* name :
       {"", "hf.co/Qwen3", "../x", "hf.co/../../etc/passwd", "a//b", "hf.co/a/b/c/d"}) {
    EXPECT_EQ(repo(name), "invalid model name") << name;
  }
}

}  // namespace
}  // namespace axollama::pull

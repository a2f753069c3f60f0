// The split and single layouts hold what the per-layer bundle of the same source holds.
#include "sim/build/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "sim/build/builder.h"
#include "sim/build/test_gguf.h"
#include "sim/container/axmodel.h"

namespace axsim::build {
namespace {

namespace fs = std::filesystem;
namespace json = axollama::json;
using ::testing::UnorderedElementsAre;

using Bytes = std::map<std::string, std::vector<std::byte>>;

void AddWeights(const container::Model& model, const std::string& prefix, Bytes* out) {
  for (const auto& [name, weight] : model.weights) {
    (*out)[prefix + name].assign(weight.data.begin(), weight.data.end());
  }
}

class Layouts : public ::testing::TestWithParam<spec::WeightType> {
 protected:
  Layouts() { source_ = folder_.Write("tiny.gguf", TinyLlama().Bytes()); }

  fs::path Make(Layout layout) {
    BuildOptions options;
    options.source = source_;
    options.out = folder_ / std::string(LayoutName(layout));
    options.weights = GetParam();
    options.layout = layout;
    options.context_tokens = 64;
    options.chunk_tokens = 16;
    uint64_t last = 0, total = 0;
    const auto report = Build(
        options, [] { return false; },
        [&](uint64_t done, uint64_t all) {
          last = done;
          total = all;
        });
    EXPECT_TRUE(report) << report.error().message;
    EXPECT_EQ(last, total);
    return options.out;
  }

  // Calls f with the model of a file.
  template <typename F>
  static void With(const fs::path& path, F&& f) {
    const auto file = axollama::MappedFile::Open(path);
    ASSERT_TRUE(file) << file.error().message;
    const auto model = container::Read(file->bytes());
    ASSERT_TRUE(model) << model.error().message;
    f(*model);
  }

  // The weights of the per-layer bundle under the names of a stack, and the stack's program.
  void ReadLayers() {
    const fs::path folder = Make(Layout::kLayers);
    stack_.kind = spec::Kind::kStack;
    stack_.weights = GetParam();
    for (const char* name : {"llama_p16_l0_together", "llama_p16_l1_together", "llama_post"}) {
      With(folder / (std::string(name) + ".axmodel"), [&](const container::Model& model) {
        stack_.hidden = model.program.hidden;
        stack_.parts.push_back(model.program);
        AddWeights(model, spec::PartPrefix(stack_, stack_.parts.size() - 1), &weights_);
      });
    }
  }

  void ExpectStack(const fs::path& path, const std::vector<container::StackStep>& steps) {
    With(path, [&](const container::Model& model) {
      EXPECT_EQ(spec::WriteProgram(model.program), spec::WriteProgram(stack_));
      Bytes weights;
      AddWeights(model, "", &weights);
      EXPECT_TRUE(weights == weights_);
      const auto groups = container::StackGroups(stack_, steps);
      ASSERT_EQ(model.groups.size(), groups.size());
      for (size_t g = 0; g < groups.size(); ++g) {
        EXPECT_EQ(model.groups[g].inputs[2].dims, groups[g].inputs[2].dims) << g;
      }
    });
  }

  static std::set<std::string> Models(const fs::path& folder) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".axmodel") names.insert(entry.path().filename());
    }
    return names;
  }

  TestFolder folder_;
  fs::path source_;
  spec::Program stack_;
  Bytes weights_;
};

TEST_P(Layouts, SplitHoldsTheModelTwice) {
  ReadLayers();
  const fs::path folder = Make(Layout::kSplit);
  EXPECT_THAT(Models(folder),
              UnorderedElementsAre("model_prefill.axmodel", "model_decode.axmodel"));
  ExpectStack(folder / "model_decode.axmodel", {{63, 1}});
  ExpectStack(folder / "model_prefill.axmodel", {{0, 16}, {16, 16}, {32, 16}, {48, 16}});
}

TEST_P(Layouts, SingleHoldsItOnce) {
  ReadLayers();
  const fs::path folder = Make(Layout::kSingle);
  EXPECT_THAT(Models(folder), UnorderedElementsAre("model.axmodel"));
  ExpectStack(folder / "model.axmodel", {{63, 1}, {0, 16}, {16, 16}, {32, 16}, {48, 16}});
  const auto text = axollama::ReadFile(folder / "config.json");
  ASSERT_TRUE(text);
  const auto config = json::ParseObject(*text, "config.json");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->at("model_type").as_string(), "llama");
  EXPECT_EQ(config->at("axollama").at("layout").as_string(), "single");
  EXPECT_FALSE(config->contains("axmodel_num"));
}

INSTANTIATE_TEST_SUITE_P(Weights, Layouts,
                         ::testing::Values(spec::WeightType::kS8, spec::WeightType::kBf16));

TEST(Layout, HasNames) {
  for (const Layout layout : {Layout::kLayers, Layout::kSplit, Layout::kSingle}) {
    EXPECT_EQ(ParseLayout(LayoutName(layout)), layout);
  }
  EXPECT_EQ(ParseLayout("double"), std::nullopt);
}

}  // namespace
}  // namespace axsim::build

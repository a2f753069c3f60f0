// From a file on disk to the same bits as from memory.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "sim/model/layer_fixture.h"

namespace axsim::model {
namespace {

TEST(Load, OfAWrittenFileRunsLikeTheModelItWasMadeOf) {
  const HandMade made = MakeLayer(SmallProgram());
  std::string name = (std::filesystem::temp_directory_path() / "axsim-load-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const std::filesystem::path folder = name;
  const std::filesystem::path path = folder / "layer.axmodel";
  auto writer = container::Writer::Create(path, made.model.program, made.model.groups);
  ASSERT_TRUE(writer.has_value()) << writer.error().message;
  for (const auto& [weight_name, weight] : made.model.weights) {
    ASSERT_TRUE(writer->Add(weight_name, weight.type, weight.dims, weight.data).has_value());
  }
  ASSERT_TRUE(writer->Finish().has_value());
  const size_t size = std::filesystem::file_size(path);
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> memory((size + 63) / 64);
  std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(memory.data()), size);
  std::filesystem::remove_all(folder);

  auto loaded = Model::Load(std::as_bytes(std::span(memory)).first(size));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  auto assembled = Assemble(made.model);
  ASSERT_TRUE(assembled.has_value());
  const auto executor = MakeExecutor();
  const std::vector<uint16_t> inputs = RandomInputs(6, 40);
  Session a(**loaded, *executor), b(**assembled, *executor);
  for (Session* session : {&a, &b}) {
    session->Prefill(inputs.data(), 5);
    session->Decode(inputs.data() + size_t{5} * 40);
  }
  EXPECT_EQ(a.outputs, b.outputs);
  EXPECT_FALSE(Model::Load(std::as_bytes(std::span(memory)).first(size / 2)).has_value());
}

}  // namespace
}  // namespace axsim::model

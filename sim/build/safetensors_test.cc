#include "sim/build/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/build/test_hf.h"

namespace axsim::build {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class SafetensorsFile : public ::testing::Test {
 protected:
  std::string Refusal(const std::string& bytes) {
    const auto file = Safetensors::Open(folder_.Write("x.safetensors", bytes));
    if (file) return "accepted";
    EXPECT_THAT(file.error().message, Not(HasSubstr("\n")));
    EXPECT_THAT(file.error().message, HasSubstr("x.safetensors"));
    return file.error().message;
  }
  // One F32 tensor "a" of 8 bytes, its entry written by hand.
  std::string EntryRefusal(const std::string& entry, size_t data_bytes = 8) {
    return Refusal(SafetensorsOf("{\"a\":" + entry + "}", std::string(data_bytes, '\0')));
  }
  TestFolder folder_;
};

TEST_F(SafetensorsFile, FindsTensorsWithTheirShapesAndBytes) {
  const HfTensors tensors = {{"m", {{2, 3}, "BF16", std::string("0123456789ab")}},
                             {"scalar", {{}, "F32", "abcd"}},
                             {"v", {{2}, "F16", "wxyz"}}};
  const auto file = Safetensors::Open(folder_.Write("x.safetensors", SafetensorsBytes(tensors)));
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 3u);
  const Tensor& m = file->tensors()[0];
  EXPECT_EQ(m.name, "m");
  EXPECT_EQ(m.type, TensorType::kBf16);
  EXPECT_THAT(m.dims, ElementsAre(3, 2));
  EXPECT_EQ(m.row_bytes(), 6u);
  EXPECT_EQ(m.data[11], std::byte{'b'});
  EXPECT_THAT(file->tensors()[1].dims, ElementsAre(1));
  EXPECT_EQ(file->tensors()[2].type, TensorType::kF16);
}

TEST_F(SafetensorsFile, RefusesHeadersThatCannotBe) {
  EXPECT_THAT(Refusal(""), HasSubstr("is empty"));
  EXPECT_THAT(Refusal("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("git lfs pull"));
  EXPECT_THAT(Refusal("short"), HasSubstr("is no safetensors file"));
  EXPECT_THAT(Refusal(Raw(~uint64_t{0}) + "{}"), HasSubstr("header is damaged"));
  EXPECT_THAT(Refusal(Raw(uint64_t{16u << 20}) + "{}"), HasSubstr("cut short in its header"));
  EXPECT_THAT(Refusal(SafetensorsOf("{", "")), HasSubstr("has a header that is invalid JSON"));
  EXPECT_THAT(Refusal(SafetensorsOf("[]", "")), HasSubstr("has a header that is no object"));
  EXPECT_THAT(Refusal(SafetensorsOf(std::string(5000, '['), "")), HasSubstr("invalid JSON"));
  EXPECT_EQ(Safetensors::Open(folder_ / "absent").error().kind, axollama::ErrorKind::kNotFound);
}

TEST_F(SafetensorsFile, RefusesEntriesThatCannotBe) {
  const auto entry = [](const char* dtype, const char* shape, const char* range) {
    return fmt::format(R"({{"dtype":"{}","shape":{},"data_offsets":{}}})", dtype, shape, range);
  };
  EXPECT_EQ(EntryRefusal(entry("F32", "[2]", "[0,8]")), "accepted");
  EXPECT_THAT(EntryRefusal("1"), HasSubstr("\"a\" without dtype, shape and data_offsets"));
  EXPECT_THAT(EntryRefusal(R"({"dtype":"F32","shape":[2]})"), HasSubstr("without dtype"));
  EXPECT_THAT(EntryRefusal(entry("F32", "[2]", "[0,8,9]")), HasSubstr("without dtype"));
  EXPECT_THAT(EntryRefusal(entry("F8_E4M3", "[8]", "[0,8]")), HasSubstr("\"a\" as F8_E4M3"));
  for (const char* shape : {"[0]", "[-2]", "[2.0]", "[\"2\"]", "[4294967296,4294967296]",
                            "[1,1,1,1,1,1,1,1,2]", "[9223372036854775807,2]"}) {
    EXPECT_THAT(EntryRefusal(entry("F32", shape, "[0,8]")), HasSubstr("impossible shape")) << shape;
  }
  EXPECT_THAT(EntryRefusal(entry("F32", "[2]", "[8,0]")), HasSubstr("impossible data_offsets"));
  EXPECT_THAT(EntryRefusal(entry("F32", "[2]", "[-8,0]")), HasSubstr("impossible data_offsets"));
  EXPECT_THAT(EntryRefusal(entry("F32", "[2]", "[0,9]")), HasSubstr("is cut short"));
  EXPECT_THAT(EntryRefusal(entry("F32", "[3]", "[0,8]")),
              HasSubstr("of 8 bytes, its shape needs 12"));
  EXPECT_THAT(EntryRefusal(entry("F32", "[2]", "[0,8]"), 12), HasSubstr("4 bytes behind its last"));
  EXPECT_THAT(EntryRefusal(entry("F32", "[2]", "[4,12]"), 12), HasSubstr("unused before it"));
}

TEST_F(SafetensorsFile, RefusesTensorsThatOverlap) {
  const std::string entry = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const std::string second = R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})";
  EXPECT_THAT(
      Refusal(SafetensorsOf("{\"a\":" + entry + ",\"b\":" + second + "}", std::string(12, '\0'))),
      HasSubstr("\"b\" that overlaps the one before it"));
}

TEST_F(SafetensorsFile, CutAndDamagedFilesAreSafe) {
  const std::string whole = SafetensorsBytes(TinyHf().tensors);
  for (size_t size = 0; size < whole.size(); size += 997) {
    EXPECT_NE(Refusal(whole.substr(0, size)), "accepted") << size;
  }
  uint32_t random = 1;
  for (int round = 0; round < 300; ++round) {
    std::string bytes = whole.substr(0, 3000);
    for (int n = 0; n < 3; ++n) {
      random = random * 1664525u + 1013904223u;
      bytes[(random >> 8) % bytes.size()] = static_cast<char>(random >> 24);
    }
    EXPECT_NE(Refusal(bytes), "accepted");
  }
}

}  // namespace
}  // namespace axsim::build

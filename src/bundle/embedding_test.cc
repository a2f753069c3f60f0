#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/bf16.h"
#include "bundle/bundle.h"
#include "bundle/test_folder.h"

namespace axollama::bundle {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Npy(int major, std::string_view descr, std::string_view shape, std::string_view data,
                std::string_view fortran = "False") {
  std::string header = "{'descr': '" + std::string(descr) +
                       "', 'fortran_order': " + std::string(fortran) +
                       ", 'shape': " + std::string(shape) + ", }";
  while ((header.size() + 13) % 64 != 0) header += ' ';
  header += '\n';
  std::string file = "\x93NUMPY";
  file += static_cast<char>(major);
  file += '\0';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i)
    file += static_cast<char>(header.size() >> (8 * i));
  return file + header + std::string(data);
}

template <typename T>
std::string Bytes(std::vector<T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

class EmbeddingTest : public ::testing::Test {
 protected:
  Result<std::shared_ptr<const EmbeddingTable>> OpenFile(const std::string& name,
                                                         std::string_view content,
                                                         std::optional<uint32_t> width) {
    folder_.Write(name, content);
    return OpenEmbedding(folder_.path() / name, width);
  }
  static std::vector<float> Row(const EmbeddingTable& table, int32_t token) {
    std::vector<uint16_t> row(table.width());
    EXPECT_TRUE(table.Row(token, row));
    std::vector<float> values;
    for (const uint16_t bits : row) values.push_back(Bf16ToFloat(bits));
    return values;
  }
  std::string Refusal(std::string_view content, std::optional<uint32_t> width = std::nullopt) {
    const auto table = OpenFile("t.npy", content, width);
    return table ? "(accepted)" : table.error().message;
  }

  TestFolder folder_;
};

TEST_F(EmbeddingTest, RawTable) {
  const auto table =
      OpenFile("t.bin", Bytes<uint16_t>({0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0}), 2);
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ((*table)->tokens(), 3u);
  EXPECT_THAT(Row(**table, 0), ElementsAre(1, 2));
  EXPECT_THAT(Row(**table, 2), ElementsAre(5, 6));
  std::vector<uint16_t> row(2);
  for (const int32_t bad : {-1, 3}) {
    const Status status = (*table)->Row(bad, row);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind, ErrorKind::kInvalid);
  }
}

TEST_F(EmbeddingTest, RawTableNeedsItsWidth) {
  EXPECT_FALSE(OpenFile("t.bin", "1234", std::nullopt));
  EXPECT_THAT(OpenFile("t.bin", "123456", 2).error().message, HasSubstr("6 bytes"));
  EXPECT_THAT(OpenFile("t.bin", "", 2).error().message, HasSubstr("0 bytes"));
}

TEST_F(EmbeddingTest, EveryNpyVersionAndType) {
  const std::string f32 = Bytes<float>({1, -2.5, 0.1f, 1e-40f});
  const std::string f16 = Bytes<uint16_t>({0x3c00, 0xc100, 0x0001, 0x7c00});
  const std::string bf16 = Bytes<uint16_t>({0x3f80, 0xc020, 0x0000, 0x7f80});
  for (const int version : {1, 2, 3}) {
    auto table = OpenFile("a.npy", Npy(version, "<f4", "(2, 2)", f32), 2);
    ASSERT_TRUE(table) << table.error().message;
    EXPECT_THAT(Row(**table, 0), ElementsAre(1, -2.5));
    EXPECT_EQ(Row(**table, 1)[0], Bf16ToFloat(FloatToBf16(0.1f)));
    table = OpenFile("b.npy", Npy(version, "<f2", "(2,2)", f16), std::nullopt);
    ASSERT_TRUE(table) << table.error().message;
    EXPECT_THAT(Row(**table, 0), ElementsAre(1, -2.5));
    EXPECT_THAT(Row(**table, 1), ElementsAre(0x1p-24f, INFINITY));
    table = OpenFile("c.npy", Npy(version, "<u2", "(2, 2)", bf16), std::nullopt);
    ASSERT_TRUE(table) << table.error().message;
    EXPECT_THAT(Row(**table, 0), ElementsAre(1, -2.5));
  }
}

TEST_F(EmbeddingTest, RefusesOtherNpyFiles) {
  const std::string data(16, '\0');
  EXPECT_EQ(Refusal(Npy(1, "<f4", "(2, 2)", data)), "(accepted)");
  EXPECT_THAT(Refusal(Npy(1, "<f4", "(2, 2)", data), 3),
              AllOf(HasSubstr("2 wide"), HasSubstr("3")));
  EXPECT_THAT(Refusal(Npy(1, ">f4", "(2, 2)", data)), HasSubstr("'>f4'"));
  EXPECT_THAT(Refusal(Npy(1, "<f8", "(1, 2)", data)), HasSubstr("'<f8'"));
  EXPECT_THAT(Refusal(Npy(1, "<f4", "(4,)", data)), HasSubstr("1"));
  EXPECT_THAT(Refusal(Npy(1, "<f4", "(2, 2)", data, "True")), HasSubstr("Fortran"));
  EXPECT_THAT(Refusal(Npy(1, "<f4", "(2, 3)", data)), AllOf(HasSubstr("24"), HasSubstr("16")));
  EXPECT_THAT(Refusal(Npy(4, "<f4", "(2, 2)", data)), HasSubstr("version 4"));
  EXPECT_THAT(Refusal(Npy(1, "<f4", "(99999999999999999999, 2)", data)), HasSubstr("header"));
  EXPECT_THAT(Refusal("PK\x03\x04 this is a zip"), HasSubstr("not a NumPy file"));
  const std::string whole = Npy(2, "<f4", "(2, 2)", data);
  for (size_t length = 1; length < whole.size(); ++length) {
    EXPECT_NE(Refusal(whole.substr(0, length)), "(accepted)") << length;
  }
}

}  // namespace
}  // namespace axollama::bundle

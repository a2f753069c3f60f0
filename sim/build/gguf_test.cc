#include "sim/build/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <random>

#include "sim/build/test_gguf.h"

namespace axsim::build {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ErrorOf(const TestFolder& folder, std::string_view bytes) {
  const auto gguf = Gguf::Open(folder.Write("x.gguf", bytes));
  return gguf ? "accepted" : gguf.error().message;
}

TEST(Gguf, ReadsEveryKindOfValueInBothVersions) {
  TestFolder folder;
  GgufFile f;
  f.Set("u8", 0, Raw(uint8_t{200}));
  f.Set("i8", 1, Raw(int8_t{-3}));
  f.Set("u16", 2, Raw(uint16_t{60000}));
  f.Set("i16", 3, Raw(int16_t{-300}));
  f.Uint("u32", 4000000000u);
  f.Set("i32", 5, Raw(int32_t{7}));
  f.Float("f32", 0.5f);
  f.Bool("bool", true);
  f.Text("text", "h\xc3\xa9llo");
  f.Texts("texts", {"a", "", "b c"});
  f.Set("u64", 10, Raw(uint64_t{1} << 40));
  f.Set("i64", 11, Raw(int64_t{-1}));
  f.Set("f64", 12, Raw(0.1));
  f.Ints("ints", {1, -2, 3});
  f.Set("nested", 9,
        Raw(uint32_t{9}) + Raw(uint64_t{2}) + Raw(uint32_t{0}) + Raw(uint64_t{1}) + "\x05" +
            Raw(uint32_t{0}) + Raw(uint64_t{0}));
  for (const uint32_t version : {2u, 3u}) {
    f.version = version;
    const auto gguf = Gguf::Open(folder.Write("x.gguf", f.Bytes()));
    ASSERT_TRUE(gguf) << gguf.error().message;
    EXPECT_EQ(*gguf->Uint("u8"), 200u);
    EXPECT_EQ(*gguf->Uint("u16"), 60000u);
    EXPECT_EQ(*gguf->Uint("u32"), 4000000000u);
    EXPECT_EQ(*gguf->Uint("i32"), 7u);
    EXPECT_EQ(std::get<int64_t>(gguf->Find("i8")->value), -3);
    EXPECT_EQ(std::get<int64_t>(gguf->Find("i16")->value), -300);
    EXPECT_EQ(std::get<uint64_t>(gguf->Find("u64")->value), uint64_t{1} << 40);
    EXPECT_EQ(std::get<int64_t>(gguf->Find("i64")->value), -1);
    EXPECT_EQ(*gguf->Float("f32"), 0.5);
    EXPECT_EQ(*gguf->Float("f64"), 0.1);
    EXPECT_EQ(*gguf->Bool("bool", false), true);
    EXPECT_EQ(*gguf->Text("text"), "h\xc3\xa9llo");
    EXPECT_THAT(*gguf->Texts("texts"), ElementsAre("a", "", "b c"));
    EXPECT_THAT(*gguf->Ints("ints"), ElementsAre(1, -2, 3));
    const auto& nested = std::get<GgufArray>(gguf->Find("nested")->value);
    ASSERT_EQ(nested.size(), 2u);
    EXPECT_EQ(std::get<uint64_t>(std::get<GgufArray>(nested[0].value)[0].value), 5u);
    EXPECT_TRUE(std::get<GgufArray>(nested[1].value).empty());
  }
}

TEST(Gguf, NamesTheKeyOfAWrongValue) {
  TestFolder folder;
  GgufFile f;
  f.Text("text", "1");
  f.Set("minus", 5, Raw(int32_t{-1}));
  f.Set("large", 10, Raw(uint64_t{1} << 32));
  f.Ints("ints", {1});
  const auto gguf = Gguf::Open(folder.Write("x.gguf", f.Bytes()));
  ASSERT_TRUE(gguf);
  EXPECT_THAT(gguf->Uint("text").error().message, HasSubstr("\"text\" is not a number"));
  EXPECT_THAT(gguf->Uint("minus").error().message, HasSubstr("\"minus\""));
  EXPECT_THAT(gguf->Uint("large", 5).error().message, HasSubstr("\"large\""));
  EXPECT_THAT(gguf->Uint("absent").error().message, HasSubstr("has no key \"absent\""));
  EXPECT_EQ(*gguf->Uint("absent", 5), 5u);
  EXPECT_THAT(gguf->Float("text").error().message, HasSubstr("\"text\" is not a float"));
  EXPECT_THAT(gguf->Bool("text", true).error().message, HasSubstr("\"text\""));
  EXPECT_THAT(gguf->Text("ints").error().message, HasSubstr("\"ints\" is not a text"));
  EXPECT_THAT(gguf->Texts("ints").error().message, HasSubstr("\"ints\" is not a list of texts"));
  EXPECT_THAT(gguf->Ints("text").error().message, HasSubstr("\"text\""));
}

TEST(Gguf, FindsTensorsWithTheirShapesAndBytes) {
  TestFolder folder;
  GgufFile f;
  f.alignment = 64;
  f.Uint("general.alignment", 64);
  f.F32("v", {3}, {1, 2, 3});
  f.tensors["m"] = {{32, 2}, 8, std::string(68, 'q')};
  f.tensors["z"] = {{2, 3, 2}, 30, std::string(24, 'b')};
  const auto gguf = Gguf::Open(folder.Write("x.gguf", f.Bytes()));
  ASSERT_TRUE(gguf) << gguf.error().message;
  EXPECT_EQ(gguf->tensors().size(), 3u);
  EXPECT_EQ(gguf->FindTensor("none"), nullptr);
  const Tensor* m = gguf->FindTensor("m");
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->type, TensorType::kQ8_0);
  EXPECT_EQ(m->cols(), 32u);
  EXPECT_EQ(m->rows(), 2u);
  EXPECT_EQ(m->row_bytes(), 34u);
  EXPECT_EQ(m->data.size(), 68u);
  EXPECT_EQ(m->data[67], std::byte{'q'});
  EXPECT_EQ(gguf->FindTensor("z")->rows(), 6u);
  EXPECT_EQ(memcmp(gguf->FindTensor("v")->data.data(), RawAll<float>({1, 2, 3}).data(), 12), 0);
}

TEST(Gguf, RefusesWhatIsNoGguf) {
  TestFolder folder;
  EXPECT_THAT(ErrorOf(folder, ""), HasSubstr("0 bytes"));
  EXPECT_THAT(ErrorOf(folder, "version https://git-lfs.github.com/spec/v1\n"),
              HasSubstr("git lfs pull"));
  EXPECT_THAT(ErrorOf(folder, "PK\3\4 something else"), HasSubstr("is no GGUF file"));
  EXPECT_THAT(ErrorOf(folder, "GGUF" + Raw(uint32_t{1}) + std::string(64, '\0')),
              HasSubstr("GGUF version 1: versions 2 and 3"));
  EXPECT_THAT(ErrorOf(folder, std::string("GGUF\0\0\0\3", 8) + std::string(64, '\0')),
              HasSubstr("big-endian"));
  EXPECT_THAT(Gguf::Open(folder / "absent").error().message, HasSubstr("absent"));
}

TEST(Gguf, RefusesTensorsThatItCannotRead) {
  TestFolder folder;
  const auto with = [&](const std::vector<uint64_t>& dims, uint32_t type, size_t size) {
    GgufFile f;
    f.tensors["w"] = {dims, type, std::string(size, 'x')};
    return ErrorOf(folder, f.Bytes());
  };
  EXPECT_THAT(with({256, 2}, 23, 272), HasSubstr("holds tensor \"w\" as IQ4_XS"));
  EXPECT_THAT(with({256, 2}, 99, 288), HasSubstr("as type 99"));
  EXPECT_THAT(with({33, 1}, 8, 68), HasSubstr("no whole blocks"));
  EXPECT_THAT(with({0, 4}, 0, 0), HasSubstr("impossible shape"));
  EXPECT_THAT(with({uint64_t{1} << 33, uint64_t{1} << 33}, 0, 8), HasSubstr("impossible shape"));
  EXPECT_THAT(with({1, 1, 1, 1, 1}, 0, 4), HasSubstr("of 5 dimensions"));
  EXPECT_THAT(with({4, 4}, 0, 63), HasSubstr("cut short: tensor \"w\""));
  GgufFile f;
  f.Uint("general.alignment", 48);
  EXPECT_THAT(ErrorOf(folder, f.Bytes()), HasSubstr("no power of two"));
  f = GgufFile();
  f.Set("key", 13, "");
  EXPECT_THAT(ErrorOf(folder, f.Bytes()), HasSubstr("unknown type 13 at key \"key\""));
}

// A file in memory, written anew for every attempt.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("gguf", MFD_CLOEXEC)) {}
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(fd_); }
  std::string ErrorOf(std::string_view bytes) {
    EXPECT_EQ(ftruncate(fd_, 0), 0);
    EXPECT_EQ(pwrite(fd_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    const auto gguf = Gguf::Open("/proc/self/fd/" + std::to_string(fd_));
    return gguf ? "accepted" : gguf.error().message;
  }

 private:
  int fd_;
};

// Every prefix of a file is refused with one line, and no change of a byte can crash.
TEST(Gguf, CutAndMutatedFilesNeverCrash) {
  MemoryFile file;
  GgufFile f = TinyLlama();
  std::erase_if(f.tensors, [](const auto& entry) {
    return entry.first.starts_with("blk.") && entry.second.dims.size() == 2;
  });
  const std::string good = f.Bytes();
  const auto check = [&](std::string_view bytes) {
    const std::string error = file.ErrorOf(bytes);
    ASSERT_EQ(error.find('\n'), std::string::npos) << error;
  };
  for (size_t at = 0; at < good.size(); ++at) {
    ASSERT_NE(file.ErrorOf(std::string_view(good).substr(0, at)), "accepted") << at;
  }
  std::mt19937 random(4);  // the last 1800 bytes are the embedding and the norms
  for (int round = 0; round < 4000; ++round) {
    std::string text = good;
    for (int i = 0; i < 1 + round % 4; ++i) {
      text[random() % (good.size() - 1800)] = static_cast<char>(random());
    }
    check(text);
  }
  // A count of 2^60 elements must not be believed.
  GgufFile huge;
  huge.Set("list", 9, Raw(uint32_t{0}) + Raw(uint64_t{1} << 60));
  EXPECT_THAT(file.ErrorOf(huge.Bytes()), HasSubstr("cut short or damaged"));
}

}  // namespace
}  // namespace axsim::build

#include "device/axcl/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace axollama::device::axcl {
namespace {

using ::testing::HasSubstr;

int32_t Code(uint32_t bits) { return static_cast<int32_t>(bits); }

TEST(Errors, NameTheSymbolTheCodeTheMeaningAndWhatToDo) {
  const struct {
    uint32_t code;
    ErrorKind kind;
    const char* what;
    const char* advice;
  } cases[] = {
      {0x8030010B, ErrorKind::kUnavailable, "driver is not loaded", "modprobe"},
      {0x80300181, ErrorKind::kUnavailable, "finds no card", "lspci"},
      {0x80300184, ErrorKind::kNotFound, "no card has that id", "axcl-smi"},
      {0x80300383, ErrorKind::kTimeout, "did not finish in time", "reboot"},
      {0x8030050C, ErrorKind::kNoMemory, "out of memory (CMM)", "unload"},
      {0x80300603, ErrorKind::kUnavailable, "configuration is not understood", "AXSIM_CONFIG"},
      {0x8030070C, ErrorKind::kDevice, "NPU failed or hung", "axcl-smi log"},
  };
  for (const auto& one : cases) {
    const Error error = Describe("axclrtThing", Code(one.code), "file x");
    EXPECT_EQ(error.kind, one.kind) << error.message;
    EXPECT_THAT(error.message, ::testing::StartsWith("axclrtThing failed for file x with 0x"));
    EXPECT_THAT(error.message, HasSubstr(one.what));
    EXPECT_THAT(error.message, HasSubstr(one.advice));
  }
  EXPECT_THAT(Describe("axclInit", Code(0x8030010B)).message,
              ::testing::StartsWith("axclInit failed with 0x8030010B (the card's driver"));
}

TEST(Errors, UnknownCodesSayWhatTheirPartsMean) {
  EXPECT_THAT(Describe("f", Code(0x80300505)).message, HasSubstr("(memory timeout)"));
  EXPECT_EQ(Describe("f", Code(0x80300505)).kind, ErrorKind::kTimeout);
  EXPECT_THAT(Describe("f", 4).message, HasSubstr("0x00000004 (not supported)"));
  EXPECT_THAT(Describe("f", -1).message, HasSubstr("0xFFFFFFFF (a code of the card's own engine)"));
  EXPECT_THAT(Describe("f", Code(0x80307F7E)).message, HasSubstr("(unknown code)"));
}

}  // namespace
}  // namespace axollama::device::axcl

#include "sim/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

namespace axsim::config {
namespace {

std::string ErrorOf(std::string_view json) {
  const auto config = Parse(json, "test.json");
  return config ? "" : config.error().message;
}

TEST(ConfigTest, EmptyObjectIsTheDefaults) {
  const auto config = Parse("{}", "test.json");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->profile, "off");
  EXPECT_EQ(config->threads, 0u);
  EXPECT_EQ(config->isa, "auto");
  EXPECT_FALSE(config->init_error);
  ASSERT_EQ(config->cards.size(), 1u);
  EXPECT_EQ(config->cards[0].id, 1);
  EXPECT_EQ(config->cards[0].cmm_mib, 7040u);
  EXPECT_TRUE(config->cards[0].leak_on_kill);
}

TEST(ConfigTest, EveryKeyIsRead) {
  const auto config = Parse(
      R"({"profile":"off","threads":3,"isa":"scalar","init_error":"0x8030010B",
          "cards":[{"id":129,"cmm_mib":2944,"leak_on_kill":false,"faults":[]},{"id":2}]})",
      "test.json");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->threads, 3u);
  EXPECT_EQ(config->isa, "scalar");
  EXPECT_EQ(config->init_error, static_cast<int32_t>(0x8030010Bu));
  ASSERT_EQ(config->cards.size(), 2u);
  EXPECT_EQ(config->cards[0].id, 2);  // sorted, as the vendor's list is
  EXPECT_EQ(config->cards[1].id, 129);
  EXPECT_EQ(config->cards[1].cmm_mib, 2944u);
  EXPECT_FALSE(config->cards[1].leak_on_kill);
}

TEST(ConfigTest, EachCardHasItsFaults) {
  const auto config = Parse(
      R"({"cards":[{"id":2,"faults":[{"kind":"hang","nth":5},{"kind":"async_unsupported"}]},
                   {"id":3}]})",
      "test.json");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->cards[0].faults.size(), 2u);
  EXPECT_EQ(config->cards[0].faults[0].nth, 5u);
  EXPECT_EQ(config->cards[0].faults[1].kind, faults::Kind::kAsyncUnsupported);
  EXPECT_TRUE(config->cards[1].faults.empty());
  std::string many = R"({"kind":"hang"})";
  for (size_t i = 0; i < faults::kMostFaults; ++i) many += R"(,{"kind":"hang"})";
  EXPECT_NE(ErrorOf(R"({"cards":[{"faults":[)" + many + "]}]}").find("faults"), std::string::npos);
}

TEST(ConfigTest, NullMeansDefault) {
  const auto config = Parse(R"({"init_error":null,"cards":null})", "test.json");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_FALSE(config->init_error);
  EXPECT_EQ(config->cards.size(), 1u);
}

TEST(ConfigTest, NoCardsIsAMachineWithoutCards) {
  const auto config = Parse(R"({"cards":[]})", "test.json");
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->cards.empty());
}

TEST(ConfigTest, ErrorsNameFileAndKey) {
  EXPECT_NE(ErrorOf(R"({"card":[]})").find("test.json: unknown key \"card\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"cards":[{"cmm":1}]})").find("\"cmm\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"threads":"2"})").find("\"threads\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"threads":-1})").find("\"threads\""), std::string::npos);
  EXPECT_THAT(ErrorOf(R"({"profile":"pi4"})"),
              testing::AllOf(testing::HasSubstr("\"pi4\" is not known"),
                             testing::HasSubstr("off, pi5, native")));
  EXPECT_NE(ErrorOf(R"({"init_error":"no driver"})").find("init_error"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"init_error":5})").find("init_error"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"cards":[{"id":0}]})").find("\"id\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"cards":[{"id":3},{"id":3}]})").find("two cards"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"cards":[{"cmm_mib":1}]})").find("cmm_mib"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"cards":[{"faults":{}}]})").find("\"faults\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"cards":[{"faults":["hang"]}]})").find("\"faults\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"cards":[{"faults":[{"kind":"hung"}]}]})").find("test.json: \"kind\""),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"cards":[1]})").find("cards"), std::string::npos);
  EXPECT_NE(ErrorOf("{").find("test.json"), std::string::npos);
}

// Each test has a folder of its own and a clean environment.
class ConfigLoadTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/axsim-config-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    for (const char* name :
         {"AXSIM_CONFIG", "AXSIM_PROFILE", "AXSIM_ISA", "AXSIM_THREADS", "AXSIM_STATE"}) {
      unsetenv(name);
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string WriteConfig(const std::string& name, const std::string& text) {
    const auto path = folder_ / name;
    std::ofstream(path) << text;
    return path.string();
  }

  std::filesystem::path folder_;
};

TEST_F(ConfigLoadTest, ArgumentMayBeJsonOrAPath) {
  const auto from_text = Load(R"( {"threads":2})");
  ASSERT_TRUE(from_text);
  EXPECT_EQ(from_text->threads, 2u);
  const auto from_file = Load(WriteConfig("sim.json", R"({"threads":3})"));
  ASSERT_TRUE(from_file);
  EXPECT_EQ(from_file->threads, 3u);
}

TEST_F(ConfigLoadTest, OddArgumentsMeanDefaults) {
  for (const std::string& argument : {std::string(), std::string("/usr/bin/axcl/axcl.json"),
                                      std::string("\x01\x7f garbage"), folder_.string()}) {
    const auto config = Load(argument);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->threads, 0u);
  }
}

TEST_F(ConfigLoadTest, TheVendorsFileSaysNothing) {
  setenv("AXSIM_CONFIG", WriteConfig("sim.json", R"({"threads":5})").c_str(), 1);
  const auto config = Load(R"({"log":{"host":{"level":2}}})");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->threads, 5u);
}

TEST_F(ConfigLoadTest, ArgumentComesBeforeTheEnvironmentsFile) {
  setenv("AXSIM_CONFIG", WriteConfig("sim.json", R"({"threads":5,"isa":"scalar"})").c_str(), 1);
  const auto config = Load(R"({"threads":6})");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->threads, 6u);
  EXPECT_EQ(config->isa, "auto");
}

TEST_F(ConfigLoadTest, VariablesReplaceSingleValues) {
  setenv("AXSIM_THREADS", "7", 1);
  setenv("AXSIM_ISA", "scalar", 1);
  const auto config = Load(R"({"threads":6,"cards":[]})");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->threads, 7u);
  EXPECT_EQ(config->isa, "scalar");
  EXPECT_TRUE(config->cards.empty());
}

TEST_F(ConfigLoadTest, BrokenSourcesAreErrors) {
  setenv("AXSIM_CONFIG", (folder_ / "absent.json").c_str(), 1);
  EXPECT_FALSE(Load(""));
  setenv("AXSIM_CONFIG", WriteConfig("sim.json", "{\"thread\":1}").c_str(), 1);
  EXPECT_FALSE(Load(""));
  unsetenv("AXSIM_CONFIG");
  EXPECT_FALSE(Load(R"({"threads":1,)"));
  EXPECT_FALSE(Load(R"({"threads":1,"log":{}})"));
  setenv("AXSIM_THREADS", "many", 1);
  EXPECT_FALSE(Load(""));
  unsetenv("AXSIM_THREADS");
  setenv("AXSIM_PROFILE", "pi4", 1);
  EXPECT_FALSE(Load(""));
}

TEST_F(ConfigLoadTest, StateFolderIsMadePrivate) {
  setenv("AXSIM_STATE", (folder_ / "a" / "state").c_str(), 1);
  const auto made = StateFolder();
  ASSERT_TRUE(made) << made.error().message;
  struct stat info{};
  ASSERT_EQ(stat(made->c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_TRUE(StateFolder());  // again
  setenv("AXSIM_STATE", WriteConfig("file", "x").c_str(), 1);
  EXPECT_FALSE(StateFolder());
}

}  // namespace
}  // namespace axsim::config

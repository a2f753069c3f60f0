// The warden's questions against the simulated card's library, opened as the vendor's is.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "warden/card_access.h"

namespace axollama::warden {
namespace {

class WardenOfSimulatedCard : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ax-warden-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    ::setenv("AXSIM_STATE", (folder_ / "state").c_str(), 1);
    ::setenv("AXOLLAMA_AXCL_LIB", SIMULATED_AXCL, 1);
    ::unsetenv("AXSIM_CONFIG");
  }
  void TearDown() override {
    for (const char* name : {"AXSIM_STATE", "AXOLLAMA_AXCL_LIB", "AXSIM_CONFIG"}) ::unsetenv(name);
    std::filesystem::remove_all(folder_);
  }
  json::Object Ask(const std::string& line) {
    const auto answer = json::ParseObject(Answer(line, *card_), "answer");
    EXPECT_TRUE(answer);
    return answer.value_or(json::Object());
  }

  std::filesystem::path folder_;
  std::unique_ptr<CardAccess> card_ = OpenPerQuestion({});
};

TEST_F(WardenOfSimulatedCard, TellsPropertiesAgainAndAgain) {
  for (int i = 0; i < 3; ++i) {
    const json::Object answer = Ask(R"({"id":5,"op":"properties"})");
    ASSERT_TRUE(json::GetBool(answer, "ok", false).value()) << json::Write(answer);
    EXPECT_EQ(json::GetString(answer, "backend", "").value(), "sim");
    EXPECT_EQ(json::GetString(answer, "library", "").value(), SIMULATED_AXCL);
    EXPECT_EQ(json::Find(answer, "cards")->as_array().size(), 1u);
    const json::Object& p = json::Find(answer, "properties")->as_object();
    EXPECT_FALSE(json::GetString(p, "uid", "").value().empty());
    EXPECT_GT(json::GetInt(p, "cmm_total_bytes", 0).value(), 0);
    EXPECT_GT(json::GetInt(p, "cmm_free_bytes", 0).value(), 0);
    EXPECT_LE(json::GetInt(p, "cmm_free_bytes", 0).value(),
              json::GetInt(p, "cmm_total_bytes", 0).value());
    EXPECT_GT(json::GetDouble(p, "temperature_c", 0).value(), 0);
  }
}

TEST_F(WardenOfSimulatedCard, RebootsTheCard) {
  EXPECT_TRUE(json::GetBool(Ask(R"({"id":1,"op":"reboot"})"), "ok", false).value());
  EXPECT_TRUE(json::GetBool(Ask(R"({"id":2,"op":"properties"})"), "ok", false).value());
}

TEST_F(WardenOfSimulatedCard, AMissingCardIsNamed) {
  card_ = OpenPerQuestion({.id = 77});
  const json::Object answer = Ask(R"({"id":1,"op":"properties"})");
  EXPECT_FALSE(json::GetBool(answer, "ok", true).value());
  EXPECT_EQ(json::GetString(answer, "kind", "").value(), "not_found");
}

TEST_F(WardenOfSimulatedCard, AMissingLibraryIsUnavailable) {
  ::setenv("AXOLLAMA_AXCL_LIB", "/nowhere/libaxcl_rt.so", 1);
  const json::Object answer = Ask(R"({"id":1,"op":"properties"})");
  EXPECT_FALSE(json::GetBool(answer, "ok", true).value());
  EXPECT_EQ(json::GetString(answer, "kind", "").value(), "unavailable");
}

}  // namespace
}  // namespace axollama::warden

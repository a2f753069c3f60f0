#include "server/settings.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "server/config_file.h"
#include "server/setting_table.h"
#include "server/test_folder.h"

namespace axollama::server {
namespace {

using std::chrono::milliseconds;

// No variable of the caller's counts, and none of a test outlives it.
class SettingsTest : public testing::Test {
 protected:
  SettingsTest() {
    for (const Setting& setting : SettingTable()) {
      Clear(setting.Environment());
      if (!setting.ollama.empty()) Clear(std::string(setting.ollama));
    }
    for (const char* name : {"AXOLLAMA_CONFIG", "AX650_MODEL_PATH", "AX650_PORT"}) Clear(name);
    Set("XDG_CONFIG_HOME", folder_.path().string());
  }
  ~SettingsTest() override {
    for (const std::string& name : set_) unsetenv(name.c_str());
    for (const auto& [name, value] : before_) setenv(name.c_str(), value.c_str(), 1);
  }
  void Set(const std::string& name, const std::string& value) {
    Clear(name);
    setenv(name.c_str(), value.c_str(), 1);
  }
  std::string File(const std::string& content, const std::string& name = "axollama/config.json") {
    const auto path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
    return path.string();
  }
  ParsedSettings Read(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), "axollama serve");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    return ReadSettings(static_cast<int>(arguments.size()), argv.data());
  }
  std::string Source(const std::string& name, std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.end(), {"--print-config", "--json"});
    const ParsedSettings parsed = Read(arguments);
    EXPECT_EQ(parsed.exit_code, 0) << parsed.text;
    const auto printed = json::ParseObject(parsed.text, "printed");
    return std::string(json::View(printed->at("settings").at(name).at("source").as_string()));
  }

 private:
  void Clear(const std::string& name) {
    if (!set_.insert(name).second) return;
    if (const char* value = getenv(name.c_str())) before_.emplace_back(name, value);
    unsetenv(name.c_str());
  }
  TestFolder folder_;
  std::set<std::string> set_;
  std::vector<std::pair<std::string, std::string>> before_;
};

TEST_F(SettingsTest, Defaults) {
  const ParsedSettings parsed = Read();
  ASSERT_FALSE(parsed.exit_code) << parsed.text;
  const Settings& settings = parsed.settings;
  EXPECT_EQ(settings.listen, std::vector<std::string>{"127.0.0.1:11434"});
  EXPECT_TRUE(settings.models.empty());
  EXPECT_EQ(settings.device, "");
  EXPECT_FALSE(settings.device_id);
  EXPECT_EQ(settings.keep_alive_ns, 300'000'000'000);
  EXPECT_EQ(settings.max_queue, 512u);
  EXPECT_EQ(settings.max_loaded_models, 0u);
  EXPECT_EQ(settings.model_turn, milliseconds(10'000));
  EXPECT_EQ(settings.load_limit, milliseconds(300'000));
  EXPECT_EQ(settings.stall_limit, milliseconds(60'000));
  EXPECT_EQ(settings.reboot, RebootPolicy::kAuto);
  EXPECT_EQ(settings.log_level, log::Level::kInfo);
}

TEST_F(SettingsTest, NoLimitForALoad) {
  Set("OLLAMA_LOAD_TIMEOUT", "0");
  EXPECT_EQ(Read().settings.load_limit, std::chrono::hours(365 * 24));
  Set("OLLAMA_LOAD_TIMEOUT", "-1");
  EXPECT_EQ(Read().settings.load_limit, std::chrono::hours(365 * 24));
  Set("OLLAMA_LOAD_TIMEOUT", "90");
  EXPECT_EQ(Read().settings.load_limit, milliseconds(90'000));
}

TEST_F(SettingsTest, TheStrongerWins) {
  const std::string path = File(R"({"max_queue": 1})");
  EXPECT_EQ(Read().settings.max_queue, 1u);
  EXPECT_EQ(Source("max_queue"), path);
  Set("OLLAMA_MAX_QUEUE", "2");
  EXPECT_EQ(Read().settings.max_queue, 2u);
  EXPECT_EQ(Source("max_queue"), "OLLAMA_MAX_QUEUE");
  Set("AXOLLAMA_MAX_QUEUE", "3");
  EXPECT_EQ(Read().settings.max_queue, 3u);
  EXPECT_EQ(Source("max_queue"), "AXOLLAMA_MAX_QUEUE");
  EXPECT_EQ(Read({"--max-queue", "4"}).settings.max_queue, 4u);
  EXPECT_EQ(Source("max_queue", {"--max-queue", "4"}), "--max-queue");
}

TEST_F(SettingsTest, ABadVariableGivesWayToWhatIsBelowIt) {
  File(R"({"max_queue": 7, "keep_alive": "1h"})");
  Set("OLLAMA_MAX_QUEUE", "many");
  Set("AXOLLAMA_MAX_QUEUE", "-1");
  Set("OLLAMA_KEEP_ALIVE", "5 minutes");
  const ParsedSettings parsed = Read();
  ASSERT_FALSE(parsed.exit_code) << parsed.text;
  EXPECT_EQ(parsed.settings.max_queue, 7u);
  EXPECT_EQ(parsed.settings.keep_alive_ns, 3'600'000'000'000);
}

TEST_F(SettingsTest, ButNotWhereAGuessWouldDoHarm) {
  for (const char* name : {"AXOLLAMA_REBOOT", "AXOLLAMA_DEVICE", "AXOLLAMA_TRUSTED_PROXIES"}) {
    Set(name, "perhaps");
    const ParsedSettings parsed = Read();
    EXPECT_EQ(parsed.exit_code, 2) << name;
    EXPECT_NE(parsed.text.find(name), std::string::npos) << parsed.text;
    unsetenv(name);
  }
}

TEST_F(SettingsTest, ListsFromEverywhere) {
  File(R"({"listen": ["127.0.0.1:1", "[::1]:2"], "models": "/a", "pinned": ["x", "y:z"]})");
  Settings settings = Read().settings;
  EXPECT_EQ(settings.listen, (std::vector<std::string>{"127.0.0.1:1", "[::1]:2"}));
  EXPECT_EQ(settings.models, std::vector<std::string>{"/a"});
  EXPECT_EQ(settings.pinned, (std::vector<std::string>{"x", "y:z"}));
  Set("OLLAMA_HOST", "http://0.0.0.0");
  Set("AXOLLAMA_MODELS", "/b::/c");
  settings = Read({"--pinned", "p", "--pinned", "q"}).settings;
  EXPECT_EQ(settings.listen, std::vector<std::string>{"0.0.0.0:80"});
  EXPECT_EQ(settings.models, (std::vector<std::string>{"/b", "/c"}));
  EXPECT_EQ(settings.pinned, (std::vector<std::string>{"p", "q"}));
}

TEST_F(SettingsTest, FilesThatAreWrongAreNamed) {
  const struct {
    const char* content;
    const char* what;
  } kCases[] = {
      {"{", "invalid JSON"},
      {"[]", "object"},
      {R"({"max_que": 1})", "no setting \"max_que\"; there are listen, models"},
      {R"({"max_queue": "many"})", "\"max_queue\": \"many\" is not a whole number from 1"},
      {R"({"max_queue": [1]})", "\"max_queue\" must be one value"},
      {R"({"max_queue": null})", "\"max_queue\" must be a string or a number"},
      {R"({"max_queue": 1.5})", "whole number"},
      {R"({"listen": []})", "there must be an address"},
      {R"({"listen": [{}]})", "\"listen\" must be"},
      {R"({"keep_alive": "5 minutes"})", "\"keep_alive\": time: "},
      {R"({"log": "loud"})", "\"loud\" is none of"},
  };
  for (const auto& one : kCases) {
    const std::string path = File(one.content);
    const ParsedSettings parsed = Read();
    EXPECT_EQ(parsed.exit_code, 2) << one.content;
    EXPECT_NE(parsed.text.find(path), std::string::npos) << parsed.text;
    EXPECT_NE(parsed.text.find(one.what), std::string::npos) << parsed.text;
    EXPECT_EQ(parsed.text.find('\n'), parsed.text.size() - 1) << parsed.text;
  }
}

TEST_F(SettingsTest, WhichFile) {
  EXPECT_EQ(Read({"--config", "/nowhere/config.json"}).exit_code, 2);
  File(R"({"max_queue": 1})");
  Set("AXOLLAMA_CONFIG", File(R"({"max_queue": 2})", "two.json"));
  EXPECT_EQ(Read().settings.max_queue, 2u);
  EXPECT_EQ(Read({"--config", File(R"({"max_queue": 3})", "three.json")}).settings.max_queue, 3u);
  Set("AXOLLAMA_CONFIG", "/nowhere/config.json");
  EXPECT_EQ(Read().exit_code, 2);
}

TEST_F(SettingsTest, WhatOthersReadIsExported) {
  File(R"({"home": "/somewhere", "log": "debug"})");
  EXPECT_EQ(Read().settings.log_level, log::Level::kDebug);
  EXPECT_STREQ(getenv("AXOLLAMA_HOME"), "/somewhere");
  EXPECT_STREQ(getenv("AXOLLAMA_LOG"), "debug");
  EXPECT_EQ(getenv("AXOLLAMA_RUNTIME_DIR"), nullptr);
  log::SetLevel(log::Level::kInfo);
}

TEST_F(SettingsTest, OllamasDebug) {
  const std::pair<const char*, log::Level> kCases[] = {{"0", log::Level::kInfo},
                                                       {"1", log::Level::kDebug},
                                                       {"true", log::Level::kDebug},
                                                       {"2", log::Level::kTrace}};
  for (const auto& [text, level] : kCases) {
    Set("OLLAMA_DEBUG", text);
    unsetenv("AXOLLAMA_LOG");
    EXPECT_EQ(Read().settings.log_level, level) << text;
  }
  unsetenv("AXOLLAMA_LOG");
  log::SetLevel(log::Level::kInfo);
}

TEST_F(SettingsTest, WrongUsage) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--nonsense"},
                                             {"extra"},
                                             {"--listen"},
                                             {"--json"},
                                             {"--max-queue", "1", "--max-queue", "2"},
                                             {"--max-queue", "0"},
                                             {"--device", "gpu"},
                                             {"--device-id", "-1"},
                                             {"--trusted-proxies", "10.0.0.0/8x"}}) {
    const ParsedSettings parsed = Read(arguments);
    EXPECT_EQ(parsed.exit_code, 2) << arguments.front();
    EXPECT_EQ(parsed.text.rfind("error: ", 0), 0u) << parsed.text;
    EXPECT_EQ(parsed.text.find('\n'), parsed.text.size() - 1) << parsed.text;
  }
}

TEST_F(SettingsTest, HelpNamesEveryVariable) {
  const ParsedSettings parsed = Read({"--help"});
  EXPECT_EQ(parsed.exit_code, 0);
  for (const Setting& setting : SettingTable()) {
    EXPECT_NE(parsed.text.find(setting.Flag()), std::string::npos) << setting.name;
    EXPECT_NE(parsed.text.find(setting.Environment()), std::string::npos) << setting.name;
    EXPECT_NE(parsed.text.find(setting.ollama), std::string::npos) << setting.name;
  }
}

TEST_F(SettingsTest, ThePrototypesPort) {
  Set("AX650_PORT", "5000");
  EXPECT_EQ(Read().settings.listen,
            (std::vector<std::string>{"127.0.0.1:11434", "127.0.0.1:5000"}));
  EXPECT_EQ(Read({"--listen", "127.0.0.1:5000"}).settings.listen,
            std::vector<std::string>{"127.0.0.1:5000"});
  Set("AX650_PORT", "70000");
  EXPECT_EQ(Read().settings.listen, std::vector<std::string>{"127.0.0.1:11434"});
}

}  // namespace
}  // namespace axollama::server

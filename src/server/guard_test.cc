#include "server/guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/test_folder.h"

namespace axollama::server {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Need kAll[] = {Need::kManage, Need::kMetrics, Need::kInference, Need::kNothing};

net::Request From(std::string peer, std::vector<std::pair<std::string, std::string>> headers = {}) {
  net::Request request;
  request.method = "POST";
  request.path = "/api/pull";
  request.peer = std::move(peer);
  request.headers.list = std::move(headers);
  return request;
}

class GuardTest : public testing::Test {
 protected:
  Guard Make(std::vector<std::string> near = {}, std::vector<std::string> proxies = {},
             bool key_always = false) {
    GuardOptions options;
    options.near = *ParseNetworks(near);
    options.proxies = *ParseNetworks(proxies);
    options.key_always = key_always;
    options.keys = folder_.path() / "keys.json";
    options.hosts = {"ai.example.com", ".example.net"};
    options.hostname = "kiosk.example.org";
    return Guard(options);
  }
  std::string Key(const std::string& name, unsigned scopes) {
    return *keys::Add(folder_.path() / "keys.json", name, scopes);
  }
  static bool Allows(const Guard& guard, const net::Request& request, Need need) {
    return !guard.Refusal(request, need);
  }

  TestFolder folder_;
};

TEST_F(GuardTest, WithoutKeysOnlyNearClientsManage) {
  const Guard guard = Make({"192.168.1.0/24"});
  for (const char* near : {"127.0.0.1:5", "[::1]:5", "[::ffff:127.0.0.1]:5", "unix",
                           "192.168.1.9:5", "[::ffff:192.168.1.9]:5"}) {
    for (const Need need : kAll) EXPECT_TRUE(Allows(guard, From(near), need)) << near;
  }
  for (const char* beyond : {"192.168.2.9:5", "8.8.8.8:5", "[2001:db8::1]:5", "", "nonsense"}) {
    EXPECT_FALSE(Allows(guard, From(beyond), Need::kManage)) << beyond;
    EXPECT_FALSE(Allows(guard, From(beyond), Need::kMetrics)) << beyond;
    EXPECT_TRUE(Allows(guard, From(beyond), Need::kInference)) << beyond;
    EXPECT_TRUE(Allows(guard, From(beyond), Need::kNothing)) << beyond;
  }
}

TEST_F(GuardTest, WhoseKeyItIs) {
  const std::string key = Key("kitchen", keys::kInference);
  const Guard guard = Make();
  EXPECT_EQ(guard.KeyName(From("8.8.8.8:5", {{"Authorization", "Bearer " + key}})), "kitchen");
  EXPECT_EQ(guard.KeyName(From("8.8.8.8:5", {{"x-api-key", key}})), "kitchen");
  EXPECT_EQ(guard.KeyName(From("8.8.8.8:5", {{"x-api-key", key + "x"}})), "");
  EXPECT_EQ(guard.KeyName(From("127.0.0.1:5")), "");
}

TEST_F(GuardTest, ScopesCoverTheirRoutesAlone) {
  const Guard guard = Make();
  const struct {
    unsigned scope;
    Need need;
  } kPairs[] = {{keys::kInference, Need::kInference},
                {keys::kManage, Need::kManage},
                {keys::kMetrics, Need::kMetrics}};
  for (const auto& pair : kPairs) {
    const std::string key = Key(keys::FormatScopes(pair.scope), pair.scope);
    const net::Request bearer = From("8.8.8.8:5", {{"authorization", "bearer " + key}});
    const net::Request anthropic = From("8.8.8.8:5", {{"X-Api-Key", key}});
    for (const Need need : kAll) {
      const bool wanted = need == pair.need || need == Need::kNothing;
      EXPECT_EQ(Allows(guard, bearer, need), wanted);
      EXPECT_EQ(Allows(guard, anthropic, need), wanted);
    }
    EXPECT_THAT(*guard.Refusal(bearer, pair.need == Need::kManage ? Need::kMetrics : Need::kManage),
                HasSubstr("has not the scope"));
  }
}

TEST_F(GuardTest, OnceThereAreKeysOthersMayNotEvenAsk) {
  const Guard guard = Make();
  const std::string key = Key("a", keys::kMetrics);
  EXPECT_FALSE(Allows(guard, From("8.8.8.8:5"), Need::kInference));
  EXPECT_TRUE(Allows(guard, From("127.0.0.1:5"), Need::kManage));
  // What clients send that were not told a key; nobody near is refused for it.
  const net::Request dummy = From("127.0.0.1:5", {{"Authorization", "Bearer ollama"}});
  EXPECT_TRUE(Allows(guard, dummy, Need::kInference));
  const auto refusal =
      guard.Refusal(From("8.8.8.8:5", {{"Authorization", "Bearer axo_wrong"}}), Need::kInference);
  ASSERT_TRUE(refusal);
  EXPECT_THAT(*refusal, HasSubstr("POST /api/pull needs an API key with the scope \"inference\""));
  EXPECT_THAT(*refusal, Not(HasSubstr("axo_wrong")));
}

TEST_F(GuardTest, NoHeaderOfAStrangersMakesHimNear) {
  const Guard guard = Make({"10.0.0.0/8"});
  const std::vector<std::pair<std::string, std::string>> claims[] = {
      {{"X-Forwarded-For", "127.0.0.1"}},
      {{"X-Real-IP", "127.0.0.1"}},
      {{"Forwarded", "for=127.0.0.1"}},
      {{"X-Forwarded-For", "10.0.0.1"}, {"X-Forwarded-For", "127.0.0.1"}}};
  for (const auto& claim : claims) {
    EXPECT_FALSE(Allows(guard, From("8.8.8.8:5", claim), Need::kManage));
    // A proxy on this computer that nobody named: its clients are not on this computer.
    EXPECT_FALSE(Allows(guard, From("127.0.0.1:5", claim), Need::kManage));
    EXPECT_FALSE(Allows(guard, From("10.0.0.1:5", claim), Need::kManage));
  }
}

TEST_F(GuardTest, TrustedProxiesSayWhoTheirClientIs) {
  const Guard guard = Make({"10.0.0.0/8"}, {"127.0.0.1", " 172.17.0.0/16"});
  const auto manages = [&](const std::string& peer, const std::string& hops) {
    return Allows(guard, From(peer, {{"X-Forwarded-For", hops}}), Need::kManage);
  };
  EXPECT_TRUE(manages("127.0.0.1:5", "10.1.2.3"));
  EXPECT_TRUE(manages("172.17.0.2:5", "10.1.2.3, 127.0.0.1"));
  EXPECT_FALSE(manages("127.0.0.1:5", "8.8.8.8"));
  // The client wrote the first one itself.
  EXPECT_FALSE(manages("127.0.0.1:5", "10.1.2.3, 8.8.8.8"));
  EXPECT_FALSE(manages("127.0.0.1:5", "10.1.2.3,"));
  EXPECT_FALSE(manages("127.0.0.1:5", "10.1.2.3, unknown"));
  EXPECT_FALSE(manages("8.8.8.8:5", "10.1.2.3"));
  EXPECT_FALSE(Allows(guard, From("127.0.0.1:5"), Need::kManage)) << "a proxy that says nothing";
}

TEST_F(GuardTest, AStrangersNameForThisServerMakesNobodyNear) {
  const Guard guard = Make({"10.0.0.0/8"}, {"10.9.9.9"});
  const auto ask = [](std::string host) { return From("10.1.2.3:5", {{"Host", host}}); };
  for (const char* host :
       {"10.0.0.1:11434", "203.0.113.7", "[fd00::1]:11434", "[fe80::1%25eth0]", "pi", "pi.local",
        "PI.LAN:11434", "a.internal", "pi.home.arpa", "kiosk.example.org", "ai.example.com:80",
        "x.example.net", "localhost.", ""}) {
    for (const Need need : kAll) EXPECT_TRUE(Allows(guard, ask(host), need)) << host;
  }
  for (const char* host :
       {"evil.com", "evil.com:11434", "EVIL.COM.", "10.0.0.1.evil.com", "example.net",
        "xai.example.com", "evil.lan.com", "a:b:c.d", "[::1.evil.com]"}) {
    EXPECT_FALSE(Allows(guard, ask(host), Need::kManage)) << host;
    EXPECT_FALSE(Allows(guard, ask(host), Need::kMetrics)) << host;
    EXPECT_TRUE(Allows(guard, ask(host), Need::kInference)) << "as everybody: " << host;
  }
  const net::Request rebound = ask("evil.com");
  EXPECT_THAT(*guard.Refusal(rebound, Need::kManage),
              AllOf(HasSubstr("the name \"evil.com\""), HasSubstr("allow_hosts")));
  // This computer's own browser, and one behind a proxy that hands the name on.
  EXPECT_FALSE(Allows(guard, From("127.0.0.1:5", {{"Host", "evil.com"}}), Need::kManage));
  EXPECT_FALSE(Allows(guard,
                      From("10.9.9.9:5", {{"Host", "evil.com"}, {"X-Forwarded-For", "10.1.2.3"}}),
                      Need::kManage));
  EXPECT_TRUE(Allows(guard, From("unix", {{"Host", "evil.com"}}), Need::kManage));
  // With keys the page has none, and whoever has one needs no name.
  const std::string key = Key("a", keys::kManage);
  EXPECT_FALSE(Allows(guard, rebound, Need::kInference));
  net::Request keyed = rebound;
  keyed.headers.Set("x-api-key", key);
  EXPECT_TRUE(Allows(guard, keyed, Need::kManage));
}

TEST_F(GuardTest, NamesOfThisServer) {
  EXPECT_THAT(*ParseHosts({" AI.example.com", ".example.net"}),
              testing::ElementsAre("ai.example.com", ".example.net"));
  for (const char* bad : {"", ".", "http://a.example", "a.example:80", "*.example", "a b"}) {
    EXPECT_FALSE(ParseHosts({bad})) << bad;
  }
}

TEST_F(GuardTest, AKeyCanBeAskedOfEverybody) {
  const Guard guard = Make({}, {}, true);
  EXPECT_FALSE(Allows(guard, From("127.0.0.1:5"), Need::kInference));
  EXPECT_TRUE(Allows(guard, From("127.0.0.1:5"), Need::kNothing));
  EXPECT_THAT(guard.Consequences("127.0.0.1:1"), HasSubstr("there is none yet"));
  const std::string key = Key("a", keys::kInference);
  EXPECT_TRUE(
      Allows(guard, From("127.0.0.1:5", {{"Authorization", "Bearer " + key}}), Need::kInference));
}

TEST_F(GuardTest, ConsequencesAreSaid) {
  const Guard guard = Make({"10.0.0.0/8"});
  EXPECT_THAT(guard.Consequences("127.0.0.1:11434"), HasSubstr("programs on this computer"));
  EXPECT_THAT(guard.Consequences("[::1]:11434"), HasSubstr("programs on this computer"));
  EXPECT_THAT(guard.Consequences("0.0.0.0:11434"), HasSubstr("WHOEVER REACHES THIS ADDRESS"));
  EXPECT_THAT(guard.Consequences("[::]:11434"), HasSubstr("allowed networks"));
  Key("a", keys::kInference);
  EXPECT_THAT(guard.Consequences("0.0.0.0:11434"), HasSubstr("and has an API key"));
}

}  // namespace
}  // namespace axollama::server

#include "server/host_names.h"

#include <gtest/gtest.h>

namespace axollama::server {
namespace {

TEST(HostNames, OfThisMachine) {
  const HostNames names("Kiosk", {"ai.example.com", ".example.net"});
  for (const char* host :
       {"localhost", "localhost:11434", "127.0.0.1:11434", "127.8.0.1", "[::1]:11434", "0.0.0.0:1",
        "192.168.1.7:11434", "10.0.0.2", "172.16.3.4", "172.31.255.255", "kiosk:80", "KIOSK",
        "ollama.local", "a.internal", "x.localhost:9", "", "AI.example.com:1", "x.example.net"}) {
    EXPECT_TRUE(names.OfThisMachine(host)) << host;
  }
  for (const char* host :
       {"example.com", "example.com:11434", "172.32.0.1", "8.8.8.8:11434", "localhost.example.com",
        "notlocal", "evil-localhost", "[2001:db8::1]:1", "127.0.0.1.example.com", "example.net"}) {
    EXPECT_FALSE(names.OfThisMachine(host)) << host;
  }
  EXPECT_FALSE(HostNames("kiosk").OfThisMachine("ai.example.com"));
}

// Guard's test has the rest.
TEST(HostNames, OutOfStrangersReach) {
  const HostNames names("kiosk.example.org");
  for (const char* host : {"8.8.8.8:1", "[2001:db8::1]:1", "2001:db8::1", "pi", "KIOSK.example.org",
                           "a.lan:80", "a.home.arpa", ""}) {
    EXPECT_TRUE(names.CannotBeRebound(host)) << host;
  }
  for (const char* host : {"a.example.org", "8.8.8.8.example.com", "lan.example.com", "a.box",
                           "[::1].example.com.", "1.2.3.4.5", "a:b:c"}) {
    EXPECT_FALSE(names.CannotBeRebound(host)) << host;
  }
}

}  // namespace
}  // namespace axollama::server

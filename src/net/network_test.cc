#include "net/network.h"

#include <gtest/gtest.h>

namespace axollama::net {
namespace {

TEST(Network, ReadsWhatSocketsAndProxiesWrite) {
  for (const char* text : {"127.0.0.1", "127.0.0.1:40312", "[::1]:9", "[::1]", "::1", "127.9.8.7",
                           "[::ffff:127.0.0.1]:5", "::ffff:127.0.0.1"}) {
    const auto ip = ParseIp(text);
    ASSERT_TRUE(ip) << text;
    EXPECT_TRUE(ip->is_loopback()) << text;
  }
  for (const char* text : {"10.0.0.1", "0.0.0.0", "::", "fd00::1", "[2001:db8::1]:80", "::2",
                           "128.0.0.1:1", "[::ffff:10.0.0.1]:5"}) {
    const auto ip = ParseIp(text);
    ASSERT_TRUE(ip) << text;
    EXPECT_FALSE(ip->is_loopback()) << text;
  }
  EXPECT_EQ(*ParseIp("10.1.2.3:80"), *ParseIp("[::ffff:10.1.2.3]:99"));
  using std::string_literals::operator""s;
  for (const std::string& text :
       {""s, "unix"s, "localhost"s, "127.0.0.1:"s, "127.0.0.1:x"s, "127.0.0.1:99999"s, "[::1"s,
        "[::1]x"s, "[127.0.0.1"s, "127.1"s, "0x7f.0.0.1"s, "127.0.0.1\0"s, "1.2.3.4, 5.6.7.8"s,
        "::1%lo"s, " 127.0.0.1"s}) {
    EXPECT_FALSE(ParseIp(text)) << text;
  }
}

TEST(Network, NetworksOfBothFamilies) {
  const auto in = [](const char* network, const char* address) {
    const auto parsed = ParseNetwork(network);
    EXPECT_TRUE(parsed) << network;
    return parsed && parsed->Contains(*ParseIp(address));
  };
  EXPECT_TRUE(in("192.168.1.0/24", "192.168.1.255"));
  EXPECT_TRUE(in("192.168.1.0/24", "[::ffff:192.168.1.7]:5"));
  EXPECT_FALSE(in("192.168.1.0/24", "192.168.2.1"));
  EXPECT_TRUE(in("172.16.0.0/12", "172.31.0.1"));
  EXPECT_FALSE(in("172.16.0.0/12", "172.32.0.1"));
  EXPECT_TRUE(in("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(in("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(in("::/0", "8.8.8.8"));
  EXPECT_TRUE(in("10.0.0.7", "10.0.0.7"));
  EXPECT_FALSE(in("10.0.0.7", "10.0.0.6"));
  EXPECT_TRUE(in("fd00::/8", "fdff::1"));
  EXPECT_FALSE(in("fd00::/8", "fe80::1"));
  for (const char* bad : {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
                          "fd00::/129", "lan", "10.0.0/8", "10.0.0.0/8/8", "10.0.0.0:80"}) {
    EXPECT_FALSE(ParseNetwork(bad)) << bad;
  }
}

}  // namespace
}  // namespace axollama::net

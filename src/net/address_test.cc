#include "net/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "net/proxy.h"

namespace axollama::net {
namespace {

bool IsPrivate(const char* text) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    return IsPrivateAddress(reinterpret_cast<sockaddr*>(&v4));
  }
  EXPECT_EQ(inet_pton(AF_INET6, text, &v6.sin6_addr), 1) << text;
  return IsPrivateAddress(reinterpret_cast<sockaddr*>(&v6));
}

TEST(AddressTest, PrivateRangesAreKnownInEveryForm) {
  for (const char* text : {"0.0.0.0",       "10.1.2.3",        "100.64.0.1",      "127.0.0.1",
                           "127.255.0.9",   "169.254.169.254", "172.16.0.1",      "172.31.255.255",
                           "192.168.1.1",   "224.0.0.1",       "255.255.255.255", "::",
                           "::1",           "::127.0.0.1",     "::ffff:10.0.0.1", "64:ff9b::7f00:1",
                           "2002:7f00:1::", "fc00::1",         "fd12::1",         "fe80::1",
                           "ff02::1"}) {
    EXPECT_TRUE(IsPrivate(text)) << text;
  }
  for (const char* text :
       {"1.1.1.1", "11.0.0.1", "100.128.0.1", "126.0.0.1", "172.15.0.1", "172.32.0.1",
        "192.167.0.1", "198.18.0.1", "223.255.255.255", "2606:4700::1111", "::ffff:1.1.1.1",
        "64:ff9b::101:101", "2002:101:101::"}) {
    EXPECT_FALSE(IsPrivate(text)) << text;
  }
  sockaddr unix_socket{};
  unix_socket.sa_family = AF_UNIX;
  EXPECT_TRUE(IsPrivateAddress(&unix_socket));
}

TEST(AddressTest, HostsAreJudgedWithoutAskingTheResolver) {
  for (const char* host : {"localhost", "a.localhost", "127.0.0.1", "[::1]", "[fe80::1%25eth0]"}) {
    EXPECT_TRUE(IsPrivateHost(host)) << host;
  }
  EXPECT_FALSE(IsPrivateHost("huggingface.co"));
  EXPECT_FALSE(IsPrivateHost("notlocalhost"));
  EXPECT_TRUE(IsLoopbackHost("127.9.9.9"));
  EXPECT_TRUE(IsLoopbackHost("[::1]"));
  EXPECT_FALSE(IsLoopbackHost("192.168.1.1"));
}

TEST(ProxyTest, TheEnvironmentsRulesAreGos) {
  const ProxySettings settings{
      "http://p:1", "http://p:2",
      "example.com, .below.org ,10.0.0.0/8,192.168.1.5,odd.net:8443, *.w.io"};
  const auto proxy = [&](const char* host, uint16_t port = 443) {
    return ProxyFor(settings, true, host, port);
  };
  EXPECT_EQ(proxy("huggingface.co"), "http://p:2");
  EXPECT_EQ(ProxyFor(settings, false, "huggingface.co", 80), "http://p:1");
  EXPECT_EQ(proxy("example.com"), "");
  EXPECT_EQ(proxy("www.example.com"), "");
  EXPECT_EQ(proxy("notexample.com"), "http://p:2");
  EXPECT_EQ(proxy("below.org"), "http://p:2");
  EXPECT_EQ(proxy("a.below.org"), "");
  EXPECT_EQ(proxy("a.w.io"), "");
  EXPECT_EQ(proxy("10.200.0.1"), "");
  EXPECT_EQ(proxy("11.0.0.1"), "http://p:2");
  EXPECT_EQ(proxy("192.168.1.5"), "");
  EXPECT_EQ(proxy("192.168.1.6"), "http://p:2");
  EXPECT_EQ(proxy("odd.net", 8443), "");
  EXPECT_EQ(proxy("odd.net"), "http://p:2");
  EXPECT_EQ(proxy("localhost"), "");
  EXPECT_EQ(proxy("[::1]"), "");
  EXPECT_EQ(ProxyFor({"", "http://p", "*"}, true, "huggingface.co", 443), "");
  EXPECT_EQ(ProxyFor({"", "http://p", ",, ,10.0.0.0/x,:,/8"}, true, "hf.co", 443), "http://p");
  EXPECT_EQ(ProxyFor({}, true, "hf.co", 443), "");
}

}  // namespace
}  // namespace axollama::net

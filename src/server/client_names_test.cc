#include "server/client_names.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace axollama::server {
namespace {

std::vector<net::Network> Networks(std::vector<std::string> texts) {
  std::vector<net::Network> out;
  for (const std::string& text : texts) out.push_back(net::ParseNetwork(text).value());
  return out;
}

net::Request From(std::string peer, std::string header = "", std::string value = "") {
  net::Request request;
  request.peer = std::move(peer);
  if (!header.empty()) request.headers.Set(std::move(header), std::move(value));
  return request;
}

TEST(ClientNames, TheAddressWithoutItsPort) {
  const ClientNames names({}, "X-Forwarded-For");
  EXPECT_EQ(names.Of(From("127.0.0.1:40312")), "127.0.0.1");
  EXPECT_EQ(names.Of(From("[::1]:40312")), "::1");
  EXPECT_EQ(names.Of(From("unix")), "unix");
  EXPECT_EQ(names.Of(From("")), "unknown");
}

TEST(ClientNames, OnlyTrustedProxiesMayNameOthers) {
  const ClientNames names(Networks({"10.0.0.1", "fd00::/8"}), "X-Forwarded-For");
  EXPECT_EQ(names.Of(From("10.0.0.2:1", "X-Forwarded-For", "1.2.3.4")), "10.0.0.2");
  EXPECT_EQ(names.Of(From("10.0.0.1:1", "x-forwarded-for", "1.2.3.4")), "1.2.3.4");
  EXPECT_EQ(names.Of(From("[fd00::1]:1", "X-Forwarded-For", "1.2.3.4")), "1.2.3.4");
  EXPECT_EQ(names.Of(From("10.0.0.1:1")), "10.0.0.1");
  EXPECT_EQ(names.Of(From("10.0.0.1:1", "X-Forwarded-For", " , ,")), "10.0.0.1");
}

TEST(ClientNames, WhatTheClientSaidItselfDoesNotCount) {
  const ClientNames names(Networks({"10.0.0.1", "10.0.0.9"}), "X-Forwarded-For");
  EXPECT_EQ(names.Of(From("10.0.0.1:1", "X-Forwarded-For", "6.6.6.6, 1.2.3.4")), "1.2.3.4");
  EXPECT_EQ(names.Of(From("10.0.0.1:1", "X-Forwarded-For", "6.6.6.6,1.2.3.4 ,10.0.0.9")),
            "1.2.3.4");
  EXPECT_EQ(names.Of(From("10.0.0.1:1", "X-Forwarded-For", "10.0.0.9")), "10.0.0.9");
}

TEST(ClientNames, AProxysOwnHeaderBehindItsClients) {
  const ClientNames names(Networks({"10.0.0.1"}), "X-Forwarded-For");
  net::Request request = From("10.0.0.1:1", "X-Forwarded-For", "6.6.6.6");
  request.headers.list.emplace_back("x-forwarded-for", "1.2.3.4");
  EXPECT_EQ(names.Of(request), "1.2.3.4");
}

TEST(ClientNames, AHeaderOfOnesOwn) {
  const ClientNames names(Networks({"127.0.0.1"}), "X-OpenWebUI-User-Id");
  EXPECT_EQ(names.Of(From("127.0.0.1:1", "X-OpenWebUI-User-Id", "a, b")), "a, b");
  EXPECT_EQ(names.Of(From("127.0.0.1:1", "X-OpenWebUI-User-Id", std::string(1'000, 'x'))),
            std::string(128, 'x'));
  EXPECT_EQ(names.Of(From("127.0.0.2:1", "X-OpenWebUI-User-Id", "a")), "127.0.0.2");
}

}  // namespace
}  // namespace axollama::server

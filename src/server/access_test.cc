#include "server/access.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace axollama::server {
namespace {

net::Request Ask(std::string method, std::string host, std::string origin, bool loopback = true) {
  net::Request request;
  request.method = std::move(method);
  request.path = "/api/tags";
  request.headers.Set("Host", std::move(host));
  if (!origin.empty()) request.headers.Set("Origin", std::move(origin));
  request.local_is_loopback = loopback;
  return request;
}

std::string Header(const AccessRules::Verdict& verdict, const std::string& name) {
  const auto found = std::find_if(verdict.headers.begin(), verdict.headers.end(),
                                  [&](const auto& header) { return header.first == name; });
  return found == verdict.headers.end() ? "" : found->second;
}

TEST(Access, HostIsCheckedOnLoopbackListenersOnly) {
  const AccessRules rules("", HostNames("kiosk"));
  EXPECT_EQ(rules.Check(Ask("GET", "example.com", "")).refuse, 403);
  EXPECT_EQ(rules.Check(Ask("GET", "example.com", "", false)).refuse, 0);
  EXPECT_EQ(rules.Check(Ask("GET", "localhost", "")).refuse, 0);
}

TEST(Access, OriginsOfOllama) {
  const AccessRules rules("", HostNames("kiosk"));
  for (const char* origin :
       {"http://localhost", "https://localhost", "http://localhost:3000", "http://127.0.0.1",
        "https://127.0.0.1:8443", "http://0.0.0.0:1", "app://obsidian.md", "file://x",
        "tauri://localhost", "vscode-webview://abc", "chrome-extension://abc",
        "moz-extension://abc"}) {
    EXPECT_TRUE(rules.AllowsOrigin(origin)) << origin;
  }
  for (const char* origin : {"http://example.com", "null", "http://localhost.example.com",
                             "http://localhostx", "http://127.0.0.2", "https://example.com:443"}) {
    EXPECT_FALSE(rules.AllowsOrigin(origin)) << origin;
  }
}

TEST(Access, MoreOriginsByVariable) {
  const AccessRules rules("https://chat.example.com, http://*.lan", HostNames("kiosk"));
  EXPECT_TRUE(rules.AllowsOrigin("https://chat.example.com"));
  EXPECT_TRUE(rules.AllowsOrigin("http://tablet.lan"));
  EXPECT_FALSE(rules.AllowsOrigin("https://tablet.lan"));
  EXPECT_TRUE(AccessRules("*", HostNames("")).AllowsOrigin("http://anything"));
}

TEST(Access, ForeignOriginIsRefused) {
  const AccessRules rules("", HostNames("kiosk"));
  EXPECT_EQ(rules.Check(Ask("POST", "localhost", "http://example.com")).refuse, 403);
  EXPECT_EQ(rules.Check(Ask("POST", "10.0.0.1", "http://example.com", false)).refuse, 403);
}

TEST(Access, AllowedOriginGetsItsHeaders) {
  const AccessRules rules("", HostNames("kiosk"));
  const auto verdict = rules.Check(Ask("POST", "localhost:11434", "http://localhost:3000"));
  EXPECT_EQ(verdict.refuse, 0);
  EXPECT_EQ(Header(verdict, "Access-Control-Allow-Origin"), "http://localhost:3000");
  EXPECT_EQ(Header(verdict, "Vary"), "Origin");
}

TEST(Access, SameOriginNeedsNoPermission) {
  const AccessRules rules("", HostNames("kiosk"));
  const auto verdict = rules.Check(Ask("POST", "kiosk:11434", "http://kiosk:11434"));
  EXPECT_EQ(verdict.refuse, 0);
  EXPECT_TRUE(verdict.headers.empty());
  // But it does not get around the guard against rebinding.
  EXPECT_EQ(rules.Check(Ask("POST", "evil.com", "http://evil.com")).refuse, 403);
}

TEST(Access, PreflightIsAnswered) {
  const AccessRules rules("", HostNames("kiosk"));
  const auto verdict = rules.Check(Ask("OPTIONS", "localhost", "http://localhost:3000"));
  EXPECT_EQ(verdict.refuse, 204);
  EXPECT_NE(Header(verdict, "Access-Control-Allow-Methods").find("DELETE"), std::string::npos);
  EXPECT_NE(Header(verdict, "Access-Control-Allow-Headers").find("Authorization"),
            std::string::npos);
  EXPECT_EQ(rules.Check(Ask("OPTIONS", "localhost", "http://example.com")).refuse, 403);
  EXPECT_EQ(rules.Check(Ask("OPTIONS", "example.com", "http://localhost")).refuse, 403);
  EXPECT_EQ(rules.Check(Ask("OPTIONS", "localhost", "")).refuse, 204);
}

}  // namespace
}  // namespace axollama::server

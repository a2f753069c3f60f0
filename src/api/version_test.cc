#include "api/version.h"

#include <gtest/gtest.h>

namespace axollama::api {
namespace {

TEST(Version, WhatGoTakes) {
  for (const char* text :
       {"0.14.0", "1", "1.2", "10.20.30", "1.2.3-rc.1", "1.2.3-0a.x-y+001", "1.2.3+build.5"}) {
    EXPECT_EQ(ParseVersion(text).value_or("?"), text);
    EXPECT_EQ(ParseVersion(std::string("v") + text).value_or("?"), text);
  }
}

TEST(Version, WhatGoRefuses) {
  for (const char* text :
       {"", "v", "vv1", "latest", "01", "1.", "1.02", "1.2.3.4", "1.2-rc", "1+b", "1.2.3-",
        "1.2.3-01", "1.2.3-a..b", "1.2.3+", "1.2.3+a+b", "1.2.3 ", "-1", "1.2.3-ä"}) {
    const auto version = ParseVersion(text);
    ASSERT_FALSE(version) << text;
    EXPECT_EQ(version.error().message, "requires must be a valid semver (e.g. 0.14.0)");
  }
  EXPECT_FALSE(ParseVersion(std::string_view("1.2.3+a\0b", 9)));
}

}  // namespace
}  // namespace axollama::api

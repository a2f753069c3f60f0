#include "base/ollama_host.h"

#include <gtest/gtest.h>

namespace axollama {
namespace {

// The table of Ollama's envconfig/config_test.go (TestHost), as far as it fits a listener.
TEST(OllamaHost, ReadsWhatOllamaReads) {
  const struct {
    const char* value;
    const char* listen;
  } kCases[] = {
      {"", "127.0.0.1:11434"},
      {"1.2.3.4", "1.2.3.4:11434"},
      {":1234", ":1234"},
      {"1.2.3.4:1234", "1.2.3.4:1234"},
      {"example.com", "example.com:11434"},
      {"example.com:1234", "example.com:1234"},
      {":0", ":0"},
      {":66000", ":11434"},
      {":-1", ":11434"},
      {"[::1]", "[::1]:11434"},
      {"[::]", "[::]:11434"},
      {"::1", "[::1]:11434"},
      {"[::1]:1337", "[::1]:1337"},
      {" 1.2.3.4 ", "1.2.3.4:11434"},
      {"\"1.2.3.4\"", "1.2.3.4:11434"},
      {"'1.2.3.4'", "1.2.3.4:11434"},
      {"http://1.2.3.4", "1.2.3.4:80"},
      {"http://1.2.3.4:4321", "1.2.3.4:4321"},
      {"https://1.2.3.4", "1.2.3.4:443"},
      {"https://1.2.3.4:4321", "1.2.3.4:4321"},
      {"http://example.com/ollama", "example.com:80"},
      {"example.com/ollama", "example.com:11434"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(ParseOllamaHost(test.value).ListenAddress(), test.listen) << test.value;
  }
}

TEST(OllamaHost, KeepsPathAndScheme) {
  const OllamaHost host = ParseOllamaHost("https://example.com/a/b");
  EXPECT_EQ(host.scheme, "https");
  EXPECT_EQ(host.path, "a/b");
}

TEST(OllamaHost, WarnsOfABadPort) {
  EXPECT_NE(ParseOllamaHost(":x1").warning, "");
  EXPECT_EQ(ParseOllamaHost(":1").warning, "");
}

TEST(OllamaHost, DialsLoopbackForEveryAddress) {
  EXPECT_EQ(ParseOllamaHost("0.0.0.0").DialAddress(), "127.0.0.1:11434");
  EXPECT_EQ(ParseOllamaHost(":1").DialAddress(), "127.0.0.1:1");
  EXPECT_EQ(ParseOllamaHost("[::]:5").DialAddress(), "[::1]:5");
  EXPECT_EQ(ParseOllamaHost("10.0.0.1").DialAddress(), "10.0.0.1:11434");
}

}  // namespace
}  // namespace axollama

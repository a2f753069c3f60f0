// URLs that pulls ask for and are redirected to, and the names of allowed hosts.
#include "base/ollama_host.h"
#include "fuzz/input.h"
#include "net/address.h"
#include "net/fetch.h"
#include "net/fetch_url.h"

namespace fuzz = axollama::fuzz;
namespace net = axollama::net;

namespace {

void CheckUrl(const net::FetchUrl& url) {
  fuzz::Require(!url.host.empty(), "a URL leads somewhere");
  fuzz::Require(url.host.find_first_of("@/\\ \r\n") == std::string::npos, "a host is a host");
  // Whatever it says is a private address or is none; it does not crash.
  (void)net::IsPrivateHost(url.host);
  (void)net::HostAllowed({"hf.co", ".hf.co"}, url.host);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto base = net::ParseFetchUrl("https://hf.co/api/models/x");
  const std::string text(fuzz::Text(data, size));
  (void)axollama::ParseOllamaHost(text).ListenAddress();
  const auto url = net::ParseFetchUrl(text);
  if (fuzz::Check(url)) CheckUrl(*url);
  const auto next = net::Redirected(*base, text);
  if (fuzz::Check(next)) CheckUrl(*next);
  return 0;
}

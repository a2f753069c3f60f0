#include "runner/probabilities.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <limits>
#include <string>
#include <utility>

#include "text/utf8_stream.h"

namespace axollama::runner {
namespace {

json::Object Entry(const engine::TokenLogprob& logprob, const text::Tokenizer& tokenizer) {
  std::string_view bytes;  // none: an id of a padded vocabulary
  if (const auto found = tokenizer.TokenBytes(logprob.id, true); found) bytes = *found;
  std::string token;
  text::Utf8Stream characters;
  characters.Push(bytes, &token);
  characters.Flush(&token);
  json::Array numbers;
  numbers.reserve(bytes.size());
  for (const char byte : bytes) numbers.emplace_back(static_cast<unsigned char>(byte));
  // JSON has no infinity.
  const double least = std::numeric_limits<float>::lowest();
  return json::Object{{"id", logprob.id},
                      {"token", token},
                      {"bytes", std::move(numbers)},
                      {"logprob", std::max<double>(logprob.logprob, least)}};
}

}  // namespace

json::Array Probabilities(const std::vector<engine::TokenLogprob>& logprobs, size_t each,
                          const text::Tokenizer& tokenizer) {
  json::Array all;
  for (size_t at = 0; at + each <= logprobs.size(); at += each) {
    json::Object entry = Entry(logprobs[at], tokenizer);
    json::Array top;
    for (size_t i = 1; i < each; ++i) top.push_back(Entry(logprobs[at + i], tokenizer));
    entry["top_logprobs"] = std::move(top);
    all.push_back(std::move(entry));
  }
  return all;
}

}  // namespace axollama::runner

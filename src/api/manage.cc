#include "api/manage.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/fields.h"
#include "api/options.h"
#include "api/version.h"

namespace axollama::api {
namespace {

constexpr size_t kMaxFiles = 1'000;

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

// Go's fs.ValidPath: relative, without empty parts, `.` and `..`.
bool IsRelativePath(std::string_view path) {
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos) {
      return false;
    }
    if (end == path.size()) return true;
    path.remove_prefix(end + 1);
  }
  return false;  // empty, or with `/` at its end
}

Status ReadFiles(const json::Object& object, std::map<std::string, std::string>* files) {
  const json::Value* value = json::Find(object, "files");
  if (value == nullptr) return {};
  if (!value->is_object()) return Bad("\"files\" must be an object of names and digests");
  if (value->get_object().size() > kMaxFiles) return Bad("\"files\" names too many files");
  for (const auto& [key, digest] : value->get_object()) {
    const std::string_view name(key.data(), key.size());
    if (!IsRelativePath(name)) return Bad("file path must be relative");
    if (!digest.is_string() || digest.get_string().empty()) return Bad("invalid digest format");
    files->emplace(name, json::View(digest.get_string()));
  }
  return {};
}

// What changes a model in a way that the card's models cannot be changed.
Status RefuseUnsupported(const json::Object& object) {
  constexpr std::pair<const char*, const char*> kRefused[] = {
      {"remote_host", "remote models are not supported: \"remote_host\" must be left out"},
      {"draft_files", "models for the card have no draft model: \"draft_files\" must be left out"},
      {"draft_quantize", "--draft-quantize requires a DRAFT model"},
      {"adapters", "models for the card take no adapters: merge the adapter into the model first"},
      {"renderer",
       "\"renderer\" names a part of Ollama that is not here: leave it out, the model's "
       "own template is used"},
      {"parser",
       "\"parser\" names a part of Ollama that is not here: leave it out, the model's own "
       "template says how it writes"},
      {"info", "\"info\" describes remote models, which are not supported"},
  };
  for (const auto& [key, sentence] : kRefused) {
    const json::Value* value = json::Find(object, key);
    if (value == nullptr) continue;
    const bool empty = (value->is_string() && value->get_string().empty()) ||
                       (value->is_object() && value->get_object().empty()) ||
                       (value->is_array() && value->get_array().empty());
    if (!empty) return Bad(sentence);
  }
  return {};
}

Result<json::Object> ReadParameters(const json::Object& object) {
  const json::Value* value = json::Find(object, "parameters");
  if (value == nullptr) return json::Object();
  if (!value->is_object()) return Bad("\"parameters\" must be an object");
  AX_ASSIGN_OR_RETURN(const Options options, ParseOptions({{"options", *value}}));
  if (!options.unknown.empty()) {
    return Bad(fmt::format("unknown parameter '{}'", options.unknown.front()));
  }
  json::Object parameters;
  for (const auto& [key, one] : value->get_object()) {
    if (!one.is_null()) parameters.emplace(key, one);
  }
  return parameters;
}

Result<std::vector<Message>> ReadMessages(const json::Object& object) {
  std::vector<Message> messages;
  const json::Value* value = json::Find(object, "messages");
  if (value == nullptr) return messages;
  if (!value->is_array()) return Bad("\"messages\" must be an array");
  for (const json::Value& one : value->get_array()) {
    if (!one.is_object()) return Bad("\"messages\" must be an array of objects");
    Message message;
    AX_ASSIGN_OR_RETURN(message.role, json::GetString(one.get_object(), "role", ""));
    AX_ASSIGN_OR_RETURN(message.content, json::GetString(one.get_object(), "content", ""));
    if (message.role != "system" && message.role != "user" && message.role != "assistant") {
      return Bad("message role must be one of \"system\", \"user\", or \"assistant\"");
    }
    AX_ASSIGN_OR_RETURN(const bool images, HasImages(one.get_object(), "messages[].images"));
    if (images) return Bad("stored messages cannot have images: no model here sees any");
    messages.push_back(std::move(message));
  }
  return messages;
}

// A text, or a list of texts.
Result<std::vector<std::string>> ReadLicenses(const json::Object& object) {
  std::vector<std::string> licenses;
  const json::Value* value = json::Find(object, "license");
  if (value == nullptr) return licenses;
  if (value->is_string()) {
    if (!value->get_string().empty()) licenses.emplace_back(json::View(value->get_string()));
    return licenses;
  }
  if (!value->is_array()) return Bad("\"license\" must be a text or an array of texts");
  for (const json::Value& one : value->get_array()) {
    if (!one.is_string()) return Bad("\"license\" must be a text or an array of texts");
    licenses.emplace_back(json::View(one.get_string()));
  }
  return licenses;
}

Result<std::string> ReadName(const json::Object& object) {
  AX_ASSIGN_OR_RETURN(std::string model, json::GetString(object, "model", ""));
  AX_ASSIGN_OR_RETURN(std::string name, json::GetString(object, "name", ""));
  return model.empty() ? name : model;
}

// The end of the action whose `{{` was before `at`: behind its `}}`. npos: there is none.
size_t EndOfAction(std::string_view text, size_t at) {
  char quote = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quote != 0) {
      if (c == '\\' && quote != '`') ++at;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '`' || c == '\'') {
      quote = c;
    } else if (text.substr(at).starts_with("}}")) {
      return at + 2;
    }
  }
  return std::string_view::npos;
}

}  // namespace

Status CheckGoTemplate(std::string_view text) {
  const auto wrong = [](std::string_view what) {
    return Bad(fmt::format("template error: {}", what));
  };
  int open_blocks = 0;
  for (size_t at = text.find("{{"); at != std::string_view::npos; at = text.find("{{", at)) {
    at += 2;
    if (text.substr(at).starts_with('-')) ++at;
    at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
    if (text.substr(at).starts_with("/*")) {
      const size_t end = text.find("*/", at + 2);
      if (end == std::string_view::npos) return wrong("unclosed comment");
      at = end + 2;
    }
    const size_t word_end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz", at);
    const std::string_view word = text.substr(at, std::min(word_end, text.size()) - at);
    if (word == "if" || word == "range" || word == "with" || word == "define" || word == "block") {
      ++open_blocks;
    } else if (word == "end" && --open_blocks < 0) {
      return wrong("unexpected {{end}}");
    } else if (word == "else" && open_blocks == 0) {
      return wrong("unexpected {{else}}");
    }
    at = EndOfAction(text, at);
    if (at == std::string_view::npos) return wrong("unclosed action");
  }
  if (open_blocks > 0) return wrong("unexpected EOF: a block has no {{end}}");
  return {};
}

Result<CreateRequest> ParseCreate(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  CreateRequest request;
  AX_RETURN_IF_ERROR(ReadFiles(object, &request.files));
  AX_RETURN_IF_ERROR(RefuseUnsupported(object));
  AX_ASSIGN_OR_RETURN(request.model, ReadName(object));
  AX_ASSIGN_OR_RETURN(request.stream, json::GetBool(object, "stream", true));
  AX_ASSIGN_OR_RETURN(request.from, json::GetString(object, "from", ""));
  // As in Ollama, "from" makes "files" idle, also an empty one.
  if (request.from.empty() && request.files.empty() && json::Find(object, "files") != nullptr) {
    return Bad("no files provided to convert");
  }
  AX_ASSIGN_OR_RETURN(request.quantize, json::GetString(object, "quantize", ""));
  AX_ASSIGN_OR_RETURN(std::string older, json::GetString(object, "quantization", ""));
  if (request.quantize.empty()) request.quantize = std::move(older);
  AX_ASSIGN_OR_RETURN(request.system, json::GetString(object, "system", ""));
  AX_ASSIGN_OR_RETURN(std::string text, json::GetString(object, "template", ""));
  if (!text.empty()) {
    AX_RETURN_IF_ERROR(CheckGoTemplate(text));
    request.go_template = std::move(text);
  }
  AX_ASSIGN_OR_RETURN(request.parameters, ReadParameters(object));
  AX_ASSIGN_OR_RETURN(request.messages, ReadMessages(object));
  AX_ASSIGN_OR_RETURN(request.licenses, ReadLicenses(object));
  AX_ASSIGN_OR_RETURN(const std::string version, json::GetString(object, "requires", ""));
  if (!version.empty()) {
    AX_ASSIGN_OR_RETURN(request.required_version, ParseVersion(version));
  }
  return request;
}

Result<CopyRequest> ParseCopy(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  CopyRequest request;
  AX_ASSIGN_OR_RETURN(request.source, json::GetString(object, "source", ""));
  AX_ASSIGN_OR_RETURN(request.destination, json::GetString(object, "destination", ""));
  return request;
}

Result<NamedRequest> ParseNamed(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  NamedRequest request;
  AX_ASSIGN_OR_RETURN(request.model, ReadName(object));
  AX_ASSIGN_OR_RETURN(request.stream, json::GetBool(object, "stream", true));
  return request;
}

std::string WriteStatus(std::string_view status) {
  return json::Write(json::Object{{"status", status}});
}

}  // namespace axollama::api

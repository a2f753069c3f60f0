#include "api/responses.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "api/fields.h"
#include "api/openai_fields.h"
#include "api/responses_input.h"

namespace axollama::api {
namespace {

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

// What would need a memory of earlier responses, or a place to work on in the background.
Status RefuseMissing(const Reader& request) {
  for (const char* const key : {"previous_response_id", "conversation"}) {
    if (request.Find(key) != nullptr) {
      return Fail(request.Bad(
          key, "is not supported: no response is stored here, so send the whole conversation"));
    }
  }
  if (request.Find("prompt") != nullptr) {
    return Fail(request.Bad("prompt", "is not supported: send \"input\" and \"instructions\""));
  }
  AX_ASSIGN_OR_RETURN(const bool background, request.Flag("background", false));
  if (background) return Bad("\"background\" is not supported: leave it out");
  return {};
}

// Functions, and namespaces of functions, whose names get the namespace's before them.
Status ReadTool(const Reader& item, const std::string& prefix, json::Array* tools) {
  AX_ASSIGN_OR_RETURN(const std::string type, item.Text("type"));
  AX_ASSIGN_OR_RETURN(const std::string name, item.Text("name"));
  if (type == "namespace" && prefix.empty()) {
    AX_ASSIGN_OR_RETURN(const std::vector<Reader> members, item.Items("tools"));
    const std::string inner = name.empty() ? "" : name + ".";
    for (const Reader& member : members) AX_RETURN_IF_ERROR(ReadTool(member, inner, tools));
    return {};
  }
  if (type != "function") {
    return Fail(item.Bad("type", fmt::format("is {}: only functions, which the client runs, are "
                                             "supported",
                                             json::Write(json::Value(type)))));
  }
  AX_ASSIGN_OR_RETURN(json::Object tool, ReadFunction(item, "parameters"));
  if (!name.starts_with(prefix)) tool["function"].get_object()["name"] = prefix + name;
  tools->push_back(std::move(tool));
  return {};
}

Status ReadTools(const Reader& request, ResponsesRequest* out) {
  Turn& turn = out->turn;
  AX_ASSIGN_OR_RETURN(const std::vector<Reader> items, request.Items("tools"));
  json::Array tools;
  for (const Reader& item : items) AX_RETURN_IF_ERROR(ReadTool(item, "", &tools));
  AX_ASSIGN_OR_RETURN(turn.tool_choice, ReadToolChoice(request, tools, false));
  AX_ASSIGN_OR_RETURN(turn.parallel_tool_calls, request.Flag("parallel_tool_calls", true));
  if (!tools.empty()) turn.tools_json = json::Write(tools);
  return {};
}

Status ReadText(const Reader& request, Format* out) {
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> text, request.Inner("text"));
  if (!text) return {};
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> format, text->Inner("format"));
  if (!format) return {};
  AX_ASSIGN_OR_RETURN(const std::string type, format->Text("type"));
  if (type == "json_object") {
    out->kind = Format::Kind::kJson;
  } else if (type == "json_schema") {
    AX_ASSIGN_OR_RETURN(const std::optional<Reader> schema, format->Inner("schema"));
    if (!schema) return Fail(format->Bad("schema", "is required"));
    out->kind = Format::Kind::kSchema;
    out->schema_json = json::Write(schema->object());
  } else if (type != "text") {
    return Fail(format->Bad("type", "must be \"text\", \"json_object\" or \"json_schema\""));
  }
  return {};
}

// Logprobs are asked for by a word in `include`, or by a number of them.
Status ReadLogprobs(const Reader& request, Turn* turn) {
  AX_ASSIGN_OR_RETURN(const std::optional<int64_t> top, request.Integer("top_logprobs"));
  turn->top_logprobs = top.value_or(0);
  if (turn->top_logprobs < 0 || turn->top_logprobs > kMaxTopLogprobs) {
    return Bad("top_logprobs must be between 0 and 20");
  }
  AX_ASSIGN_OR_RETURN(const std::vector<std::string> include, request.Texts("include"));
  turn->logprobs =
      turn->top_logprobs > 0 ||
      std::find(include.begin(), include.end(), "message.output_text.logprobs") != include.end();
  return {};
}

// OpenAI's default is to refuse a conversation that is too long, and the answer says so.
Status ReadTruncation(const Reader& request, Turn* turn) {
  AX_ASSIGN_OR_RETURN(const std::string truncation, request.Text("truncation", "disabled"));
  if (truncation != "disabled" && truncation != "auto") {
    return Fail(request.Bad("truncation", "must be \"auto\" or \"disabled\""));
  }
  turn->truncate = truncation == "auto";
  return {};
}

Status ReadThink(const Reader& request, Turn* turn) {
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> reasoning, request.Inner("reasoning"));
  if (!reasoning) return {};
  AX_ASSIGN_OR_RETURN(const std::string effort, reasoning->Text("effort"));
  AX_ASSIGN_OR_RETURN(turn->think, ParseEffort(effort));
  return {};
}

json::Object Echo(const Reader& request, const Turn& turn) {
  json::Object out;
  const auto copy = [&](const char* key, json::Value otherwise) {
    const json::Value* value = request.Find(key);
    out.emplace(key, value == nullptr ? std::move(otherwise) : *value);
  };
  copy("instructions", nullptr);
  copy("tools", json::Array());
  copy("tool_choice", "auto");
  out.emplace("truncation", turn.truncate ? "auto" : "disabled");
  out.emplace("parallel_tool_calls", turn.parallel_tool_calls);
  copy("text", json::Object{{"format", json::Object{{"type", "text"}}}});
  out.emplace("top_p", *turn.options.top_p);
  out.emplace("presence_penalty", turn.options.presence_penalty.value_or(0));
  out.emplace("frequency_penalty", turn.options.frequency_penalty.value_or(0));
  out.emplace("top_logprobs", turn.top_logprobs);
  out.emplace("temperature", *turn.options.temperature);
  copy("reasoning", nullptr);
  copy("max_output_tokens", nullptr);
  copy("metadata", json::Object());
  copy("user", nullptr);
  return out;
}

}  // namespace

Result<ResponsesRequest> ParseResponses(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  const Reader reader(object);
  ResponsesRequest request;
  Turn& turn = request.turn;
  AX_ASSIGN_OR_RETURN(turn.model, reader.Text("model"));
  if (turn.model.empty()) return Bad("model is required");
  AX_ASSIGN_OR_RETURN(request.stream, reader.Flag("stream", false));
  AX_RETURN_IF_ERROR(RefuseMissing(reader));
  AX_ASSIGN_OR_RETURN(const std::string instructions, reader.Text("instructions"));
  if (!instructions.empty()) {
    Message& system = turn.messages.emplace_back();
    system.role = "system";
    system.content = instructions;
  }
  AX_RETURN_IF_ERROR(ReadResponsesInput(reader, &turn.messages));
  AX_RETURN_IF_ERROR(ReadTools(reader, &request));
  AX_RETURN_IF_ERROR(ReadSampling(reader, &turn.options));
  AX_RETURN_IF_ERROR(ReadPenaltiesSeedAndStop(reader, &turn.options));
  AX_ASSIGN_OR_RETURN(turn.options.num_predict, reader.Integer("max_output_tokens"));
  AX_RETURN_IF_ERROR(ReadThink(reader, &turn));
  AX_RETURN_IF_ERROR(ReadLogprobs(reader, &turn));
  AX_RETURN_IF_ERROR(ReadTruncation(reader, &turn));
  AX_RETURN_IF_ERROR(ReadText(reader, &turn.format));
  request.echo = Echo(reader, turn);
  return request;
}

}  // namespace axollama::api

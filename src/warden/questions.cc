#include "warden/questions.h"

#include <fmt/format.h>

#include "base/json.h"

namespace axollama::warden {
namespace {

std::string Failure(const json::Value& id, const Error& error) {
  return json::Write(json::Object{
      {"id", id}, {"ok", false}, {"kind", KindName(error.kind)}, {"error", error.message}});
}

json::Value NumberOrNull(std::optional<double> number) {
  return number ? json::Value(*number) : json::Value();
}

std::string Show(const json::Value& id, const Reading& r) {
  const device::Properties& p = r.properties;
  return json::Write(
      json::Object{{"id", id},
                   {"ok", true},
                   {"backend", r.backend},
                   {"library", r.library},
                   {"cards", json::Array(r.cards.begin(), r.cards.end())},
                   {"properties", json::Object{
                                      {"id", r.id},
                                      {"uid", fmt::format("{:x}", p.uid)},
                                      {"firmware", p.firmware},
                                      {"pci", p.pci},
                                      {"temperature_c", NumberOrNull(p.temperature_c)},
                                      {"cmm_total_bytes", p.cmm_total_bytes},
                                      {"cmm_free_bytes", p.cmm_free_bytes},
                                      {"npu_percent", NumberOrNull(p.npu_percent)},
                                      {"cpu_percent", NumberOrNull(p.cpu_percent)},
                                  }}});
}

}  // namespace

std::string_view KindName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
      return "invalid";
    case ErrorKind::kForbidden:
      return "forbidden";
    case ErrorKind::kNotFound:
      return "not_found";
    case ErrorKind::kConflict:
      return "conflict";
    case ErrorKind::kTooLong:
      return "too_long";
    case ErrorKind::kBusy:
      return "busy";
    case ErrorKind::kUnavailable:
      return "unavailable";
    case ErrorKind::kNoMemory:
      return "no_memory";
    case ErrorKind::kDevice:
      return "device";
    case ErrorKind::kTimeout:
      return "timeout";
    case ErrorKind::kCancelled:
      return "cancelled";
    case ErrorKind::kIo:
      return "io";
    case ErrorKind::kInternal:
      return "internal";
  }
  return "internal";
}

std::string Refusal(std::string_view error) {
  return Failure(json::Value(), {ErrorKind::kInvalid, std::string(error)});
}

std::string Answer(std::string_view line, CardAccess& card) {
  const auto question = json::ParseObject(line, "the question");
  if (!question) return Refusal(question.error().message);
  const json::Value* given = json::Find(*question, "id");
  const json::Value id = given == nullptr ? json::Value() : *given;
  const auto operation = json::GetString(*question, "op", "");
  if (!operation) return Failure(id, operation.error());
  if (*operation == "properties") {
    const auto reading = card.Read();
    return reading ? Show(id, *reading) : Failure(id, reading.error());
  }
  if (*operation == "reboot") {
    const Status done = card.Reboot();
    return done ? json::Write(json::Object{{"id", id}, {"ok", true}}) : Failure(id, done.error());
  }
  return Failure(id,
                 {ErrorKind::kInvalid, fmt::format("unknown operation {}: use properties or reboot",
                                                   json::Write(json::Value(*operation)))});
}

}  // namespace axollama::warden

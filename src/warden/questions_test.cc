#include "warden/questions.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace axollama::warden {
namespace {

class FakeCard final : public CardAccess {
 public:
  Result<Reading> Read() override {
    if (broken) return Fail(ErrorKind::kUnavailable, "no card");
    Reading r;
    r.backend = "sim";
    r.library = "/lib/x.so";
    r.cards = {3, 7};
    r.id = 3;
    r.properties = {0xfedcba9876543210, "V3.6", "0000:01:00.0", 47.5, 1u << 30, 1u << 20, 12, 3.5};
    return r;
  }
  Status Reboot() override {
    ++reboots;
    if (broken) return Fail(ErrorKind::kDevice, "it did not");
    return {};
  }
  bool broken = false;
  int reboots = 0;
};

TEST(Questions, PropertiesAreTold) {
  FakeCard card;
  EXPECT_EQ(Answer(R"({"id":1,"op":"properties"})", card),
            R"({"id":1,"ok":true,"backend":"sim","library":"/lib/x.so","cards":[3,7],)"
            R"("properties":{"id":3,"uid":"fedcba9876543210","firmware":"V3.6",)"
            R"("pci":"0000:01:00.0","temperature_c":47.5,"cmm_total_bytes":1073741824,)"
            R"("cmm_free_bytes":1048576,"npu_percent":12,"cpu_percent":3.5}})");
}

TEST(Questions, RebootIsDone) {
  FakeCard card;
  EXPECT_EQ(Answer(R"({"id":"a","op":"reboot"})", card), R"({"id":"a","ok":true})");
  EXPECT_EQ(card.reboots, 1);
}

TEST(Questions, FailuresNameTheirKind) {
  FakeCard card;
  card.broken = true;
  EXPECT_EQ(Answer(R"({"id":1,"op":"properties"})", card),
            R"({"id":1,"ok":false,"kind":"unavailable","error":"no card"})");
  EXPECT_EQ(Answer(R"({"id":2,"op":"reboot"})", card),
            R"({"id":2,"ok":false,"kind":"device","error":"it did not"})");
}

TEST(Questions, RubbishIsAnswered) {
  FakeCard card;
  for (const char* line : {"", "x", "[]", "null", "{", "{\"id\":1}", "{\"id\":1,\"op\":7}",
                           "{\"id\":1,\"op\":\"dance\"}", "\xff\xfe", "{\"op\":\"reboot\"} {}"}) {
    const auto answer = json::ParseObject(Answer(line, card), "answer");
    ASSERT_TRUE(answer) << line;
    EXPECT_FALSE(json::GetBool(*answer, "ok", true).value_or(true)) << line;
    EXPECT_EQ(json::GetString(*answer, "kind", "").value_or(""), "invalid") << line;
    EXPECT_FALSE(json::GetString(*answer, "error", "").value_or("").empty()) << line;
  }
  EXPECT_EQ(card.reboots, 0);
}

}  // namespace
}  // namespace axollama::warden

#include "server/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace axollama::server {
namespace {

using Id = Schedule::Id;

constexpr int64_t kS = 1'000'000'000;
constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

// A schedule that is told what Models would tell it, and a clock.
class Table {
 public:
  explicit Table(Schedule::Options options = {}) : schedule_(options) {}

  Id Ask(const std::string& model, const std::string& client = "c") {
    const auto place = schedule_.Enter({model, client});
    EXPECT_TRUE(place);
    return place ? place->id : 0;
  }
  void Load(const std::string& model, bool pinned = false, int64_t expires_ns = 300 * kS) {
    schedule_.LoadBegins(model);
    schedule_.Ready(model, "card", pinned, now_ns);
    schedule_.Use(model, true, expires_ns);
  }
  void Unload(const std::string& model) {
    schedule_.Ends(model);
    schedule_.Gone(model);
  }
  // Whom the model serves next; it is in use until Done.
  std::optional<Id> Serve(const std::string& model) {
    const auto id = schedule_.Serve(model, now_ns);
    if (id) schedule_.Use(model, false, 300 * kS);
    return id;
  }
  void Done(const std::string& model) { schedule_.Use(model, true, now_ns + 300 * kS); }
  std::optional<std::string> NextLoad() { return schedule_.NextLoad(now_ns); }
  std::optional<std::string> Victim(const std::string& model) {
    return schedule_.Victim(model, "card", now_ns);
  }
  // A load for which `Victim` makes room, as far as there is one.
  bool LoadInPlace(const std::string& model) {
    schedule_.LoadBegins(model);
    const auto victim = Victim(model);
    if (!victim) {
      schedule_.NoRoom(model, "card", now_ns);
      return false;
    }
    Unload(*victim);
    Load(model);
    return true;
  }

  Schedule schedule_;
  int64_t now_ns = 1'000 * kS;
};

// The order in which one model serves everybody who waits.
std::vector<Id> ServeAll(Table& table, const std::string& model) {
  std::vector<Id> out;
  while (const auto id = table.Serve(model)) {
    out.push_back(*id);
    table.Done(model);
  }
  return out;
}

TEST(Schedule, OneClientIsServedInOrder) {
  Table table;
  table.Load("m");
  const Id a = table.Ask("m"), b = table.Ask("m"), c = table.Ask("m");
  EXPECT_EQ(ServeAll(table, "m"), (std::vector<Id>{a, b, c}));
  EXPECT_EQ(table.schedule_.waiting(), 0u);
}

TEST(Schedule, AHundredRequestsDelayAnothersOneByOne) {
  Table table;
  table.Load("m");
  std::vector<Id> greedy;
  for (int i = 0; i < 100; ++i) greedy.push_back(table.Ask("m", "greedy"));
  EXPECT_EQ(table.Serve("m"), greedy[0]);
  const Id modest = table.Ask("m", "modest");
  table.Done("m");
  EXPECT_EQ(table.Serve("m"), modest);
  table.Done("m");
  // Whoever asks one after the other gets every second turn.
  for (int i = 1; i < 20; ++i) {
    EXPECT_EQ(table.Serve("m"), greedy[i]);
    const Id next = table.Ask("m", "modest");
    table.Done("m");
    EXPECT_EQ(table.Serve("m"), next);
    table.Done("m");
  }
}

TEST(Schedule, ClientsTakeTurns) {
  Table table;
  table.Load("m");
  std::vector<Id> a, b, c;
  for (int i = 0; i < 3; ++i) a.push_back(table.Ask("m", "a"));
  for (int i = 0; i < 3; ++i) b.push_back(table.Ask("m", "b"));
  c.push_back(table.Ask("m", "c"));
  EXPECT_EQ(ServeAll(table, "m"), (std::vector<Id>{a[0], b[0], c[0], a[1], b[1], a[2], b[2]}));
}

TEST(Schedule, NewcomersPassNobodyForEver) {
  Table table;
  table.Load("m");
  table.Ask("m", "a");
  const Id second = table.Ask("m", "a");
  int served = 0;
  for (int i = 0; i < 100; ++i) {
    table.Ask("m", "newcomer " + std::to_string(i));
    const auto id = table.Serve("m");
    ASSERT_TRUE(id);
    table.Done("m");
    if (*id == second) break;
    ++served;
  }
  EXPECT_LT(served, 40);
}

TEST(Schedule, WhoLeavesGivesItsTurnToItsOwn) {
  Table table;
  table.Load("m");
  const Id a1 = table.Ask("m", "a"), a2 = table.Ask("m", "a"), a3 = table.Ask("m", "a");
  const Id b1 = table.Ask("m", "b"), b2 = table.Ask("m", "b");
  table.schedule_.Leave(a1);
  table.schedule_.Leave(a1);
  EXPECT_EQ(ServeAll(table, "m"), (std::vector<Id>{a2, b1, a3, b2}));
}

TEST(Schedule, AFullQueueRefuses) {
  Table table({.max_queue = 2});
  table.Ask("m");
  table.Ask("m");
  EXPECT_FALSE(table.schedule_.Enter({"m", "c"}));
  // The server's own loads are neither refused nor counted.
  EXPECT_TRUE(table.schedule_.Enter({"m", "", false, false}));
  table.schedule_.Leave(1);
  EXPECT_TRUE(table.schedule_.Enter({"m", "c"}));
}

TEST(Schedule, AFullQueueMakesRoomForWhoHasLess) {
  Table table({.max_queue = 3});
  const Id g1 = table.Ask("m", "greedy"), g2 = table.Ask("m", "greedy");
  const Id g3 = table.Ask("m", "greedy");
  const auto first = table.schedule_.Enter({"m", "modest"});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->displaced, g3);
  // Two and one: nobody has two more than another.
  EXPECT_FALSE(table.schedule_.Enter({"m", "modest"}));
  EXPECT_FALSE(table.schedule_.Enter({"m", "greedy"}));
  table.Load("m");
  EXPECT_EQ(ServeAll(table, "m"), (std::vector<Id>{g1, first->id, g2}));
}

TEST(Schedule, LoadsComeInOrderOfArrivalAndOneAtATime) {
  Table table;
  EXPECT_FALSE(table.NextLoad());
  table.Ask("b");
  table.Ask("a");
  table.Ask("b");
  EXPECT_EQ(table.NextLoad(), "b");
  table.schedule_.LoadBegins("b");
  EXPECT_FALSE(table.NextLoad());
  table.schedule_.Ready("b", "card", false, table.now_ns);
  EXPECT_EQ(table.NextLoad(), "a");
}

TEST(Schedule, ALoadThatNobodyWaitsForAnyMoreIsNotBegun) {
  Table table;
  const Id id = table.Ask("a");
  table.schedule_.Leave(id);
  EXPECT_FALSE(table.NextLoad());
}

TEST(Schedule, LoadOnlyNeedsNoSequence) {
  Table table;
  const auto load = table.schedule_.Enter({"m", "c", false});
  EXPECT_EQ(table.NextLoad(), "m");
  EXPECT_TRUE(table.schedule_.ServeLoadOnly("m").empty());
  table.Load("m");
  EXPECT_FALSE(table.Serve("m"));
  EXPECT_EQ(table.schedule_.ServeLoadOnly("m"), std::vector<Id>{load->id});
  EXPECT_EQ(table.schedule_.waiting(), 0u);
}

TEST(Schedule, TheVictimIsTheIdleOneThatWouldGoFirst) {
  Table table;
  table.Load("soon", false, 10 * kS);
  table.Load("late", false, 20 * kS);
  table.Load("pinned", true, 1 * kS);
  table.Load("forever", false, kForever);
  table.Load("forever, used later", false, kForever);
  std::vector<std::string> order;
  while (const auto victim = table.Victim("new")) {
    order.push_back(*victim);
    table.Unload(*victim);
  }
  EXPECT_EQ(order, (std::vector<std::string>{"soon", "late", "forever", "forever, used later"}));
}

TEST(Schedule, AModelInUseIsNoVictim) {
  Table table;
  table.Load("m");
  table.Ask("m");
  EXPECT_FALSE(table.Victim("new")) << "somebody is about to use it";
  EXPECT_TRUE(table.Serve("m"));
  EXPECT_FALSE(table.Victim("new"));
  table.Done("m");
  EXPECT_EQ(table.Victim("new"), "m");
  EXPECT_FALSE(table.Victim("m")) << "not its own";
}

TEST(Schedule, AnotherCardsModelsMakeNoRoom) {
  Table table;
  table.Load("m");
  EXPECT_FALSE(table.schedule_.Victim("new", "other card", table.now_ns));
  EXPECT_FALSE(table.schedule_.RoomWillCome("new", "other card"));
  EXPECT_EQ(table.schedule_.Victim("new", "", table.now_ns), "m");
}

// Two models of which only one fits, and many requests for each, which come alternately.
TEST(Schedule, ModelsDoNotPushEachOtherOutForEveryRequest) {
  Table table({.max_queue = 512, .max_loaded = 0, .turn_ns = 10 * kS});
  table.Load("a");
  int loads = 0;
  std::vector<std::string> served;
  for (int i = 0; i < 20; ++i) {
    table.Ask("a");
    table.Ask("b");
  }
  std::string loaded = "a";
  while (served.size() < 40) {
    ASSERT_LT(loads, 40);
    if (table.Serve(loaded)) {
      served.push_back(loaded);
      // While it is in use, the other one looks for room.
      if (const auto next = table.NextLoad()) {
        EXPECT_FALSE(table.LoadInPlace(*next));
      }
      table.now_ns += 2 * kS;
      table.Done(loaded);
      continue;
    }
    const auto next = table.NextLoad();
    ASSERT_TRUE(next) << served.size();
    ASSERT_TRUE(table.LoadInPlace(*next));
    loaded = *next;
    ++loads;
  }
  // Turns of 10 s and requests of 2 s: five or six of one model before the other one comes.
  EXPECT_GE(loads, 4);
  EXPECT_LE(loads, 8);
  EXPECT_EQ(std::count(served.begin(), served.end(), "b"), 20);
  EXPECT_NE(std::find(served.begin(), served.begin() + 10, "b"), served.begin() + 10);
}

TEST(Schedule, NobodyOvertakesOneThatWaitsForRoom) {
  Table table({.max_queue = 512, .max_loaded = 0, .turn_ns = 10 * kS});
  table.Load("a");
  table.Ask("a");
  ASSERT_TRUE(table.Serve("a"));
  table.Ask("large");
  ASSERT_EQ(table.NextLoad(), "large");
  EXPECT_FALSE(table.LoadInPlace("large"));
  EXPECT_FALSE(table.NextLoad()) << "there is nothing to wait for but a";
  table.Ask("small");
  EXPECT_FALSE(table.NextLoad()) << "it would take the room that comes";
  table.Done("a");
  EXPECT_EQ(table.NextLoad(), "large");
}

TEST(Schedule, ATurnEndsAlsoWhenTheStreamOfRequestsDoesNot) {
  Table table({.max_queue = 512, .max_loaded = 0, .turn_ns = 10 * kS});
  table.Load("a");
  table.Load("pinned", true);
  table.Ask("a");
  ASSERT_TRUE(table.Serve("a"));
  table.Ask("b");
  EXPECT_FALSE(table.LoadInPlace("b"));
  int more = 0;
  for (; more < 100; ++more) {
    table.Ask("a");
    table.now_ns += kS;
    table.Done("a");
    if (!table.Serve("a")) break;
  }
  EXPECT_EQ(more, 9);
  EXPECT_EQ(table.NextLoad(), "b");
  EXPECT_EQ(table.Victim("b"), "a") << "although somebody waits for it";
  table.Ask("pinned");
  EXPECT_TRUE(table.Serve("pinned")) << "its turn takes nothing from anybody";
  EXPECT_TRUE(table.LoadInPlace("b"));
  EXPECT_EQ(table.NextLoad(), "a") << "it waits again";
}

TEST(Schedule, WhoWaitedForRoomAndLeftHoldsNobodyBack) {
  Table table({.max_queue = 512, .max_loaded = 0, .turn_ns = 0});
  table.Load("a");
  table.Ask("a");
  table.Ask("a");
  ASSERT_TRUE(table.Serve("a"));
  const Id b = table.Ask("b");
  EXPECT_FALSE(table.LoadInPlace("b"));
  table.Done("a");
  EXPECT_FALSE(table.Serve("a")) << "b waits for its room";
  table.schedule_.Leave(b);
  EXPECT_TRUE(table.Serve("a"));
}

TEST(Schedule, WhatWentMakesTheWaitingLoadTryAgain) {
  Table table;
  table.Load("a");
  table.Load("c");
  for (const char* model : {"a", "c"}) {
    table.Ask(model);
    ASSERT_TRUE(table.Serve(model));
  }
  table.Ask("b");
  EXPECT_FALSE(table.LoadInPlace("b"));
  EXPECT_FALSE(table.NextLoad());
  table.Unload("c");  // its process died
  EXPECT_EQ(table.NextLoad(), "b");
}

TEST(Schedule, OnlyPinnedModelsInTheWayAreNotWorthWaitingFor) {
  Table table;
  table.Load("pinned", true);
  EXPECT_FALSE(table.schedule_.RoomWillCome("new", "card"));
  table.Load("other");
  EXPECT_TRUE(table.schedule_.RoomWillCome("new", "card"));
  EXPECT_FALSE(table.schedule_.RoomWillCome("other", "card")) << "it cannot wait for itself";
}

TEST(Schedule, ALimitOnTheNumberOfModels) {
  Table table({.max_queue = 512, .max_loaded = 2, .turn_ns = 0});
  table.Load("a");
  EXPECT_FALSE(table.schedule_.TooManyLoaded());
  table.Load("b");
  EXPECT_TRUE(table.schedule_.TooManyLoaded());
  table.schedule_.Ends("a");
  EXPECT_TRUE(table.schedule_.TooManyLoaded()) << "it is not gone yet";
  table.schedule_.Gone("a");
  EXPECT_FALSE(table.schedule_.TooManyLoaded());
}

TEST(Schedule, HowLongToStayAway) {
  EXPECT_EQ(RetryAfterS(512, 0), 1);
  EXPECT_EQ(RetryAfterS(1, kS / 10), 1);
  EXPECT_EQ(RetryAfterS(8, 2 * kS), 6);
  EXPECT_EQ(RetryAfterS(512, 100 * kS), 60);
}

}  // namespace
}  // namespace axollama::server

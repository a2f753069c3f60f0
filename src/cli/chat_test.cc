// A chat's parts that need no server: lines, settings, how an answer is shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <clocale>

#include "cli/answer_view.h"
#include "cli/multiline.h"
#include "cli/session_settings.h"
#include "cli/word_wrap.h"

namespace axollama::cli {
namespace {

using testing::HasSubstr;

// The whole text, given in pieces of `size` bytes that end between characters.
std::string Wrapped(int columns, std::string_view text, size_t size) {
  WordWrap wrap(columns);
  std::string out;
  while (!text.empty()) {
    size_t length = std::min(size, text.size());
    while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) {
      ++length;
    }
    out += wrap.Push(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out + wrap.Flush();
}

TEST(WordWrap, LinesBreakBetweenWords) {
  setlocale(LC_CTYPE, "C.UTF-8");
  struct Case {
    const char* text;
    const char* wrapped;
  };
  for (const Case& one :
       {Case{"one two three", "one two\nthree"}, Case{"one  two", "one  two"},
        Case{"exactly 8", "exactly\n8"}, Case{"12345678 x", "12345678\nx"},
        Case{"a\n  indented", "a\n  indented"}, Case{"longerthaneight x", "longerth\naneight\nx"},
        Case{"one\n\ntwo\n", "one\n\ntwo\n"}, Case{"äöüßäöü x", "äöüßäöü\nx"},
        Case{"天地玄黄宇宙", "天地玄黄\n宇宙"}, Case{"", ""}}) {
    for (const size_t size : {1, 3, 100}) {
      EXPECT_EQ(Wrapped(8, one.text, size), one.wrapped) << one.text << " in pieces of " << size;
    }
  }
  EXPECT_EQ(Wrapped(0, "one two three", 1), "one two three");
}

TEST(WordWrap, TextCannotSteerTheTerminal) {
  EXPECT_EQ(TerminalText("a\x1b[2Jb\rc\td\n"), "a\xef\xbf\xbd[2Jbc\td\n");
  EXPECT_EQ(TerminalText("\xc2\x9b"
                         "1m\x7f"),
            "\xef\xbf\xbd"
            "1m\xef\xbf\xbd");
  EXPECT_EQ(TerminalText("\x9b\xff"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(TerminalText("żółw 天"), "żółw 天");
  EXPECT_EQ(Wrapped(0, "\x1b]0;title\x07", 100), "\xef\xbf\xbd]0;title\xef\xbf\xbd");
}

TEST(AnswerView, ThinkingStandsApart) {
  const auto shown = [](const ViewOptions& options) {
    AnswerView view(options);
    std::string out = view.Piece("hm", "");
    out += view.Piece(" so", "yes");
    out += view.Piece("", "!");
    out += view.End();
    return out;
  };
  ViewOptions options;
  EXPECT_EQ(shown(options), "Thinking...\nhm so\n...done thinking.\n\nyes!");
  options.terminal = true;
  EXPECT_EQ(shown(options), "\x1b[2mThinking...\nhm so\n...done thinking.\n\n\x1b[0myes!");
  // Stopped while it thought: the terminal is not left dim.
  AnswerView stopped(options);
  stopped.Piece("hm", "");
  EXPECT_THAT(stopped.End(), HasSubstr("\x1b[0m"));
  options.hide_thinking = true;
  EXPECT_EQ(shown(options), "yes!");
}

TEST(Multiline, QuotesBeginAndEndAMessage) {
  Multiline lines;
  std::string message;
  EXPECT_TRUE(lines.Add("plain", &message));
  EXPECT_EQ(message, "plain");
  EXPECT_TRUE(lines.Add(R"("""one line""")", &message));
  EXPECT_EQ(message, "one line");
  EXPECT_FALSE(lines.Add(R"("""first)", &message));
  EXPECT_TRUE(lines.open());
  EXPECT_FALSE(lines.Add("/bye is text here", &message));
  EXPECT_TRUE(lines.Add(R"(last""")", &message));
  EXPECT_EQ(message, "first\n/bye is text here\nlast");
  EXPECT_FALSE(lines.Add(R"(/set system """be)", &message));
  EXPECT_TRUE(lines.Add(R"(brief""")", &message));
  EXPECT_EQ(message, "/set system be\nbrief");
  EXPECT_FALSE(lines.Add(R"(""")", &message));
  lines.Clear();
  EXPECT_TRUE(lines.Add("again", &message));
  EXPECT_EQ(message, "again");
}

TEST(SessionSettings, EachChangesTheRequests) {
  RunOptions options;
  const auto set = [&](std::string_view words) { return ApplySetting(words, &options); };
  for (const char* words :
       {"parameter temperature 0.2", "parameter seed 7", "parameter stop ### END",
        "system be brief", "format json", "think high", "verbose", "nowordwrap"}) {
    EXPECT_TRUE(set(words)) << words;
  }
  EXPECT_EQ(json::Write(ChatBody("m", options, {})),
            R"({"model":"m","messages":[{"role":"system","content":"be brief"}],)"
            R"("options":{"temperature":0.2,"seed":7,"stop":["###","END"]},)"
            R"("format":"json","think":"high"})");
  EXPECT_TRUE(options.verbose);
  EXPECT_FALSE(options.word_wrap);
  for (const char* words : {"noformat", "nothink", "quiet", "wordwrap", "system"}) {
    EXPECT_TRUE(set(words)) << words;
  }
  options.options.clear();
  EXPECT_EQ(json::Write(ChatBody("m", options, {})),
            R"({"model":"m","messages":[],"think":false})");
  EXPECT_FALSE(options.verbose);
  EXPECT_TRUE(options.word_wrap);
  EXPECT_EQ(set("nohistory")->history, 0);
  EXPECT_EQ(set("history")->history, 1);
  EXPECT_EQ(set("quiet")->history, -1);
}

TEST(SessionSettings, WhatThereIsNotIsRefused) {
  RunOptions options;
  for (const char* words :
       {"parameter", "parameter seed", "parameter seed x", "parameter nonsense 1", "nonsense",
        "think maybe", "format xml", "verbose on"}) {
    const auto reply = ApplySetting(words, &options);
    ASSERT_FALSE(reply) << words;
    EXPECT_EQ(reply.error().kind, ErrorKind::kInvalid);
    EXPECT_FALSE(reply.error().message.empty());
  }
  EXPECT_TRUE(options.options.empty());
  EXPECT_THAT(ApplySetting("", &options)->text, HasSubstr("/set parameter"));
  EXPECT_THAT(ChatHelp(), HasSubstr("/bye"));
}

}  // namespace
}  // namespace axollama::cli

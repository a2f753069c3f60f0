#include "cli/line_reader.h"

#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <unistd.h>
#include <wchar.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>

#include "base/one_line.h"
#include "cli/history_file.h"
#include "cli/input.h"

namespace axollama::cli {
namespace {

constexpr int kRemembered = 1'000;

class EditingReader final : public LineReader {
 public:
  EditingReader(int in, int out, std::filesystem::path path, Signals& signals)
      : in_(in), signals_(signals), file_(std::move(path)) {
    // libedit counts characters with the locale's help.
    setlocale(LC_CTYPE, "");
    if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
    in_file_ = fdopen(fcntl(in, F_DUPFD_CLOEXEC, 3), "r");
    out_file_ = fdopen(fcntl(out, F_DUPFD_CLOEXEC, 3), "w");
    if (in_file_ == nullptr || out_file_ == nullptr) return;
    edit_ = el_init("axollama", in_file_, out_file_, out_file_);
    history_ = history_init();
    if (edit_ == nullptr || history_ == nullptr) return;
    HistEvent event;
    history(history_, &event, H_SETSIZE, kRemembered);
    history(history_, &event, H_SETUNIQUE, 1);
    el_set(edit_, EL_CLIENTDATA, this);
    el_set(edit_, EL_PROMPT, &EditingReader::Prompt);
    el_set(edit_, EL_EDITOR, "emacs");
    el_set(edit_, EL_GETCFN, &EditingReader::GetCharacter);
    el_set(edit_, EL_HIST, history, history_);
    // A file that cannot be read is said when a line is to be added.
    if (const auto lines = file_.Read()) {
      for (const std::string& line : *lines) history(history_, &event, H_ENTER, line.c_str());
    }
  }

  ~EditingReader() override {
    if (edit_ != nullptr) el_end(edit_);
    if (history_ != nullptr) history_end(history_);
    if (in_file_ != nullptr) fclose(in_file_);
    if (out_file_ != nullptr) fclose(out_file_);
  }

  Result<LineEnd> Read(std::string_view prompt, std::string* line) override {
    if (edit_ == nullptr || history_ == nullptr) {
      return Fail(ErrorKind::kIo, "cannot edit lines on this terminal");
    }
    prompt_ = prompt;
    int count = 0;
    const char* text = el_gets(edit_, &count);
    if (signals_.interrupted()) {
      el_reset(edit_);
      return LineEnd::kInterrupted;
    }
    if (text == nullptr || count <= 0) return LineEnd::kEnd;
    line->assign(text, static_cast<size_t>(count));
    while (line->ends_with('\n') || line->ends_with('\r')) line->pop_back();
    if (!line->empty() && remember_) {
      HistEvent event;
      history(history_, &event, H_ENTER, line->c_str());
      if (const Status added = file_.Add(*line); !added) {
        remember_ = false;  // said once
        std::fprintf(out_file_, "%s: what is typed is not remembered\n",
                     OneLine(added.error().message).c_str());
        std::fflush(out_file_);
      }
    }
    return LineEnd::kLine;
  }

  void SetHistory(bool on) override { remember_ = on; }

 private:
  static EditingReader* Self(EditLine* edit) {
    void* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    return static_cast<EditingReader*>(self);
  }

  static char* Prompt(EditLine* edit) { return Self(edit)->prompt_.data(); }

  // What el_gets waits with: for a character or a signal. 1, 0 at the end, -1 to give up.
  static int GetCharacter(EditLine* edit, wchar_t* character) {
    return Self(edit)->WaitForCharacter(character);
  }

  int WaitForCharacter(wchar_t* character) {
    mbstate_t state{};
    while (true) {
      pollfd files[2] = {{in_, POLLIN, 0}, {signals_.wake_fd(), POLLIN, 0}};
      if (poll(files, 2, -1) < 0 && errno != EINTR) return -1;
      if (signals_.interrupted()) return -1;
      if (files[0].revents == 0) continue;
      char byte = 0;
      const ssize_t got = read(in_, &byte, 1);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) return 0;  // a terminal that is gone says EIO
      const size_t used = mbrtowc(character, &byte, 1, &state);
      if (used == static_cast<size_t>(-2)) continue;  // more bytes make it a character
      if (used == static_cast<size_t>(-1)) {
        state = mbstate_t{};
        continue;  // no UTF-8: nothing that could be edited
      }
      return 1;
    }
  }

  const int in_;
  Signals& signals_;
  HistoryFile file_;
  bool remember_ = true;
  std::string prompt_;
  FILE* in_file_ = nullptr;
  FILE* out_file_ = nullptr;
  EditLine* edit_ = nullptr;
  History* history_ = nullptr;
};

class PlainReader final : public LineReader {
 public:
  explicit PlainReader(Signals& signals) : signals_(signals), input_(signals) {}

  Result<LineEnd> Read(std::string_view prompt, std::string* line) override {
    std::fwrite(prompt.data(), 1, prompt.size(), stdout);
    if (std::fflush(stdout) != 0) {
      return Fail(ErrorKind::kIo, "cannot write to standard output");
    }
    const auto more = input_.ReadLine(line);
    if (!more && signals_.interrupted()) return LineEnd::kInterrupted;
    if (!more) return Fail(more.error());
    return *more ? LineEnd::kLine : LineEnd::kEnd;
  }

  void SetHistory(bool) override {}  // nothing is edited, so nothing is remembered

 private:
  Signals& signals_;
  Input input_;
};

}  // namespace

std::unique_ptr<LineReader> LineReader::Editing(int in, int out, std::filesystem::path history,
                                                Signals& signals) {
  return std::make_unique<EditingReader>(in, out, std::move(history), signals);
}

std::unique_ptr<LineReader> LineReader::Plain(Signals& signals) {
  return std::make_unique<PlainReader>(signals);
}

}  // namespace axollama::cli

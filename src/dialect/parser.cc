#include "dialect/parser.h"

#include <algorithm>
#include <utility>

namespace axollama::dialect {

Parser::Parser(const Dialect& dialect, ParserOptions options)
    : dialect_(dialect), options_(std::move(options)), writer_(options_.tools) {
  if (options_.thinking && dialect_.thinks()) {
    marks_.push_back({Mark::Kind::kThinkOpen, dialect_.think_open});
    marks_.push_back({Mark::Kind::kThinkClose, dialect_.think_close});
    may_open_ = true;
    in_thinking_ = skip_spaces_ = options_.thinking_begun;
  }
  if (options_.tools.empty()) return;
  for (uint32_t i = 0; i < dialect_.call_forms; ++i) {
    const CallForm& form = dialect_.calls[i];
    if (!form.prelude.empty()) marks_.push_back({Mark::Kind::kPrelude, form.prelude, i});
    if (form.open.empty()) {
      bare_ = static_cast<int>(i);
    } else {
      marks_.push_back({Mark::Kind::kOpen, form.open, i});
    }
  }
}

void Parser::Push(std::string_view text, Output* out) {
  out_ = out;
  writer_.SetOutput(out);
  for (const char c : text) Byte(c);
}

void Parser::Finish(Output* out) {
  out_ = out;
  writer_.SetOutput(out);
  writer_.Abandon();
  body_.reset();
  const std::string rest =
      std::exchange(spaces_, {}) + std::exchange(raw_, {}) + std::exchange(held_, {});
  Say(rest);
  state_ = State::kText;
}

void Parser::Byte(char c) {
  switch (state_) {
    case State::kText:
      return Text(c);
    case State::kPrelude:
      return Prelude(c);
    case State::kBody:
      return Body(c);
    case State::kAfter:
      return After(c);
  }
}

void Parser::Text(char c) {
  if (held_.empty()) {
    if (IsSpace(c)) {
      if (skip_spaces_) return;
      spaces_ += c;
      if (spaces_.size() > kMostSpaces || marks_.empty()) Say(std::exchange(spaces_, {}));
      return;
    }
    const Mark* whole = nullptr;
    if (AtBareCall(c) && !CouldBeMark({&c, 1}, &whole)) {
      BeginCall(static_cast<uint32_t>(bare_), "");
      return Byte(c);
    }
  }
  held_ += c;
  while (!held_.empty()) {
    const Mark* whole = nullptr;
    if (CouldBeMark(held_, &whole)) {
      if (whole == nullptr) return;
      held_.clear();
      return OnMark(*whole);
    }
    Release();
  }
}

// The first byte held back begins no mark.
void Parser::Release() {
  if (AtBareCall(held_.front())) {
    const std::string held = std::exchange(held_, {});
    BeginCall(static_cast<uint32_t>(bare_), "");
    for (const char c : held) Byte(c);
    return;
  }
  spaces_ += held_.front();
  held_.erase(0, 1);
  Say(std::exchange(spaces_, {}));
}

void Parser::OnMark(const Mark& mark) {
  state_ = State::kText;
  switch (mark.kind) {
    case Mark::Kind::kThinkOpen:
    case Mark::Kind::kThinkClose:
      spaces_.clear();
      in_thinking_ = mark.kind == Mark::Kind::kThinkOpen;
      may_open_ = may_close_ = false;
      skip_spaces_ = true;
      return;
    case Mark::Kind::kPrelude:
      raw_ += std::exchange(spaces_, {});
      raw_ += mark.text;
      form_ = mark.form;
      state_ = State::kPrelude;
      return;
    case Mark::Kind::kOpen:
      return BeginCall(mark.form, mark.text);
  }
}

void Parser::BeginCall(uint32_t form, std::string_view read) {
  raw_ += std::exchange(spaces_, {});
  raw_ += read;
  form_ = form;
  body_.reset();
  state_ = State::kBody;
}

void Parser::Prelude(char c) {
  if (held_.empty() && IsSpace(c)) {
    raw_ += c;
    if (raw_.size() > kLongestCall) GiveUp();
    return;
  }
  held_ += c;
  const std::string_view open = dialect_.calls[form_].open;
  if (!open.starts_with(held_)) {
    raw_ += std::exchange(held_, {});
    return GiveUp();
  }
  if (held_ != open) return;
  held_.clear();
  BeginCall(form_, open);
}

void Parser::Body(char c) {
  raw_ += c;
  if (raw_.size() > kLongestCall) return GiveUp();
  if (body_ == nullptr) {
    if (IsSpace(c)) return;
    body_ = BeginBody(dialect_.calls[form_], c, &writer_);
    if (body_ == nullptr) return GiveUp();
  }
  const int64_t before = writer_.completed();
  const Step step = body_->Push(c);
  if (step == Step::kFail) return GiveUp();
  if (writer_.completed() != before) {
    raw_.clear();
    may_close_ = may_close_ || in_thinking_;
    in_thinking_ = may_open_ = untouched_ = false;
  }
  if (step != Step::kEnd) return;
  raw_.clear();
  body_.reset();
  closed_ = false;
  state_ = State::kAfter;
}

void Parser::After(char c) {
  const CallForm& form = dialect_.calls[form_];
  if (held_.empty()) {
    if (IsSpace(c)) {
      if (!raw_.empty() && spaces_.size() < kMostSpaces) spaces_ += c;
      return;
    }
    if (c == '{' && !closed_ && (form.bodies & kJson) != 0) {
      BeginCall(form_, "");
      return Byte(c);
    }
    if (form.open.empty() && raw_.empty() && (c == ';' || c == ',')) {
      raw_ += c;
      return;
    }
  }
  held_ += c;
  const Mark* whole = nullptr;
  bool part = CouldBeMark(held_, &whole);
  for (const std::string_view closer : form.closers) {
    // A closing mark may be the begin of an opening one: ``` of ```json.
    if (closer.empty() || !closer.starts_with(held_) || (closed_ && part)) continue;
    part = true;
    if (held_ != closer) continue;
    closed_ = true;
    held_.clear();
    return;
  }
  if (whole != nullptr) {
    held_.clear();
    return OnMark(*whole);
  }
  if (part) return;
  state_ = State::kText;
  skip_spaces_ = false;
  const std::string rest =
      std::exchange(raw_, {}) + std::exchange(spaces_, {}) + std::exchange(held_, {});
  for (const char r : rest) Byte(r);
}

// It was no call: what was read of it is text, but for the begin of the next mark at its end.
void Parser::GiveUp() {
  writer_.Abandon();
  body_.reset();
  state_ = State::kText;
  may_open_ = untouched_ = false;
  std::string text = std::exchange(raw_, {});
  size_t longest = 1;
  for (const Mark& mark : marks_) longest = std::max(longest, mark.text.size());
  size_t keep = std::min(longest, text.size()) - 1;
  for (; keep > 0; --keep) {
    const Mark* whole = nullptr;
    if (CouldBeMark(std::string_view(text).substr(text.size() - keep), &whole) &&
        whole == nullptr) {
      break;
    }
  }
  held_ = text.substr(text.size() - keep);
  text.resize(text.size() - keep);
  Say(text);
}

void Parser::Say(std::string_view text) {
  if (text.empty()) return;
  (in_thinking_ ? out_->thinking : out_->content) += text;
  if (std::all_of(text.begin(), text.end(), IsSpace)) return;
  may_open_ = skip_spaces_ = false;
  if (!in_thinking_) untouched_ = false;
}

bool Parser::IsSought(const Mark& mark) const {
  switch (mark.kind) {
    case Mark::Kind::kThinkOpen:
      return may_open_;
    case Mark::Kind::kThinkClose:
      return in_thinking_ || may_close_;
    default:
      return true;
  }
}

bool Parser::CouldBeMark(std::string_view text, const Mark** whole) const {
  bool could = false;
  for (const Mark& mark : marks_) {
    if (!mark.text.starts_with(text) || !IsSought(mark)) continue;
    could = true;
    if (mark.text.size() == text.size()) *whole = &mark;
  }
  return could;
}

bool Parser::AtBareCall(char c) const {
  return bare_ >= 0 && untouched_ && !in_thinking_ && (c == '{' || c == '[');
}

}  // namespace axollama::dialect

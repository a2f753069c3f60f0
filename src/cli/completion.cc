#include "cli/completion.h"

#include <fmt/format.h>

#include "cli/command.h"

namespace axollama::cli {
namespace {

// The names of the commands whose words are `operand`, with `separator` between them.
std::string Names(std::span<const CommandInfo> commands, Operand operand,
                  std::string_view separator) {
  std::string out;
  for (const CommandInfo& command : commands) {
    if (command.help.empty() || command.operand != operand) continue;
    if (!out.empty()) out += separator;
    out += command.name;
  }
  return out;
}

std::string AllNames(std::span<const CommandInfo> commands) {
  std::string out;
  for (const CommandInfo& command : commands) {
    if (!command.help.empty()) out += fmt::format("{} ", command.name);
  }
  if (!out.empty()) out.pop_back();
  return out;
}

// For a single-quoted word of any of the shells.
std::string Quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out;
}

// Replaces each @NAME@ of a script.
std::string Fill(std::string text, std::string_view name, std::string_view value) {
  const std::string mark = fmt::format("@{}@", name);
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
    text.replace(at, mark.size(), value);
    at += value.size();
  }
  return text;
}

// A colon is a word break of bash, and names have one: what stands before it in the word is taken
// from the answers again, unless the user's COMP_WORDBREAKS has no colon.
constexpr const char* kBash =
    R"sh(# bash completion for axollama: eval "$(axollama completion bash)"
_axollama() {
  local line=${COMP_LINE:0:COMP_POINT} words word command answers prefix
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  word=${words[-1]}
  command=${words[1]}
  if ((${#words[@]} <= 2)); then
    answers='@ALL@'
  elif [[ $word == -* ]]; then
    answers=$(axollama "$command" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u)
  else
    case $command in
      @MODEL@) answers=$(axollama list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
      completion) answers='bash zsh fish' ;;
      @FILE@) COMPREPLY=(); compopt -o default; return ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$answers" -- "$word")
  if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
    prefix=${word%"${word##*:}"}
    COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
  fi
}
complete -F _axollama axollama
)sh";

constexpr const char* kZsh = R"sh(#compdef axollama
# zsh completion for axollama: eval "$(axollama completion zsh)"
_axollama() {
  local -a answers
  if ((CURRENT == 2)); then
    answers=(
@DESCRIBED@    )
    _describe command answers
    return
  fi
  if [[ $words[CURRENT] == -* ]]; then
    answers=(${(f)"$(axollama $words[2] --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u)"})
    compadd -a answers
    return
  fi
  case $words[2] in
    @MODEL@)
      answers=(${(f)"$(axollama list 2>/dev/null | awk 'NR > 1 { print $1 }')"})
      compadd -a answers ;;
    completion) compadd bash zsh fish ;;
    @FILE@) _files ;;
  esac
}
compdef _axollama axollama
)sh";

constexpr const char* kFish = R"sh(# fish completion for axollama: axollama completion fish | source
function __axollama_options
  set -l words (commandline -opc)
  axollama $words[2] --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u
end
function __axollama_models
  axollama list 2>/dev/null | awk 'NR > 1 { print $1 }'
end
function __axollama_dash
  not __fish_use_subcommand; and string match -q -- '-*' (commandline -ct)
end
complete -c axollama -f
@DESCRIBED@complete -c axollama -n __axollama_dash -a '(__axollama_options)'
complete -c axollama -n '__fish_seen_subcommand_from @MODEL@' -a '(__axollama_models)'
complete -c axollama -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
complete -c axollama -n '__fish_seen_subcommand_from @FILE@' -F
)sh";

}  // namespace

Result<std::string> CompletionScript(std::string_view shell,
                                     std::span<const CommandInfo> commands) {
  std::string text, described;
  std::string_view separator = " | ";
  if (shell == "bash") {
    text = Fill(kBash, "ALL", AllNames(commands));
  } else if (shell == "zsh") {
    text = kZsh;
    for (const CommandInfo& command : commands) {
      if (command.help.empty()) continue;
      described += fmt::format("      '{}:{}'\n", command.name, Quoted(command.help));
    }
  } else if (shell == "fish") {
    text = kFish;
    separator = " ";
    for (const CommandInfo& command : commands) {
      if (command.help.empty()) continue;
      described += fmt::format("complete -c axollama -n __fish_use_subcommand -a {} -d \"{}\"\n",
                               command.name, command.help);
    }
  } else {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("no completion for \"{}\": there is one for bash, zsh and fish", shell));
  }
  text = Fill(std::move(text), "DESCRIBED", described);
  text = Fill(std::move(text), "MODEL", Names(commands, Operand::kModel, separator));
  return Fill(std::move(text), "FILE", Names(commands, Operand::kFile, separator));
}  // namespace

int CompletionMain(int argc, char** argv, std::span<const CommandInfo> commands) {
  CLI::App app("Prints a completion script: eval \"$(axollama completion bash)\"",
               "axollama completion");
  std::string shell;
  app.add_option("SHELL", shell, "bash, zsh or fish")->required();
  int exit_code = 0;
  if (!ParseOrExit(app, argc, argv, &exit_code)) return exit_code;
  const auto script = CompletionScript(shell, commands);
  if (!script) {
    Report(script.error());
    return kWrongUsage;
  }
  fmt::print("{}", *script);
  return 0;
}

}  // namespace axollama::cli

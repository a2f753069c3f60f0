"""What the completion scripts do in real shells: each is a test of its own, since not every machine
has each shell."""
import os
import subprocess
import tempfile
import unittest

from harness import LONG, MODEL, PROGRAM, Server, clean_environment
from terminal import Terminal

# Ctrl-X shows the line as it is now, and begins a new one.
ZSHRC = """PS1='ready> '
autoload -Uz compinit
compinit -D
eval "$(axollama completion zsh)"
show_line() { print -r -- "line=<$BUFFER>"; BUFFER=; zle accept-line; }
zle -N show_line
bindkey '^X' show_line
"""


class Shells(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="axshell")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.server = Server()
        self.addCleanup(self.server.end)
        self.server.start()
        self.env = clean_environment(self.folder)
        self.env.update(OLLAMA_HOST=self.server.addresses[0], TERM="dumb", LC_ALL="C.UTF-8",
                        ZDOTDIR=self.folder,
                        PATH=os.path.dirname(PROGRAM) + ":" + self.env["PATH"])
        for name, text in (("Modelfile", ""), (".zshrc", ZSHRC)):
            with open(os.path.join(self.folder, name), "w") as file:
                file.write(text)
        # Each line, and what it becomes.
        self.lines = {"axollama sho": "axollama show",
                      "axollama show smollm2:13": "axollama show " + MODEL,
                      "axollama run --hidet": "axollama run --hidethinking",
                      "axollama completion fi": "axollama completion fish",
                      f"axollama add {self.folder}/Mod": f"axollama add {self.folder}/Modelfile"}

    def test_zsh(self):
        shell = Terminal(["/bin/zsh", "-d", "-i"], self.env)
        self.addCleanup(shell.kill)
        shell.until("ready> ")
        for line, whole in self.lines.items():
            shell.type(line + "\t\x18")
            shell.until("line=<")
            self.assertEqual(shell.until(">").rstrip(), whole, line)
            shell.until("ready> ")
        shell.type("exit\n")
        self.assertEqual(shell.end(), 0)

    def test_fish(self):
        script = "axollama completion fish | source\n" + "".join(
            f"complete -C '{line}' | string split -f1 \\t\necho\n" for line in self.lines)
        done = subprocess.run(["fish", "--no-config", "-c", script], env=self.env, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=LONG)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for whole, said in zip(self.lines.values(), done.stdout.split("\n\n")):
            self.assertEqual(said, whole.split()[-1])
        self.assertEqual(done.stdout.count("\n\n"), len(self.lines))


if __name__ == "__main__":
    unittest.main()

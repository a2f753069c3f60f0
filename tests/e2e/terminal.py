"""A program on a terminal of its own, as a person sees it."""
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

from harness import LONG, wait_until

LINES, COLUMNS = 24, 80
PROMPT = ">>> "


class Terminal:
    def __init__(self, command, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
                os.execve(command[0], command, env)
            finally:
                os._exit(127)
        self.screen = ""
        self.code = None

    def until(self, text):
        """Waits for `text`, and forgets what stands before its end; returns that."""
        end = time.monotonic() + LONG
        while text not in self.screen:
            if time.monotonic() > end or not self._read(end - time.monotonic()):
                raise AssertionError(f"{text!r} is not on the screen:\n{self.screen!r}")
        before, _, self.screen = self.screen.partition(text)
        if text == PROMPT:
            # Not every libedit has the keys to itself before it shows the prompt; until then Ctrl-D
            # is the terminal's, and lost.
            wait_until(lambda: not termios.tcgetattr(self.fd)[3] & termios.ICANON,
                       "keys are read as they are typed")
        return before

    def _read(self, limit):
        if not select.select([self.fd], [], [], limit)[0]:
            return False
        try:
            data = os.read(self.fd, 4096)
        except OSError:  # the program has ended
            return False
        self.screen += data.decode(errors="replace")
        return bool(data)

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def end(self):
        """Waits for the program's end; its exit code."""
        if self.code is None:
            while self._read(LONG):
                pass
            os.close(self.fd)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def kill(self):
        """What a test does that fails before the program's end."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.end()

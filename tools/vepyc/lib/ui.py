# SPDX-License-Identifier: GPL-2.0-only
"""What the user sees: steps with times, failures with what to do about them."""

import contextlib
import os
import sys
import time

INFRASTRUCTURE = 125    # exit status: vepyc itself failed, not COMMAND


class Fail(Exception):
    """A failure that the user is told about in a line or two, without a traceback."""

    def __init__(self, message, status=INFRASTRUCTURE):
        super().__init__(message)
        self.status = status


class Interrupted(Exception):
    """A signal, its number the argument, told us to stop."""


def say(text):
    print(f"vepyc: {text}", file=sys.stderr, flush=True)


class Step:
    """One slow thing: its line is `name ... counter`, and in the end `name: 3.1 s`."""

    def __init__(self, name):
        self.name = name
        self.live = sys.stderr.isatty()
        self.start = time.monotonic()
        self._show("")

    def counter(self, text):
        if self.live:
            self._show(text)

    def done(self):
        line = f"vepyc: {self.name}: {time.monotonic() - self.start:.1f} s"
        print(("\r\033[K" if self.live else "") + line, file=sys.stderr, flush=True)

    def _show(self, text):
        line = f"vepyc: {self.name} ... {text}"
        if self.live:
            line = "\r\033[K" + line[:os.get_terminal_size(sys.stderr.fileno()).columns - 1]
        print(line, end="" if self.live else "\n", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(name):
    one = Step(name)
    try:
        yield one
    except BaseException:
        if one.live:
            print(file=sys.stderr)
        raise
    one.done()

# SPDX-License-Identifier: GPL-2.0-only
"""Steps of a build: their output goes to a log, of which the end is shown when one fails."""

import shlex
import subprocess
import time

import cache
from ui import Fail


def run(command, cwd, name, what, hint="the lines above say why", on_line=None, env=None):
    """One step, `name`, of building `what`. on_line sees each line of its output."""
    log = cache.directory("logs") / "build.log"
    text = shlex.join(map(str, command))
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"\n=== {time.strftime('%F %T')} {text}\n")
        file.flush()
        with subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace") as child:
            try:
                for line in child.stdout:
                    file.write(line)
                    if on_line:
                        on_line(line)
            except BaseException:
                child.terminate()
                raise
    if child.returncode:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:]
        raise Fail("\n".join([f"building {what} failed at {name}:", *tail, f"({hint}; the whole log: {log})"]))

# SPDX-License-Identifier: GPL-2.0-only
"""One run: L1 boots, COMMAND runs in it, and how that ended becomes an exit status.

QEMU is our child; between it and us are socket pairs: `out` (COMMAND's output) or
`terminal` (a shell's), `status` (what /init reports) and `control` (QMP: why it stopped).
The kernel's console goes to a log file.
"""

import contextlib
import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import tty
from pathlib import Path

import cache
import console
import kernel as kernels
import machine
import qemu
import root
from ui import INFRASTRUCTURE, Fail, Step, say

KERNEL_TROUBLE = 123
TIMEOUT = 124
LOGS_KEPT = 50
LEAVE_KEY = b"\x1d"                 # Ctrl-]


def run(options):
    """Do it; the exit status."""
    kernels.host_check()
    emulator, roms = qemu.binary()
    kernel = kernels.get(options.kernel)
    base = root.base(kernel)
    hypervisor = options.hypervisor or _default_hypervisor(options, kernel)
    settings = {"hypervisor": hypervisor, "module_args": options.module_args or ""}
    if options.shell:
        size = shutil.get_terminal_size()
        settings |= {"shell": 1, "rows": size.lines, "columns": size.columns, "term": os.environ.get("TERM", "vt100")}
    logs = cache.directory("logs")
    cache.keep_newest(logs, "run-*.log", LOGS_KEPT - 1)
    options.log = logs / f"run-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    options.log.touch()

    with tempfile.NamedTemporaryFile(prefix="vepyc-", suffix=".cpio") as initrd:
        with open(base, "rb") as file:
            shutil.copyfileobj(file, initrd)
        initrd.write(root.run_part(settings, options.command, options.overlay, options.module))
        initrd.flush()
        one = Run(options, kernel)
        try:
            one.start(emulator, roms, initrd.name)
            one.attend()
        finally:
            one.stop()
    return one.verdict()


def _default_hypervisor(options, kernel):
    if options.module or any((overlay / f"lib/sevm/{kernel.release}/sevm.ko").exists() for overlay in options.overlay):
        return "sevm"
    return "none"


class Run:
    """The child, the channels, and what was received on them."""

    def __init__(self, options, kernel):
        self.options = options
        self.kernel = kernel
        self.child = None
        self.errors = tempfile.TemporaryFile()      # QEMU's own complaints
        self.channels = {}
        self.selector = selectors.DefaultSelector()
        self.text = {"status": b"", "control": b""}
        self.booting = None
        self.deadline = None
        self.timed_out = False
        self.left = False           # the user left the shell by the leave key
        self.failure = None         # init's reason for not running COMMAND
        self.result = None          # COMMAND's exit status
        self.stopped_by = None      # QMP's reason for the end
        self.shown = 0              # how much of the console -v has printed

    def start(self, emulator, roms, initrd):
        theirs = {}
        for name in "status", "control", "terminal" if self.options.shell else "out":
            self.channels[name], theirs[name] = socket.socketpair()
            self.selector.register(self.channels[name], selectors.EVENT_READ, name)
        line = machine.command_line(emulator, roms, self.kernel, initrd, self.options,
                                    {name: end.fileno() for name, end in theirs.items()})
        name = f"booting Linux {self.kernel.release}, {self.options.cpus} CPUs"
        if self.options.verbose:
            say(" ".join(line))
        else:
            self.booting = Step(name)
        prctl = ctypes.CDLL(None).prctl             # looked up before the fork
        self.deadline = time.monotonic() + self.options.timeout
        self.child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors,
                                      pass_fds=[end.fileno() for end in theirs.values()], start_new_session=True,
                                      preexec_fn=lambda: prctl(1, signal.SIGKILL))    # PR_SET_PDEATHSIG
        for end in theirs.values():
            end.close()
        self._qmp("qmp_capabilities")

    def attend(self):
        """Pass things on until QEMU closes its channels, or time is up."""
        with self._terminal():
            while self.channels and not self.left:
                wait = self.deadline - time.monotonic()
                if wait <= 0:
                    self._time_out()
                    return
                for key, _ in self.selector.select(min(wait, 0.2) if self.options.verbose else wait):
                    getattr(self, f"_on_{key.data}")(self._read(key))
                self._show_console()
            self._show_console()

    def stop(self):
        if self.booting and self.booting.live:
            print(file=sys.stderr)
        if self.child:
            if self.left or self.channels:          # it has not ended by itself
                self.child.kill()
            self.child.wait()

    def verdict(self):
        log, end = self.options.log, console.lines(self.options.log)
        trace = console.trouble(end)
        status, reason = self._judge(bool(trace))
        if self.options.verbose:
            say(f"the kernel's log: {log}")
        if reason:
            shown = trace or end[-15:] if status != INFRASTRUCTURE or not self.failure else end[-5:]
            print("\n".join(shown), file=sys.stderr)
            self.errors.seek(0)
            complaints = [line for line in self.errors.read().decode(errors="replace").splitlines()
                          if "TCG doesn't support" not in line]     # known: Milan has more than TCG
            if complaints and self.child.returncode:
                print("\n".join(complaints), file=sys.stderr)
            say(f"{reason}; the kernel's log: {log}")
        return status

    def _judge(self, trouble):
        """The exit status, and why it is not simply COMMAND's."""
        if self.timed_out:
            return TIMEOUT, f"stopped after {self.options.timeout:g} s (--timeout)"
        if trouble:
            return KERNEL_TROUBLE, "failed: L1's kernel is in trouble"
        if self.failure:
            return INFRASTRUCTURE, self.failure
        if self.left:
            return 0, None
        if self.child.returncode:
            return INFRASTRUCTURE, f"QEMU ended with status {self.child.returncode}"
        if self.stopped_by == "guest-reset":
            return KERNEL_TROUBLE, "failed: L1 reset itself (a triple fault or a reboot)"
        if self.result is None:
            return KERNEL_TROUBLE, "failed: L1 powered off before COMMAND had ended"
        return self.result, None

    # --- the channels ---

    def _read(self, key):
        data = b""
        with contextlib.suppress(ConnectionResetError):
            data = os.read(key.fd, 65536)
        if not data:
            self.selector.unregister(key.fileobj)
            self.channels.pop(key.data, None)
        return data

    def _on_out(self, data):
        _write_all(sys.stdout.fileno(), data)

    _on_terminal = _on_out

    def _on_keyboard(self, data):
        if LEAVE_KEY in data:
            self.left = True
        elif data and "terminal" in self.channels:
            self.channels["terminal"].sendall(data)

    def _lines(self, name, data):
        *lines, self.text[name] = (self.text[name] + data).split(b"\n")
        return [line.decode(errors="replace").strip() for line in lines]

    def _on_status(self, data):
        for line in self._lines("status", data):
            word, _, rest = line.partition(" ")
            if word == "fail":
                self.failure = rest
            elif word == "exit":
                self.result = int(rest)
            elif word == "ready" and self.booting:
                self.booting.done()
                self.booting = None
                if self.options.shell:
                    say("a shell in L1; `exit` or Ctrl-] ends it")

    def _on_control(self, data):
        for line in self._lines("control", data):
            message = json.loads(line) if line else {}
            if message.get("event") == "SHUTDOWN":
                self.stopped_by = message["data"]["reason"]
            elif isinstance(message.get("return"), str):
                with open(self.options.log, "a", encoding="utf-8") as log:
                    log.write(f"\n--- the CPUs when time was up ---\n{message['return']}")
                self.registers_logged = True

    registers_logged = False

    def _qmp(self, name, **arguments):
        request = {"execute": name, "arguments": arguments}
        self.channels["control"].sendall(json.dumps(request).encode() + b"\n")

    def _time_out(self):
        """Where the CPUs are is worth knowing: ask, then give up."""
        self.timed_out = True
        patience = time.monotonic() + 3
        with contextlib.suppress(OSError, KeyError):
            self._qmp("human-monitor-command", **{"command-line": "info registers -a"})
            while time.monotonic() < patience and not self.registers_logged and "control" in self.channels:
                for key, _ in self.selector.select(0.2):
                    getattr(self, f"_on_{key.data}")(self._read(key))

    def _show_console(self):
        if self.options.verbose:
            with open(self.options.log, "rb") as log:
                log.seek(self.shown)
                data = log.read()
            self.shown += len(data)
            _write_all(sys.stderr.fileno(), data)

    @contextlib.contextmanager
    def _terminal(self):
        """For a shell: our terminal, unprocessed, is L1's."""
        if not self.options.shell:
            yield
            return
        self.selector.register(sys.stdin, selectors.EVENT_READ, "keyboard")
        if not sys.stdin.isatty():
            yield
            return
        before = termios.tcgetattr(sys.stdin)
        try:
            tty.setraw(sys.stdin)
            yield
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]


def check(options):
    """Refuse what cannot work, before anything slow is done."""
    for overlay in options.overlay:
        if not overlay.is_dir():
            raise Fail(f"--overlay {overlay}: no such directory")
    if options.module and not Path(options.module).is_file():
        raise Fail(f"--module {options.module}: no such file")

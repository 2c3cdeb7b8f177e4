# SPDX-License-Identifier: GPL-2.0-only
"""Runs in L1: a client (QEMU), its guest's console and its monitor, for the cases beside this.

A case file ends with `client.main()`. Each of its functions marked `@client.case` is a case:
it passes if it returns, fails if it raises, and is skipped by `raise client.Skip(reason)`.
Each client's command line is printed as `# $ qemu-system-x86_64 ...`, what it and its guest
say as `# | ...`: docs/clients.md quotes that.
"""

import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

HYPERVISOR = "sevm" if os.path.exists("/dev/sevm") else "kvm"
# As libvirt gives it, in two flash devices. Not -bios OVMF.fd: that one keeps its variables in memory that
# it initialises in part; what the rest decrypts to makes some boots end in #GP (edk2's bug 4807), on KVM too.
OVMF, VARIABLES = "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"
if not os.path.exists(OVMF):    # Debian 12's other builds start in 32 bits, which is not for SEV-ES; 13's do not
    OVMF, VARIABLES = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
PROMPT = r"guest (\d+)# "
GIVEN_UP = re.compile("(error: kvm run failed|KVM: entry failed|KVM: unknown exit|KVM internal error).*")
PATIENCE = 600                  # seconds for what takes some on an idle machine; nothing here measures time
cases = []
running = []
printing = threading.Lock()


class Failed(Exception):
    """A client or its guest did not do what it should."""


class Skip(Exception):
    """This case cannot be run here; its text says why."""


def case(function):
    if function.__module__ == "__main__":       # not those of a file that is imported for what it has
        cases.append(function)
    return function


def note(text, mark="# "):
    """A line of the log that is no result."""
    with printing:
        print(f"{mark}{text}", flush=True)


def check(truth, text):
    if not truth:
        raise Failed(text)


def version(program="qemu-system-x86_64"):
    """(7, 2) and so on."""
    text = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(int(part) for part in re.search(r"version (\d+)\.(\d+)", text).groups())


def accelerator():
    """QEMU opens /dev/kvm; since 8.2 an option names another one."""
    if HYPERVISOR == "kvm":
        return "kvm"
    if version() >= (8, 2):
        return "kvm,device=/dev/sevm"
    if not os.path.lexists("/dev/kvm"):
        os.symlink("/dev/sevm", "/dev/kvm")
    return "kvm"


class Process:
    """A program whose output, with its guest's console, is read as it comes; a context manager."""

    def __init__(self, *command):
        self.command = [str(word) for word in command]
        self.text = ""              # all that was said, without terminal escapes
        self.seen = 0               # how much of it expect() has gone past
        self.changed = threading.Condition()
        self.ended = False
        self.child = None

    def __enter__(self):
        note(shlex.join(self.command), "# $ ")
        self.child = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT)
        threading.Thread(target=self._read, daemon=True).start()
        running.append(self)
        return self

    def __exit__(self, *_):
        self.kill()
        running.remove(self)

    def _read(self):
        raw, shown = b"", 0
        while data := self.child.stdout.read1(65536):
            raw += data
            text = raw.decode("utf-8", "replace")
            # An escape sequence may still be incomplete: it then waits for the rest.
            text = re.sub(r"\x1b(\[[0-9;=?]*([A-Za-z]|$)|[^[]|$)|[\r\0]", "", text)
            with self.changed:
                self.text = text
                self.changed.notify_all()
            end = text.rfind("\n") + 1
            for line in text[shown:end].splitlines():
                note(line, "# | ")
            shown = max(shown, end)
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        for line in self.text[shown:].splitlines():
            note(line, "# | ")

    def expect(self, pattern, seconds=PATIENCE):
        """Wait for it on the console, after what was last expected; the match. QEMU may end or stop the guest before."""
        end = time.monotonic() + seconds
        with self.changed:
            while not (match := re.compile(pattern, re.M).search(self.text, self.seen)):
                left = end - time.monotonic()
                stopped = GIVEN_UP.search(self.text, self.seen)
                if stopped or self.ended or left <= 0:
                    when = f"before `{stopped[0]}`" if stopped else "until the end" if self.ended else f"in {seconds} s"
                    raise Failed(f"{pattern!r} did not come {when}; last came {self.text[self.seen:].splitlines()[-1:]}")
                self.changed.wait(left)
            self.seen = match.end()
        return match

    def send(self, text):
        self.child.stdin.write(text.encode())
        self.child.stdin.flush()

    def sh(self, command, seconds=PATIENCE, status=0):
        """Run a command in the guest's shell; its output. status: the one it should end with, None for any."""
        if not self.text.endswith("# ") or self.text[self.seen:]:
            self.expect(PROMPT + r"\Z", seconds)
        start = self.seen
        self.send(command + "\n")
        match = self.expect(PROMPT + r"\Z", seconds)
        output = self.text[start:match.start()].split("\n", 1)[-1]       # the first line is the echo
        check(status is None or int(match[1]) == status, f"in the guest, `{command}` ended with {match[1]}: {output}")
        return output.rstrip("\n")

    def wait(self, seconds=PATIENCE):
        """Until the program ends; its exit status (negative: a signal)."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.command[0]} did not end in {seconds} s") from None

    def kill(self, number=signal.SIGKILL):
        if self.child.poll() is None:
            self.child.send_signal(number)
            if number == signal.SIGKILL:
                self.child.wait()


class Qemu(Process):
    """Debian's QEMU with OVMF and a stock kernel, up to the shell of guest-init (see boot()).

    extra: more of QEMU's command line. firmware: options in place of OVMF's. kernel: a series, or None for
    none, or a file; initrd: a file in place of guest-init's. machine, cpu: more of those options, `,name=value`;
    board: the first ones. policy and the like are properties of sev-guest: sev="policy=0x1"; sev=None makes a plain guest.
    """

    serial = itertools.count()          # in a case, for the names of files

    def __init__(self, *extra, cpus=1, memory=512, append="", sev="policy=0x5", firmware=None,
                 kernel="6.12", initrd=None, board="q35,kernel-irqchip=split", machine="", cpu="",
                 program="qemu-system-x86_64"):
        number = next(self.serial)
        self.monitor_path, self.variables = f"/tmp/qmp-{number}", f"/tmp/variables-{number}"
        self.monitor = None
        self.events = []
        line = [program, "-accel", accelerator(), "-nodefaults", "-display", "none", "-no-reboot",
                "-cpu", f"EPYC-Milan,-svm{cpu}", "-smp", cpus, "-m", memory]
        if sev is not None:
            line += ["-machine", f"{board},confidential-guest-support=sev0{machine}",
                     "-object", f"sev-guest,id=sev0,cbitpos=51,reduced-phys-bits=1,{sev}"]
        else:
            line += ["-machine", f"{board}{machine}"]
        if firmware is None:
            shutil.copy(VARIABLES, self.variables)
            firmware = ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF}",
                        "-drive", f"if=pflash,format=raw,unit=1,file={self.variables}"]
        line += [*firmware]
        if kernel:
            series = kernel.split("-")[-1]
            line += ["-kernel", kernel if "/" in kernel else f"/guest/kernel-{kernel}",
                     "-initrd", initrd or f"/guest/initrd-{series}",
                     "-append", f"console=ttyS0 quiet panic=-1 {append}".rstrip()]
        line += ["-serial", "stdio", "-qmp", f"unix:{self.monitor_path},server=on,wait=off", *extra]
        super().__init__(*line)

    def boot(self, seconds=PATIENCE):
        """Wait for the guest's user space; self, for `with Qemu() as guest: guest.boot()`."""
        self.expect(r"^guest: Linux .*", seconds)
        return self

    def qmp(self, command, **arguments):
        """A command to QEMU's monitor; its answer. A name_with_underscores means name-with-dashes."""
        if not self.monitor:
            self._connect()
        request = {"execute": command, "arguments": {name.replace("_", "-"): value for name, value in arguments.items()}}
        self.monitor.write(json.dumps(request).encode() + b"\n")
        self.monitor.flush()
        while True:
            answer = self._message()
            if "error" in answer:
                raise Failed(f"QMP {command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def counters(self):
        """The hypervisor's counters that are not zero, {name: count} for each vCPU."""
        return [{one["name"]: one["value"] for one in vcpu["stats"] if isinstance(one["value"], int) and one["value"]}
                for vcpu in self.qmp("query-stats", target="vcpu")]

    def event(self, name):
        """Wait for an event of QEMU's; the first of that name that was not taken yet."""
        if not self.monitor:
            self._connect()
        while not (found := [event for event in self.events if event["event"] == name]):
            self._message()
        self.events.remove(found[0])
        return found[0]

    def _connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                connection.connect(self.monitor_path)
                break
            except OSError:
                check(time.monotonic() < end and not self.ended, "QEMU has no monitor")
                time.sleep(0.1)
        self.monitor = connection.makefile("rwb")
        self._message()                 # the greeting
        self.qmp("qmp_capabilities")

    def _message(self):
        line = self.monitor.readline()
        check(line, "QEMU closed its monitor")
        message = json.loads(line)
        if "event" in message:
            self.events.append(message)
        return message


def pins_are_returned():
    """What a VM pinned is free again; the kernel counts both."""
    for _ in range(20):
        counts = dict(line.split() for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines())
        left = int(counts["nr_foll_pin_acquired"]) - int(counts["nr_foll_pin_released"])
        if not left:
            return
        time.sleep(1)
    raise Failed(f"{left} pages are still pinned")


def module_unloads():
    name = {"sevm": "sevm", "kvm": "kvm_amd"}[HYPERVISOR]
    done = subprocess.run(["rmmod", name], capture_output=True, text=True, check=False)
    check(done.returncode == 0, done.stderr)


def main():
    """Run the case file's cases, or those named; TAP. --list names them."""
    prefix = Path(sys.argv[0]).stem
    names = [name.removeprefix(f"{prefix}.") for name in sys.argv[1:]]
    if names == ["--list"]:
        print("\n".join(f"{prefix}.{function.__name__}" for function in cases))
        return
    chosen = [function for function in cases if not names or function.__name__ in names]
    chosen += [pins_are_returned, module_unloads]
    print(f"1..{len(chosen)}")
    # KVM 6.1 pins memory that nobody has written yet as the zero page: the guest's first write gets
    # an unpinned one, and khugepaged moves it.
    if HYPERVISOR == "kvm":
        Path("/sys/kernel/mm/transparent_hugepage/enabled").write_text("never", encoding="ascii")
    failed = 0
    for number, function in enumerate(chosen, 1):
        result, reason = "ok", ""
        Qemu.serial = itertools.count()
        try:
            function()
        except Skip as skip:
            reason = f" # SKIP {skip}"
        except Failed as failure:
            result = "not ok"
            note(str(failure).replace("\n", "\n#   "), "#   ")
        except Exception:               # pylint: disable=broad-exception-caught
            result = "not ok"
            note(traceback.format_exc().rstrip().replace("\n", "\n#   "), "#   ")
        for left in list(running):
            left.__exit__()
        failed += result != "ok"
        note(f"{number} {prefix}.{function.__name__}{reason}", f"{result} ")
    sys.exit(1 if failed else 0)

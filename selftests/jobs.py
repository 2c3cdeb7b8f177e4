# SPDX-License-Identifier: GPL-2.0-only
"""Jobs on vepyc, two at a time: what selftests/matrix and selftests/clients/run share.

Each job's output goes to a log of its own; what failed is printed at the end, and then
`N passed, N failed, N skipped`.
"""

import concurrent.futures
import re
import subprocess
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
VEPYC = TOP / "tools/vepyc/vepyc"
KERNELS = ("6.1", "6.12")
lock = threading.Lock()


def say(text):
    with lock:
        print(text, flush=True)


def kernel(series):
    """What `vepyc kernel` says: release, image, modules, kdir."""
    text = subprocess.run([VEPYC, "kernel", series], check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in text.splitlines())


class Job:
    """One boot of L1, or a program on this machine."""

    def __init__(self, name, command, seconds):
        self.name = name
        self.command = command
        self.seconds = seconds
        self.log = TOP / "build/log" / f"{name}.log"
        self.count = {"passed": 0, "failed": 0, "skipped": 0}
        self.failures = []
        self.skips = []

    def run(self):
        start = time.monotonic()
        say(f"  start  {self.name}")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "w", encoding="utf-8") as log:
            status = subprocess.run(self.command, stdout=log, stderr=subprocess.STDOUT, cwd=TOP,
                                    stdin=subprocess.DEVNULL, check=False).returncode
        self._read(status)
        took = time.monotonic() - start
        say(f"  {'FAIL' if self.count['failed'] else 'done'}   {self.name}: {self.count['passed']} passed, "
            f"{self.count['failed']} failed, {self.count['skipped']} skipped ({took:.0f} s)")

    def _read(self, status):
        """Count the TAP of the log; a job that failed without saying so has failed too."""
        notes, program = [], ""
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("# "):
                notes.append(line)
                if re.fullmatch(r"# \w+", line):
                    program, notes = line[2:] + ".", []
                continue
            match = re.match(r"(not )?ok (\d+|-) ?(.*)", line)
            if not match:
                continue
            name = program + match[3] if match[2] != "-" else match[3]
            if "# SKIP" in line or "# TODO" in line:
                self.count["skipped"] += 1
                reason = re.split("# (?:TODO|SKIP) ?", line, maxsplit=1)[1] or " ".join(notes).removeprefix("# skip: ")
                self.skips.append(f"{name.split(' #')[0]}: {reason}")
            elif match[1]:
                self.count["failed"] += 1
                self.failures += [name, *notes[-60:]]
            else:
                self.count["passed"] += 1
            notes = []
        if status and not self.count["failed"]:
            self.count["failed"] += 1
            tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:]
            self.failures += [f"exit status {status}; the log ends with:", *tail]
        if not sum(self.count.values()):
            self.count["failed"] += 1
            self.failures += ["no test ran"]


def vepyc(series, hypervisor, overlays, command, seconds, *more):
    line = [VEPYC, "run", "--kernel", series, "--hypervisor", hypervisor, "--timeout", str(seconds), *more]
    for root in overlays:
        line += ["--overlay", root]
    return line + ["--", *command]


def run_all(todo, at_a_time=2):
    """The exit status."""
    say(f"{len(todo)} jobs, {'two' if at_a_time == 2 else 'one'} at a time; logs in build/log/")
    with concurrent.futures.ThreadPoolExecutor(max_workers=at_a_time) as pool:
        for done in [pool.submit(job.run) for job in todo]:
            done.result()
    for job in todo:
        if job.skips:
            print(f"\n{job.name}: skipped")
            print("\n".join(f"  {line}" for line in job.skips))
    for job in todo:
        if job.failures:
            print(f"\n{job.name}: FAILED ({job.log.relative_to(TOP)})")
            print("\n".join(f"  {line}" for line in job.failures))
    total = {verdict: sum(job.count[verdict] for job in todo) for verdict in ("passed", "failed", "skipped")}
    print(f"\n{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


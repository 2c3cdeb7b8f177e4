#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""timing.py RUNS: the time from QEMU's start to the guest's user space, on sevm and KVM in turns.

Runs in an L1 without a hypervisor: it loads one, takes the time, and unloads it.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import client

LOAD = {
    "sevm": ["insmod", f"/lib/sevm/{os.uname().release}/sevm.ko"],
    "kvm": ["modprobe", "kvm_amd", "sev=1", "sev_es=1", "avic=0"],
}
UNLOAD = {"sevm": [["rmmod", "sevm"]], "kvm": [["rmmod", "kvm_amd"], ["rmmod", "kvm"]]}


def once(hypervisor):
    """Nanoseconds."""
    if os.path.islink("/dev/kvm"):
        os.unlink("/dev/kvm")
    subprocess.run(LOAD[hypervisor], check=True)
    client.HYPERVISOR = hypervisor
    qemu = client.Qemu()
    start = time.monotonic_ns()
    with qemu as guest:
        guest.boot()
        took = time.monotonic_ns() - start
        # What the hypervisor did meanwhile, for those who wonder why it took so long.
        for counts in guest.counters():
            client.note(", ".join(f"{name} {count}" for name, count in counts.items()))
    for command in UNLOAD[hypervisor]:
        subprocess.run(command, check=True)
    return took


def main():
    for module in "ccp", "irqbypass":
        subprocess.run(["modprobe", module], check=True)
    # KVM 6.1 pins the zero page: see client.main().
    Path("/sys/kernel/mm/transparent_hugepage/enabled").write_text("never", encoding="ascii")
    runs = int(sys.argv[1])
    for number in range(runs):
        for hypervisor in "sevm", "kvm":
            client.note(f"{hypervisor} {once(hypervisor)}", "time ")
        client.note(f"{number + 1} a pair of runs", "ok ")


main()

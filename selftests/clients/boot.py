#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""QEMU with OVMF and a stock kernel, to user space and to power-off; how the APs got there."""

import re
from pathlib import Path

import client
from client import HYPERVISOR, VARIABLES, Qemu, case, check

EVENTS = Path("/sys/kernel/tracing/events")
# Tracepoint: its filter (0 is none), and the events of the APs' story by what it prints.
STORY = {
    "sevm": {
        "sevm/sevm_ap_table": ("ok == 1", [(r"vcpu (\d+) set", "set"), (r"vcpu (\d+) get", "get")]),
        "sevm/sevm_ap": ("0", [(r"vcpu (\d+) starts by SIPI", "starts"), (r"vcpu (\d+) held", "held"),
                               (r"vcpu (\d+) goes on", "goes on")]),
    },
    "kvm": {
        "kvm/kvm_vmgexit_enter": ("exit_reason == 0x80000004 || exit_reason == 0x80000005",
                                  [(r"vcpu (\d+), exit_reason 80000004", "held"),
                                   (r"vcpu (\d+), exit_reason 80000005, exit_info1 0+,", "set"),
                                   (r"vcpu (\d+), exit_reason 80000005, exit_info1 0*1,", "get")]),
    },
}


def record():
    """From here on the kernel records what becomes of the APs."""
    (EVENTS.parent / "trace").write_text("", encoding="ascii")
    for name, (condition, _) in STORY[HYPERVISOR].items():
        (EVENTS / name / "filter").write_text(condition, encoding="ascii")
        (EVENTS / name / "enable").write_text("1", encoding="ascii")


def story():
    """What was recorded: [(event, vCPU)]"""
    found = []
    for name in STORY[HYPERVISOR]:
        (EVENTS / name / "enable").write_text("0", encoding="ascii")
    for line in (EVENTS.parent / "trace").read_text(encoding="ascii").splitlines():
        for _, patterns in STORY[HYPERVISOR].values():
            found += [(event, int(match[1])) for pattern, event in patterns if (match := re.search(pattern, line))]
    return found


def check_story(found, cpus):
    """OVMF sets the jump table and parks the APs; Linux asks for the table, then wakes them, each once.

    Without APs OVMF of 2022 sets no table; that of 2026 does.
    """
    kinds = [event for event, _ in found]
    check(int(cpus > 1) <= kinds.count("set") <= 1 and kinds.count("get") == 1,
          f"not one set (where there are APs) and one get of the jump table: {found}")
    got = kinds.index("get")
    check(("get", 0) == found[got] and (cpus == 1 or ("set", 0) in found[:got]),
          f"not by vCPU 0, or not set before got: {found}")
    for ap in range(1, cpus):
        before = [event for event, vcpu in found[:got] if vcpu == ap]
        after = [event for event, vcpu in found[got:] if vcpu == ap]
        check(before[-1:] == ["held"], f"AP {ap} is not parked when Linux asks for the jump table: {found}")
        if HYPERVISOR == "sevm":
            check(before[0] == "starts" and before.count("starts") == 1, f"AP {ap} did not start once, by SIPI: {found}")
            check(after == ["goes on"], f"Linux did not wake AP {ap} once: {found}")


def boots(cpus, **options):
    record()
    with Qemu(cpus=cpus, **options) as guest:
        guest.boot()
        found = guest.sh("dmesg | grep 'Memory Encryption Features active'")
        check("SEV-ES" in found, f"the guest does not say that SEV-ES is active: {found}")
        online = guest.sh("cat /sys/devices/system/cpu/online")
        check(online == ("0" if cpus == 1 else f"0-{cpus - 1}"), f"CPUs online: {online}")
        if cpus > 1:
            check(f"Brought up 1 node, {cpus} CPUs" in guest.sh("dmesg | grep 'smp: '"), "Linux counts other CPUs")
        check("EDK II" in guest.sh("dmesg | grep ' efi: '"), "Linux did not come from OVMF")
        exits = [vcpu.get("exits", 0) for vcpu in guest.counters()]
        check(len(exits) == cpus and all(exits), f"QEMU's query-stats has {exits} exits of {cpus} vCPUs")
        guest.send("poweroff -f\n")
        guest.expect("reboot: Power down")
        check(guest.wait() == 0, "QEMU ended with an error")
    check_story(story(), cpus)
    if "firmware" not in options:           # a flash of ours: that is where OVMF's boot variables went
        written = Path(guest.variables).read_bytes() != Path(VARIABLES).read_bytes()
        check(written, "OVMF wrote no variable")


@case
def one_cpu():
    boots(1)


@case
def two_cpus():
    boots(2)


@case
def four_cpus():
    boots(4)


@case
def guest_6_1():
    boots(2, kernel="6.1")


if __name__ == "__main__":
    client.main()

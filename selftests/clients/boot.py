#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""QEMU with OVMF and a stock kernel, to user space and to power-off."""

import client
from client import Qemu, case, check


def boots(cpus, **options):
    with Qemu(cpus=cpus, **options) as guest:
        guest.boot()
        found = guest.sh("dmesg | grep 'Memory Encryption Features active'")
        check("SEV-ES" in found, f"the guest does not say that SEV-ES is active: {found}")
        online = guest.sh("cat /sys/devices/system/cpu/online")
        check(online == ("0" if cpus == 1 else f"0-{cpus - 1}"), f"CPUs online: {online}")
        guest.send("poweroff -f\n")
        check(guest.wait() == 0, "QEMU ended with an error")


@case
def one_cpu():
    boots(1)


client.main()

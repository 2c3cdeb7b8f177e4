#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The newest QEMU that Debian has: it opens /dev/sevm itself, and can ask for a VM of type KVM_X86_SEV_ES_VM.

It does so with legacy-vm-type=off; else it uses KVM_SEV_ES_INIT, as QEMU always did, which keeps the measurement.
The firmware is that release's OVMF.fd, as -bios: KVM gives a typed VM no read-only memory, so no flash.
"""

import os

import client
from boot import boots
from client import HYPERVISOR, Qemu, Skip, case, check, note
from measurement import PAUSED, Owner, digest, firmware_only, measurement

OVMF = "/usr/share/ovmf/OVMF.fd"
BIOS = ("-bios", OVMF)
TYPED = "legacy-vm-type=off"
HAS_TYPES = HYPERVISOR == "sevm" or not os.uname().release.startswith("6.1.")


def typed(cpus):
    if not HAS_TYPES:
        raise Skip("KVM of Linux 6.1 has no such type")
    boots(cpus, sev=f"policy=0x5,{TYPED}", firmware=BIOS)


@case
def by_es_init():
    boots(2, firmware=BIOS)


@case
def typed_one_cpu():
    typed(1)


@case
def typed_two_cpus():
    typed(2)


@case
def typed_four_cpus():
    typed(4)


@case
def no_such_type():
    """What QEMU says where there is none."""
    if HAS_TYPES:
        raise Skip("this hypervisor has the type")
    with Qemu(sev=f"policy=0x5,{TYPED}", firmware=BIOS) as guest:
        guest.expect("host kernel does not support requested KVM_X86_SEV_ES_VM VM type")
        check(guest.wait() == 1, "QEMU did not end with an error")


@case
def both_measurements():
    """They differ: by KVM_SEV_INIT2 the state of x87 and SSE is measured, too."""
    for type_ in [False, True] if HAS_TYPES else [False]:
        owner = Owner()
        sev = owner.session() + (f",{TYPED}" if type_ else "")
        with firmware_only(*PAUSED, cpus=2, sev=sev, firmware=BIOS) as guest:
            said, info = measurement(guest)
            expected = digest(OVMF, cpus=2, typed=type_)
            note(f"the launch digest, computed in advance: {expected.hex()}")
            check(owner.measures(said, info, expected), "it is not as computed")
            check(not owner.measures(said, info, digest(OVMF, cpus=2, typed=not type_)), "it is that of the other type")


client.main()

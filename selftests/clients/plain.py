#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Guests without protection on QEMU: where sevm, which has no instruction emulator, must stop, and what it says then.

On KVM they boot, which shows that these command lines are good ones.
"""

import lzma
import struct
import subprocess
from pathlib import Path

import client
from client import HYPERVISOR, Process, Qemu, Skip, case, check, note, version

APIC = range(0xfee00000, 0xfee01000)
PCI_CONFIG = range(0xb0000000, 0xc0000000)      # q35's, by memory
MICROVM = "microvm,kernel-irqchip=split"
NO_FIRMWARE = ()                                # of our choice: the machine's own, SeaBIOS
KVMTOOL = Path("/tools/lkvm")


def no_emulator(where, **options):
    """On sevm QEMU says where the guest wanted an emulator, and keeps it there to be looked at; on KVM the guest boots."""
    with Qemu(sev=None, memory=256, **options) as guest:
        if HYPERVISOR == "kvm":
            guest.boot()
            return
        guest.expect(r"KVM internal error\. Suberror: 1")          # KVM_INTERNAL_ERROR_EMULATION
        address = int(guest.expect(r"extra data\[3\]: (0x[0-9a-f]+)")[1], 16)
        check(address in where, f"it ended at {address:#x}, not in {where.start:#x} to {where.stop:#x}")
        guest.expect("emulation failure")
        guest.expect(r"Code=.*<[0-9a-f]{2}>")
        status = guest.qmp("query-status")["status"]
        check(status == "internal-error", f"QEMU's state is {status}")
        log = subprocess.run(["dmesg"], check=True, capture_output=True, text=True).stdout
        said = f"the guest of pid {guest.child.pid} needs an instruction emulator (guest-physical address {address:#x})"
        lines = [line for line in log.splitlines() if said in line]
        check(len(lines) == 1, f"the kernel's log has it {len(lines)} times")
        note(f"the host's log: {lines[0]}", "# | ")


@case
def q35_seabios():
    """SeaBIOS looks for PCI devices, by memory."""
    no_emulator(PCI_CONFIG, firmware=NO_FIRMWARE)


@case
def q35_ovmf():
    """OVMF sets up the local APIC, which begins as an xAPIC."""
    no_emulator(APIC)


@case
def pc_seabios():
    """PCI is by ports there. Then SeaBIOS sets up the local APIC."""
    no_emulator(APIC, firmware=NO_FIRMWARE, board="pc,kernel-irqchip=split")


@case
def microvm():
    """No PCI, and its SeaBIOS leaves the APIC alone: Linux begins, and reads the APIC's version before it turns to the x2APIC."""
    no_emulator(APIC, firmware=NO_FIRMWARE, board=MICROVM)


@case
def microvm_without_an_apic():
    """Linux believes the firmware's table more than CPUID and its command line."""
    no_emulator(APIC, firmware=NO_FIRMWARE, board=f"{MICROVM},acpi=off", cpu=",-apic", append="nolapic acpi=off")


def vmlinux(series):
    """What is packed in a kernel's image: an ELF file, as PVH wants it."""
    image = Path(f"/guest/kernel-{series}").read_bytes()
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (image[0x1f1] + 1) * 512 + offset
    file = Path(f"/tmp/vmlinux-{series}")
    file.write_bytes(lzma.LZMADecompressor().decompress(image[begin:begin + length]))
    return str(file)


@case
def microvm_pvh():
    """The kernel's PVH entry, by qboot: no real mode at all, and then as above."""
    no_emulator(APIC, firmware=("-bios", "qboot.rom"), board=MICROVM, kernel=vmlinux("6.1"))


@case
def microvm_whole_irqchip():
    """With no PIC and no PIT wanted, KVM_CREATE_IRQCHIP's IOAPIC will do."""
    no_emulator(APIC, firmware=NO_FIRMWARE, board="microvm,kernel-irqchip=on,pic=off,pit=off")


@case
def whole_irqchip():
    """sevm has no PIT for it: QEMU does not start. Since 8.x by an assertion of its own, before by a message."""
    with Qemu(sev=None, memory=256, firmware=NO_FIRMWARE, board="q35,kernel-irqchip=on") as guest:
        if HYPERVISOR == "kvm":
            guest.boot()
            return
        if version() < (8, 0):
            guest.expect("Create kernel PIC irqchip failed: Inappropriate ioctl for device")
        check(guest.wait() != 0, "QEMU ended as if nothing were wrong")


@case
def no_irqchip():
    """QEMU before 9.0 has a local APIC of its own, for which MMIO must be emulated; later ones have none."""
    if version() < (9, 0):
        no_emulator(PCI_CONFIG, firmware=NO_FIRMWARE, board="q35,kernel-irqchip=off")
        return
    with Qemu(sev=None, memory=256, firmware=NO_FIRMWARE, board="q35,kernel-irqchip=off") as guest:
        guest.expect("KVM does not support userspace APIC")
        check(guest.wait() == 1, "QEMU did not end with an error")


@case
def kvmtool():
    """It has no clock for a guest but KVM's PIT."""
    if not KVMTOOL.exists():
        raise Skip("no release of Debian packages kvmtool; KVMTOOL=FILE gives one of yours")
    with Process(KVMTOOL, "run", "--dev", f"/dev/{HYPERVISOR}", "--kernel", "/guest/kernel-6.12", "--initrd",
                 "/guest/initrd-6.12", "--cpus", 1, "--mem", 256, "--console", "serial", "--network", "mode=none",
                 "--params", "console=ttyS0 quiet panic=-1") as guest:
        if HYPERVISOR == "kvm":         # it starts there; what resets the guest then is not known
            guest.expect("KVM session ended normally")
            return
        guest.expect("KVM_CREATE_PIT2 ioctl: Inappropriate ioctl for device")
        check(guest.wait() == 1, "kvmtool did not end with an error")


if __name__ == "__main__":
    client.main()

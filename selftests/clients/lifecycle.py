#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A SEV-ES guest under QEMU from boot to end: CPUs, pause, monitor, hot-add, kexec, and every way to end."""

import ctypes
import errno
import fcntl
import hashlib
import os
import random
import re
import shutil
import struct
import subprocess
import time
import uuid
from pathlib import Path

import client
from client import HYPERVISOR, Failed, Qemu, case, check, note

# A word of the guest's that its echoed command has not: $((6*7)).
ALIVE = "echo alive $((6*7))"


def parts(guest, *functions):
    """Several things with one guest, since its boot takes long: all are tried, and what failed is reported at the end."""
    failures = []
    for function in functions:
        try:
            said = function(guest)
            note(f"{function.__name__}: {said or 'as it should be'}")
        except (Failed, OSError) as failure:
            failures.append(f"{function.__name__}: {failure}")
    check(not failures, "\n".join(failures))


def monitor(guest, command):
    """A command of the human monitor's; what it says."""
    return guest.qmp("human-monitor-command", command_line=command).replace("\r", "").strip()


def refused(guest, command, **arguments):
    """What QEMU says when it refuses a command."""
    try:
        answer = guest.qmp(command, **arguments)
    except Failed as failure:
        return str(failure)
    raise Failed(f"QMP {command} {arguments} was not refused: {answer}")


def is_alive(guest):
    said = guest.sh(ALIVE)
    check(said == "alive 42", f"the guest's shell says {said}")
    check(guest.qmp("query-status")["status"] == "running", f"QEMU says {guest.qmp('query-status')}")


def ends(guest, command, reason, status=0):
    """The guest ends with this command; QEMU's exit status and reason."""
    guest.qmp("query-status")           # the monitor hears the event that is coming
    if callable(command):
        command()
    else:
        guest.send(command + "\n")
    found = guest.event("SHUTDOWN")["data"]["reason"]
    check(found == reason, f"QEMU ended for {found}, not for {reason}")
    ended = guest.wait()
    check(ended == status, f"QEMU's exit status is {ended}")


def processor_time(guest):
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{guest.child.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# A firmware of a few bytes instead of OVMF, for ends that come by themselves.

def firmware(code):
    """64 KiB that run CODE (16-bit, at 0xf0000) and have what QEMU looks for: where APs start."""
    image = bytearray(b"\xff" * 65536)
    image[:len(code)] = code
    image[0xfff0:0xfff5] = b"\xea" + struct.pack("<HH", 0, 0xf000)
    block = struct.pack("<IH", 0xfffffff0, 22) + uuid.UUID("00f771de-1a7e-4fcb-890e-68c77e2fb44e").bytes_le
    image[0xffe0 - len(block):0xffe0] = block
    path = "/tmp/firmware"
    Path(path).write_bytes(image)
    return "-bios", path


def terminate(reason_set, reason):
    """WRMSR to the GHCB MSR, VMGEXIT, HLT for ever."""
    request = 0x100 | reason_set << 12 | reason << 16
    return (b"\x66\xb9" + struct.pack("<I", 0xc0010130) + b"\x66\x31\xd2" + b"\x66\xb8" + struct.pack("<I", request) +
            b"\x0f\x30" + b"\xf3\x0f\x01\xd9" + b"\xf4\xeb\xfd")


HALT = b"\xf4\xeb\xfd"
TRIPLE_FAULT = b"\x2e\x0f\x01\x1e\x07\x00" + b"\xcc" + bytes(6)         # LIDT of a limit of 0, INT3


# What 6.1's KVM_RUN says of a SEV-ES guest's shutdown: EINVAL, and nothing of the reason.
MUTE = HYPERVISOR == "kvm" and os.uname().release.startswith("6.1.")


def stops_with(guest, text):
    """QEMU stops the guest, shows registers (zeros) and stays."""
    guest.event("STOP")
    check(guest.qmp("query-status")["status"] == "internal-error", f"QEMU says {guest.qmp('query-status')}")
    guest.expect(text)
    guest.qmp("quit")
    check(guest.wait() == 0, "QEMU ended with an error")


@case
def triple_fault():
    """QEMU takes it for a reset."""
    with Qemu("-S", kernel=None, firmware=firmware(TRIPLE_FAULT)) as guest:
        if MUTE:
            guest.qmp("cont")
            stops_with(guest, "error: kvm run failed Invalid argument")
        else:
            ends(guest, lambda: guest.qmp("cont"), "guest-reset")


@case
def termination():
    """By the GHCB MSR protocol, with a reason. QEMU 7.2 does not know the exit; the hypervisor's trace has the reason."""
    name = {"sevm": "sevm/sevm_vmgexit", "kvm": "kvm/kvm_vmgexit_msr_protocol_enter"}[HYPERVISOR]
    tracing = Path("/sys/kernel/tracing")
    enable = tracing / f"events/{name}/enable"
    with Qemu("-S", kernel=None, firmware=firmware(terminate(1, 0xab))) as guest:
        (tracing / "trace").write_text("", encoding="ascii")
        enable.write_text("1", encoding="ascii")
        guest.qmp("cont")
        stops_with(guest, r"KVM: unknown exit reason 24$")
        enable.write_text("0", encoding="ascii")
    found = [line for line in (tracing / "trace").read_text(encoding="ascii").splitlines() if "ab1100" in line]
    check(len(found) == 1, f"the trace has {found}")
    note(found[0].split(": ", 1)[1], "# | ")
    log = subprocess.run(["dmesg"], check=True, capture_output=True, text=True).stdout
    words = {"sevm": "the guest asks for its termination: reason set 0x1, reason 0xab",
            "kvm": "SEV-ES guest requested termination: 0x1:0xab"}[HYPERVISOR]
    check(words in log, f"the kernel's log has no '{words}'")
    note(words, "# | ")


# Killed: nothing may be left.

def guests_of_the_firmware():
    """SEV_PLATFORM_STATUS of /dev/sev."""
    status = (ctypes.c_char * 12)()
    with open("/dev/sev", "r+b", buffering=0) as sev:
        fcntl.ioctl(sev, 0xc0105300, bytearray(struct.pack("<IQI", 1, ctypes.addressof(status), 0)))
    return struct.unpack("<BBBIBI", status.raw)[5]


def vms_to_be_had():
    """How many VMs get an ASID: KVM_CREATE_VM and KVM_SEV_ES_INIT until there is none."""
    device, vms = os.open(f"/dev/{HYPERVISOR}", os.O_RDWR), []
    sev = os.open("/dev/sev", os.O_RDWR)
    try:
        while True:
            vms.append(fcntl.ioctl(device, 0xae01, 0))
            fcntl.ioctl(vms[-1], 0xc008aeba, bytearray(struct.pack("<IxxxxQII", 1, 0, 0, sev)))
    except OSError as error:
        check(error.errno == errno.EBUSY, f"KVM_SEV_ES_INIT of VM {len(vms)}: {error}")
        return len(vms) - 1
    finally:
        for number in (*vms, sev, device):
            os.close(number)


def free_memory():
    """The most of several looks, in KiB: the kernel keeps some and frees others late."""
    most = 0
    for _ in range(5):
        Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")
        Path("/proc/sys/vm/compact_memory").write_text("1", encoding="ascii")
        time.sleep(0.5)
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        most = max(most, int(re.search(r"MemFree: *(\d+)", text)[1]))
    return most


@case
def killed():
    """kill -9 at random moments: in OVMF and Linux, and in a guest that is up at once and halts."""
    asids, free = vms_to_be_had(), free_memory()
    for most in [25] * 3 + [1] * 12:
        start = {"kernel": None, "firmware": firmware(HALT)} if most == 1 else {}
        with Qemu(cpus=2, memory=256, **start) as guest:
            guest.qmp("query-status")
            time.sleep(random.uniform(0, most))
            guest.kill()
        Path(guest.variables).unlink(missing_ok=True)
    guests, left = guests_of_the_firmware(), vms_to_be_had()
    lost = free - free_memory()
    note(f"{left} of {asids} ASIDs, {guests} guests in the firmware, {lost} KiB less are free")
    check(asids > 1 and left == asids, f"{asids} VMs could be had before, {left} after")
    check(guests == 0, f"the firmware has {guests} guests")
    # A guest has 256 MiB, and there were 15.
    check(lost < 64 << 10, f"{lost} KiB less are free than before")



# What a guest with 4 vCPUs lives through.

def cpus_offline_and_online(guest):
    rounds = 5
    said = guest.sh(f"""for i in $(seq {rounds}); do for c in 1 2 3; do
        f=/sys/devices/system/cpu/cpu$c/online; echo 0 >$f && cat /sys/devices/system/cpu/online &&
        echo 1 >$f && taskset $(printf %x $((1 << c))) cat /sys/devices/system/cpu/online; done; done""".replace("\n", " "))
    check(said.split() == ["0,2-3", "0-3", "0-1,3", "0-3", "0-2", "0-3"] * rounds, f"CPUs online: {said.split()}")
    # All APs are offline at once, then come back.
    said = guest.sh("for v in 0 1; do for c in 1 2 3; do echo $v >/sys/devices/system/cpu/cpu$c/online; done; "
                    "cat /sys/devices/system/cpu/online; done")
    check(said.split() == ["0", "0-3"], f"CPUs online: {said.split()}")
    return f"{rounds} rounds with each of 3 APs"


def registers_are_hidden(guest):
    """sevm gives zeros for what is encrypted. KVM gives what VMGEXITs and write traps last had: no RIP, no stack."""
    said = monitor(guest, "info registers")
    for name in ("ESP", "EIP", "EBP", "CR3") + (("EAX", "ECX", "CR0", "CR4") if HYPERVISOR == "sevm" else ()):
        check(re.search(rf"\b{name}=0+\b", said), f"info registers shows more than zeros: {said}")
    # The local APIC is the host's, and shown: x2APIC is on, LINT1 is the NMI.
    said = monitor(guest, "info lapic")
    check("APIC enabled" in said and "LVT1\t 0x00000400" in said, f"info lapic: {said}")
    return "info registers shows no RIP and no stack, info lapic the local APIC"


def queries(guest):
    sev = guest.qmp("query-sev")
    check(sev["enabled"] and sev["state"] == "running" and sev["policy"] == 5, f"query-sev: {sev}")
    cpus = guest.qmp("query-cpus-fast")
    check([cpu["cpu-index"] for cpu in cpus] == [0, 1, 2, 3], f"query-cpus-fast: {cpus}")
    threads = {int(name) for name in os.listdir(f"/proc/{guest.child.pid}/task")}
    check({cpu["thread-id"] for cpu in cpus} <= threads, f"query-cpus-fast: {cpus}, threads {threads}")
    return f"query-sev: {sev}"


def memory_is_encrypted(guest):
    """The monitor may read memory, and sees what it is encrypted to."""
    secret = b"no host will see this line"
    guest.sh(f"yes '{secret.decode()}' | head -c 128m >/tmp/secret")
    found = 0
    for start in range(64 << 20, 512 << 20, 64 << 20):
        guest.qmp("pmemsave", val=start, size=16 << 20, filename="/tmp/memory")
        found += secret in Path("/tmp/memory").read_bytes()
    guest.sh("rm /tmp/secret")
    check(not found, "the monitor reads the guest's memory in clear text")
    return "128 MiB of a known line, not found"


def pause_and_continue(guest):
    guest.qmp("stop")
    status = monitor(guest, "info status")
    check(status == "VM status: paused", f"info status: {status}")
    before = len(guest.text)
    guest.send(ALIVE + "\n")
    time.sleep(5)
    check(len(guest.text) == before, f"a paused guest said {guest.text[before:]}")
    guest.qmp("cont")
    guest.expect(r"^alive 42\n")
    guest.expect(client.PROMPT + r"\Z")
    # All CPUs go on, and so does the clock, from where it stood.
    for cpu in range(4):
        guest.sh(f"taskset {1 << cpu:x} sleep 1")
    return "the clock's source is " + guest.sh("cat /sys/devices/system/clocksource/clocksource0/current_clocksource")


def the_clock_stands_still_in_a_pause(guest):
    """QEMU saves kvm-clock at `stop` and sets it again at `cont`."""
    def uptime():
        return float(guest.sh("cat /proc/uptime").split()[0])
    before, outside = uptime(), time.monotonic()
    guest.qmp("stop")
    time.sleep(20)
    guest.qmp("cont")
    inside, outside = uptime() - before, time.monotonic() - outside
    check(0 < inside < outside - 10, f"{inside:.1f} s in the guest, {outside:.1f} s outside, 20 s of them in a pause")
    return f"{inside:.1f} s in the guest, {outside:.1f} s outside, 20 s of them in a pause"


def nmi(guest):
    # vCPU 0's alone: QEMU sends it by LINT1, which Linux masks for the APs.
    before = guest.sh("grep NMI: /proc/interrupts").split()[1:5]
    guest.qmp("inject-nmi")
    guest.expect("Dazed and confused.*\n")
    guest.send("\n")
    after = guest.sh("grep NMI: /proc/interrupts").split()[1:5]
    check(int(after[0]) == int(before[0]) + 1, f"NMIs before {before}, after {after}")
    return f"NMIs by vCPU: {after}"


def migration_is_refused(guest):
    said = refused(guest, "migrate", uri="exec:cat >/dev/null")
    check("SEV: Migration is not implemented" in said, said)
    said = monitor(guest, "savevm one")
    check("SEV: Migration is not implemented" in said, f"savevm: {said}")
    is_alive(guest)
    return said


def debugger(guest):
    """sevm has no KVM_SET_GUEST_DEBUG, and says so; QEMU on KVM lets a debugger in that sees zeros."""
    said = monitor(guest, "gdbserver tcp:127.0.0.1:1234")
    if HYPERVISOR == "sevm":
        check("current accelerator doesn't support guest debugging" in said, f"gdbserver: {said}")
    else:
        monitor(guest, "gdbserver none")
    is_alive(guest)
    return said


def balloon(guest):
    """Memory is pinned: nothing could be given back."""
    return monitor(guest, "info balloon")


def memory_hot_add(guest):
    free = "awk '/zone *Normal/ { n = 1 } n && /pages free/ { print $3; exit }' /proc/zoneinfo"
    before = int(guest.sh("grep MemTotal /proc/meminfo").split()[1])
    guest.qmp("object-add", qom_type="memory-backend-ram", id="more", size=128 << 20)
    guest.qmp("device_add", driver="pc-dimm", id="dimm", memdev="more")
    check(guest.event("ACPI_DEVICE_OST")["data"]["info"]["status"] == 0, "the guest refused the memory")
    after = int(guest.sh("grep MemTotal /proc/meminfo").split()[1])
    check(after - before == 128 << 10, f"MemTotal was {before} kB, is {after} kB")
    # It is used first: the zone above 4 GiB has no other.
    unused = int(guest.sh(free))
    said = guest.sh("yes 0123456 | head -c 64m >/tmp/a; md5sum </tmp/a").split()[0]
    used = unused - int(guest.sh(free))
    guest.sh("rm /tmp/a")
    check(said == hashlib.md5(b"0123456\n" * (8 << 20)).hexdigest(), f"what was written there reads as {said}")
    check(used > 8192, f"of the memory that was added, {used} pages were used")
    return f"MemTotal was {before} kB, is {after} kB"


def power_button(guest):
    guest.sh("modprobe button; modprobe evdev")
    path = next(line for line in guest.sh("grep -l 'Power Button' /sys/class/input/event*/device/name").splitlines())
    event = path.split("/")[4]
    guest.sh(f"(head -c 96 /dev/input/{event} | hexdump -v -e '24/1 \"%02x\" \"\\n\"' >/tmp/button; echo pressed $((6*7))) &")
    guest.qmp("system_powerdown")
    guest.expect("pressed 42\n")
    guest.send("\n")
    # A press, a report, a release, a report; KEY_POWER is 116.
    events = [struct.unpack("<HHi", bytes.fromhex(line)[16:]) for line in guest.sh("cat /tmp/button").split()]
    check(events == [(1, 116, 1), (0, 0, 0), (1, 116, 0), (0, 0, 0)], f"input events: {events}")
    return "KEY_POWER by /dev/input"


def idle(guest):
    """HLT blocks: what an idle guest costs is shown, not judged."""
    before, start = processor_time(guest), time.monotonic()
    time.sleep(20)
    used, took = processor_time(guest) - before, time.monotonic() - start
    return f"QEMU used {used:.2f} s of CPU time in {took:.1f} s"


def cpu_hot_add(guest):
    """QEMU adds it, the guest sees it; but it was not launched, and stops the guest when it is to start."""
    guest.qmp("device_add", driver="EPYC-Milan-x86_64-cpu", id="late", socket_id=0, core_id=4, thread_id=0)
    check(guest.event("ACPI_DEVICE_OST")["data"]["info"]["status"] == 0, "the guest refused the CPU")
    guest.events.clear()
    guest.send("echo 1 >/sys/devices/system/cpu/cpu4/online\n")
    stops_with(guest, {"sevm": "error: kvm run failed Invalid argument", "kvm": "KVM: entry failed, hardware error 0xffffffff"}[HYPERVISOR])
    return "the new CPU cannot run"


@case
def four_cpus():
    """Last comes what a guest may not survive."""
    with Qemu(cpus="4,maxcpus=5", memory="512,slots=1,maxmem=1G") as guest:
        guest.boot()
        guest.sh("dmesg -n 1")
        parts(guest, cpus_offline_and_online, registers_are_hidden, queries, memory_is_encrypted, pause_and_continue,
              the_clock_stands_still_in_a_pause, nmi, migration_is_refused, debugger, balloon, memory_hot_add, power_button,
              idle, cpus_offline_and_online, cpu_hot_add)


@case
def two_guests():
    """Side by side; one is killed, the other goes on, panics, and QEMU reports it."""
    with Qemu(cpus=2) as one, Qemu("-device", "pvpanic", cpus=2) as other:
        one.boot()
        other.boot()
        for guest in one, other:
            guest.sh("dmesg -n 1")
            guest.send("while true; do for c in 1 2; do taskset $c true 2>/dev/null; done; done & echo works $((6*7))\n")
            guest.expect("^works 42\n")
        check(guests_of_the_firmware() == 2, f"the firmware has {guests_of_the_firmware()} guests")
        handles = [guest.qmp("query-sev")["handle"] for guest in (one, other)]
        check(handles[0] != handles[1], f"handles {handles}")
        one.kill()
        is_alive(other)
        said = other.sh("echo 0 >/sys/devices/system/cpu/cpu1/online; echo 1 >/sys/devices/system/cpu/cpu1/online; "
                        "cat /sys/devices/system/cpu/online")
        check(said == "0-1", f"CPUs online: {said}")
        check(guests_of_the_firmware() == 1, f"the firmware has {guests_of_the_firmware()} guests")
        other.sh("modprobe pvpanic_mmio")
        ends(other, "echo c >/proc/sysrq-trigger", "guest-panic")
        check(other.event("GUEST_PANICKED")["data"]["action"] == "poweroff", f"events: {other.events}")


def with_kexec():
    """guest-init's RAM disk, and in it kexec, its libraries, and a kernel and RAM disk for it to boot."""
    made = Path("/tmp/initrd-kexec")
    if made.exists():
        return made
    tree = Path("/tmp/kexec")
    listed = subprocess.run(["/lib64/ld-linux-x86-64.so.2", "--list", "/sbin/kexec"], check=True, capture_output=True, text=True)
    paths = ["/sbin/kexec"] + [word for word in listed.stdout.split() if word.startswith("/")]
    paths += ["/guest/kernel-6.12", "/guest/initrd-6.12"]
    for path in paths:
        (tree / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tree / path[1:])
    more = subprocess.run("find . | cpio -o -H newc", shell=True, check=True, capture_output=True, cwd=tree).stdout
    made.write_bytes(Path("/guest/initrd-6.12").read_bytes() + more)
    shutil.rmtree(tree)
    return made


def second_kernel(guest, options, then):
    """Load another kernel, let it run, wait for its user space; what it says of its CPUs."""
    guest.sh("dmesg -n 8")
    guest.sh(f"kexec {options} /guest/kernel-6.12 --initrd=/guest/initrd-6.12 "
             f"--command-line='console=ttyS0 earlyprintk=serial,ttyS0 panic=-1 kernel{options}'")
    guest.send(then + "\n")
    guest.boot()
    guest.sh("dmesg -n 1")
    check(f"kernel{options}" in guest.sh("cat /proc/cmdline"), "it is the kernel of before still")
    found = guest.sh("dmesg | grep 'Memory Encryption Features active'")
    check("SEV-ES" in found, f"the new kernel does not say that SEV-ES is active: {found}")
    return guest.sh("dmesg | grep -o 'smp: Brought up.*'")


@case
def kexec():
    """The AP halts, and stays there: the host can neither set its registers nor let it run on in lost memory.

    KVM lets it run on, into a triple fault if the second kernel uses that memory. The end is a reboot: no
    vCPU of a SEV-ES guest can be reset, and QEMU ends instead.
    """
    guest = Qemu(cpus=2, memory=768, initrd=with_kexec())
    guest.command.remove("-no-reboot")
    with guest:
        guest.boot()
        try:
            said = second_kernel(guest, "-s -l", "kexec -e")
        except Failed:
            lost = "error: kvm run failed Invalid argument" if MUTE else "cpus are not resettable"
            if HYPERVISOR == "kvm" and lost in guest.text:
                raise client.Skip("the AP ran on where it halted, into a triple fault") from None
            raise
        check("1 CPU" in said, f"the second kernel says {said}")
        found = guest.sh("dmesg | grep 'failed to report alive'")
        check("CPU1" in found, f"the second kernel says {found}")
        ends(guest, "reboot -f", "guest-reset")
        guest.expect("cpus are not resettable, terminating")


@case
def crash_kernel():
    """kexec -p, and a panic."""
    with Qemu(memory=768, initrd=with_kexec(), append="crashkernel=192M") as guest:
        guest.boot()
        second_kernel(guest, "-s -p", "echo c >/proc/sysrq-trigger")
        found = guest.sh("head -c 4 /proc/vmcore | hexdump -C")
        check("ELF" in found, f"/proc/vmcore: {found}")
        ends(guest, "poweroff -f", "guest-shutdown")

client.main()

# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's command line: the machine that L1 sees."""

import subprocess

# Console: everything, on the first serial port. A panic resets, and a reset ends QEMU.
# The time limits are those of a machine that is emulated on a busy one.
KERNEL_ARGUMENTS = [
    "console=ttyS0", "loglevel=7", "panic=-1", "oops=panic", "nokaslr", "mem_encrypt=off", "tsc=reliable",
    "no_timer_check", "watchdog_thresh=30", "rcupdate.rcu_cpu_stall_timeout=60", "nmi_watchdog=0",
]
CPU = "EPYC-Milan,+svm,+npt,+invtsc"
# One CPU at a time: the emulated memory encryption needs it, and Linux's static keys do
# (with one thread for each CPU, L1 was seen to run code that another was patching).
ACCELERATOR = "tcg,thread=single"
# The clock counts instructions. A kick of a virtqueue is served by the CPU that kicks, before
# its next instruction: by the main loop it would be served when the host gets round to it.
ICOUNT = ["-icount", "shift=0,sleep=off", "-seed", "1", "-rtc", "base=2020-01-01T00:00:00,clock=vm"]


def command_line(qemu, roms, kernel, initrd, options, channels):
    """options: cpus, memory, icount, append; channels: name -> inherited descriptor."""
    log = str(options.log).replace(",", ",,")       # QEMU's quoting
    cpu = CPU + (",vepyc=on" if _knows(qemu, "EPYC-Milan-x86_64-cpu,help", "vepyc=") else "")
    serial = "virtio-serial-pci"
    line = [str(qemu), "-machine", "q35", "-accel", ACCELERATOR, "-cpu", cpu,
            "-smp", str(options.cpus), "-m", options.memory,
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-L", str(roms)]
    if _knows(qemu, "help", '"vepyc-psp"'):
        line += ["-device", "vepyc-psp"]
    if options.icount:
        line += ICOUNT
        serial += ",ioeventfd=off"
    for name, descriptor in channels.items():
        line += ["-chardev", f"socket,id={name},fd={descriptor}"]
    line += ["-mon", "chardev=control,mode=control", "-chardev", f"file,id=log,path={log},append=on",
             "-serial", "chardev:log", "-device", serial,
             "-device", "virtserialport,chardev=status,name=status"]
    if "terminal" in channels:
        line += ["-device", "virtconsole,chardev=terminal"]
    else:
        line += ["-device", "virtserialport,chardev=out,name=out"]
    return line + ["-kernel", str(kernel.fast_image), "-initrd", str(initrd),
                   "-append", " ".join(KERNEL_ARGUMENTS + options.append)]


def _knows(qemu, device, what):
    """A stock QEMU (VEPYC_QEMU) has neither part of ours: no SEV-ES, but plain guests run."""
    done = subprocess.run([qemu, "-machine", "none", "-device", device], capture_output=True, text=True, check=False)
    return what in done.stdout

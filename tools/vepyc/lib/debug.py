# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that check themselves: KASAN, UBSAN, lockdep, kmemleak and more (debug.config).

Built from Debian's source of the same series, once. The release has a digest of what went
into it (`6.12.117-debug-1a2b3c4d`), so that modules of another build do not load in it.
"""

import hashlib
import os
import re
import shutil
import subprocess

import cache
import logged
import qemu
from archive import Release
from ui import Fail, say, step

CONFIG = cache.SOURCE / "debug.config"
PACKAGES = ["gcc", "make", "flex", "bison", "bc", "libelf-dev", "libssl-dev", "libc6-dev", "xz-utils", "kmod",
            "binutils"]
# What a module's build needs of the source tree; all else goes once the kernel is built.
KDIR = re.compile(r"Makefile|\.config|Module\.symvers|arch/x86/(Makefile.*|(.+/)?include/.*)|include/.*"
                  r"|scripts/.*|tools/objtool/objtool")


def digest():
    """Of what the build depends on, the source apart: Debian's newest at the time."""
    compiler = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=False).stdout
    return hashlib.sha256(CONFIG.read_bytes() + compiler.encode()).hexdigest()[:8]


def is_current(release):
    return release.endswith(f"-debug-{digest()}")


def build(debian, series, place):
    """Build the kernel of a series; its release. place(release) is the folder that it becomes."""
    say(f"building a debug kernel {series}, once (20 minutes on two idle cores)")
    qemu.install_packages(PACKAGES, "building a kernel")
    partial = place(f"{series}-debug-{digest()}")   # till it is known which release it is
    with cache.appearing(partial) as work:
        tree = work / "source"
        _unpack(debian, series, work, tree)
        _configure(tree)
        objects = 0

        def on_line(line):
            nonlocal objects
            if re.match(r"  (CC|AS|LD)\b", line):
                objects += 1
                progress.counter(f"{objects} objects")

        with step("compiling") as progress:
            _make(tree, "compiling", f"-j{os.cpu_count()}", "vmlinux", "bzImage", "modules", on_line=on_line)
        release = (tree / "include/config/kernel.release").read_text(encoding="ascii").strip()
        _install(work, tree, release)
    final = place(release)
    if final.exists():
        shutil.rmtree(final)
    partial.rename(final)
    for old in final.parent.glob(f"{series}.*-debug-*"):
        if old != final:
            shutil.rmtree(old)
    return release


def _unpack(debian, series, work, tree):
    Release(debian).extract([f"linux-source-{series}"], work / "package")
    tarball = next((work / "package/usr/src").glob("linux-source-*.tar.*"))
    tree.mkdir()
    with step("unpacking"):
        subprocess.run(["tar", "-xf", tarball, "-C", tree, "--strip-components=1", "--no-same-owner"],
                       check=True)
    shutil.rmtree(work / "package")


def _configure(tree):
    wanted = CONFIG.read_text(encoding="ascii") + f'CONFIG_LOCALVERSION="-debug-{digest()}"\n'
    (tree / "wanted.config").write_text(wanted, encoding="ascii")
    with step("configuring"):
        _make(tree, "configuring", "KCONFIG_ALLCONFIG=wanted.config", "allnoconfig")
    found = (tree / ".config").read_text(encoding="ascii").splitlines()
    lost = [line for line in wanted.splitlines() if line.startswith("CONFIG_") and line not in found]
    if lost:
        raise Fail(f"{CONFIG} does not fit this kernel, these did not get through: {', '.join(lost)}")


def _install(work, tree, release):
    """Image, modules and what builds modules, laid out as Debian's packages have them."""
    boot = work / "boot"
    boot.mkdir()
    shutil.copy(tree / "arch/x86/boot/bzImage", boot / f"vmlinuz-{release}")
    subprocess.run(["objcopy", "--strip-debug", tree / "vmlinux", boot / f"vmlinux-{release}"], check=True)
    _make(tree, "installing modules", f"INSTALL_MOD_PATH={work}", "modules_install")
    for name in "build", "source":
        (work / f"lib/modules/{release}" / name).unlink(missing_ok=True)
    kdir = work / f"usr/src/linux-headers-{release}"
    for folder, _, files in os.walk(tree):
        for file in files:
            path = os.path.relpath(os.path.join(folder, file), tree)
            if KDIR.fullmatch(path) and not path.endswith((".o", ".cmd")):
                target = kdir / path
                target.parent.mkdir(parents=True, exist_ok=True)
                os.rename(tree / path, target)
    shutil.rmtree(tree)


def _make(tree, name, *arguments, on_line=None):
    # No KBUILD_VERBOSE or the like from outside; the same date gives the same kernel.
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "KBUILD_BUILD_TIMESTAMP": "2020-01-01",
           "KBUILD_BUILD_USER": "vepyc", "KBUILD_BUILD_HOST": "vepyc"}
    logged.run(["make", *arguments], tree, name, "a debug kernel", on_line=on_line, env=env)

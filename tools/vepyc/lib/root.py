# SPDX-License-Identifier: GPL-2.0-only
"""L1's root: an initramfs of busybox, our /init and the kernel modules that runs need.

The base (the same for every run of one kernel) is cached; a run appends its overlays, its
module and its orders to it.
"""

import hashlib
import io
import lzma
import re
import shlex

import cache
import cpio
import kernel as kernels
from archive import Release
from ui import Fail, step

FOLDERS = ["bin", "dev", "etc", "lib", "lib/modules", "proc", "root", "run", "sbin", "sys", "tmp", "usr",
           "usr/bin", "usr/sbin", "var", "var/tmp", "vepyc"]
MODULES = ["virtio_pci", "virtio_console", "ccp", "irqbypass", "kvm", "kvm_amd"]
# What COMMAND may ask for by modprobe; a debug kernel has not all of it.
MORE_MODULES = ["virtio_net", "virtio_blk", "virtio_rng", "tun", "vhost_net", "msr", "cpuid"]
INIT = cache.SOURCE / "init"


def base(kernel):
    """The cached part of the root, as a file."""
    parts = repr((FOLDERS, MODULES, MORE_MODULES, kernel.release))
    key = hashlib.sha256(INIT.read_bytes() + parts.encode()).hexdigest()[:16]
    file = cache.home() / "roots" / f"{kernel.release}-{key}.cpio"
    with cache.lock("root"):
        if not file.exists():
            busybox_file = busybox()
            with step(f"making the root for {kernel.release}"):
                folder = cache.directory("roots")
                cache.keep_newest(folder, f"{kernel.release}-*", 3)     # another tree may have its own
                partial = folder / f".{file.name}"
                with open(partial, "wb") as output:
                    _write_base(cpio.Writer(output), kernel, busybox_file)
                partial.rename(file)
    return file


def busybox():
    """Debian's static busybox, fetched and unpacked, not installed."""
    folder = cache.home() / "busybox"
    if not folder.is_dir():
        with cache.appearing(folder) as work:
            Release(kernels.DEBIAN).extract(["busybox-static"], work)
    found = [file for file in (folder / "bin/busybox", folder / "usr/bin/busybox") if file.is_file()]
    if not found:
        raise Fail(f"Debian's busybox-static holds no busybox; remove {folder} and try again")
    return found[0]


def _write_base(out, kernel, busybox_file):
    for name in FOLDERS:
        out.directory(name)
    out.device("dev/console", 5, 1)
    out.data("bin/busybox", busybox_file.read_bytes(), 0o755)
    out.symlink("bin/sh", "busybox")
    out.data("init", INIT.read_bytes(), 0o755)
    out.data("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    out.data("etc/group", b"root:x:0:\n")
    out.data("etc/hosts", b"127.0.0.1 localhost\n")
    write_modules(out, kernel, MODULES, MORE_MODULES)
    out.end()


def write_modules(out, kernel, names, optional=()):
    """The modules and all that they need, with the index that modprobe reads."""
    files = {}
    for path in (kernel.modules / "kernel").rglob("*.ko*"):
        files[path.name.split(".ko")[0].replace("-", "_")] = path
    index = (kernel.modules / "modules.builtin").read_text(encoding="ascii")
    builtin = {line.rsplit("/", 1)[-1][:-3].replace("-", "_") for line in index.split()}

    contents, needs = {}, {}

    def add(name):
        if name in contents or name in builtin:
            return
        if name not in files:
            raise Fail(f"kernel {kernel.release} has no module {name}")
        content = files[name].read_bytes()
        if files[name].suffix == ".xz":
            content = lzma.decompress(content)
        contents[name] = content
        needs[name] = [one.replace("-", "_") for one in _depends(content)]
        for other in needs[name]:
            add(other)

    for name in names:
        add(name)
    for name in optional:
        if name in files:
            add(name)

    def closure(name):
        """In modprobe's order: what is loaded last comes first."""
        found = []
        for other in needs[name]:
            for one in [other, *closure(other)]:
                if one in found:
                    found.remove(one)
                found.append(one)
        return [one for one in found if one not in builtin]

    folder = f"lib/modules/{kernel.release}"
    out.directory(folder)
    out.data(f"{folder}/modules.builtin", index.encode())
    dependencies = []
    for name in sorted(contents):
        out.data(f"{folder}/{name}.ko", contents[name])
        dependencies.append(f"{name}.ko: {' '.join(f'{one}.ko' for one in closure(name))}".rstrip())
    out.data(f"{folder}/modules.dep", "".join(f"{line}\n" for line in dependencies).encode())
    for name in "modules.alias", "modules.symbols":
        out.data(f"{folder}/{name}", b"")


def _depends(module):
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return found[1].decode().split(",") if found and found[1] else []


def run_part(settings, command, overlays, module):
    """What is appended for one run: overlays, the module under test, and init's orders."""
    memory = io.BytesIO()
    out = cpio.Writer(memory)
    for overlay in overlays:
        out.tree(overlay)
    if module:
        out.data("sevm.ko", module.read_bytes())
    out.directory("vepyc")
    out.data("vepyc/settings", "".join(f"{key}={shlex.quote(str(value))}\n"
                                       for key, value in settings.items()).encode())
    out.data("vepyc/command", f"exec {shlex.join(command)}\n".encode())
    out.end()
    return memory.getvalue()

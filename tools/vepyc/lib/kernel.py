# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernels, fetched and unpacked, not installed; and debug kernels of the same source.

`kernels/<series>` names the release in use, `kernels/<release>/` holds its image,
modules and headers, with the absolute paths in the headers made relative.
"""

import lzma
import platform
import re
import struct

import cache
import debug
from archive import Release
from ui import Fail

DEBIAN = "bookworm"                 # has both: 6.1 its own, 6.12 from the security archive
SERIES = {"6.1": r"linux-image-(6\.1\.0-\d+-amd64)", "6.12": r"linux-image-(6\.12\.\d+\+deb12-amd64)"}
DEBUG = "-debug"                    # after a series: lib/debug.py's kernel of it
NAMES = [*SERIES, *(series + DEBUG for series in SERIES)]


class Kernel:
    """One unpacked kernel: where its parts are."""

    def __init__(self, release):
        self.release = release
        self.root = cache.home() / "kernels" / release
        self.image = self.root / f"boot/vmlinuz-{release}"
        self.fast_image = self.root / f"boot/vmlinux-{release}"
        self.modules = self.root / f"lib/modules/{release}"
        self.kdir = self.root / f"usr/src/linux-headers-{release}"


def get(series, update=False):
    """The kernel of a series: the one at hand, or (none yet, or update) Debian's newest."""
    if series.endswith(DEBUG):
        return _get_debug(series, update)
    pointer = cache.home() / "kernels" / series
    with cache.lock("kernel"):
        if pointer.is_file() and not update:
            kernel = Kernel(pointer.read_text(encoding="ascii").strip())
            if kernel.root.is_dir():
                return kernel
        archive = Release(DEBIAN)
        matches = (re.fullmatch(SERIES[series], name) for name in archive.names("linux-image-"))
        releases = [match[1] for match in matches if match]
        if not releases:
            raise Fail(f"Debian {DEBIAN} has no kernel {series} for amd64")
        kernel = Kernel(max(releases, key=lambda release: list(map(int, re.findall(r"\d+", release)))))
        if not kernel.root.is_dir():
            _fetch(archive, kernel)
        cache.write(pointer, f"{kernel.release}\n")
        return kernel


def _get_debug(name, update):
    pointer = cache.home() / "kernels" / name
    with cache.lock(f"kernel-{name}"):              # of its own: nobody else waits for such a build
        release = pointer.read_text(encoding="ascii").strip() if pointer.is_file() else ""
        kernel = Kernel(release)
        if update or not debug.is_current(release) or not kernel.root.is_dir():
            kernel = Kernel(debug.build(DEBIAN, name.removesuffix(DEBUG), lambda one: Kernel(one).root))
            cache.write(pointer, f"{kernel.release}\n")
        return kernel


def _fetch(archive, kernel):
    headers = f"linux-headers-{kernel.release}"
    packages = [f"linux-image-{kernel.release}", headers]
    packages += [name for name in archive.depends(headers) if re.match(r"linux-(headers|kbuild)-", name)]
    with cache.appearing(kernel.root) as work:
        archive.extract(packages, work)
        _relocate(work, kernel.release)
        _unpack_image(work / kernel.image.relative_to(kernel.root), work / kernel.fast_image.relative_to(kernel.root))


def _relocate(work, release):
    """Headers that work from where they are: no path of theirs may be absolute."""
    kdir = work / f"usr/src/linux-headers-{release}"
    makefile = kdir / "Makefile"
    text = makefile.read_text(encoding="utf-8")
    here = "$(dir $(abspath $(lastword $(MAKEFILE_LIST))))"
    makefile.write_text(re.sub(r"^include /usr/src/", f"include {here}../", text, flags=re.M), encoding="utf-8")
    (kdir / "vmlinux").unlink(missing_ok=True)  # 6.12's types: with them a build of a module wants pahole
    for name in "build", "source":
        link = work / f"lib/modules/{release}" / name
        if link.is_symlink():
            target = link.readlink()
            link.unlink()
            link.symlink_to(f"../../..{target}" if target.is_absolute() else target)
    variables = kdir / ".kernelvariables"
    if variables.is_file():                     # Debian 13 has another compiler, which does as well
        text = variables.read_text(encoding="utf-8")
        text = text.replace(")gcc-12", ")$(if $(wildcard /usr/bin/gcc-12),gcc-12,gcc)")
        variables.write_text(text, encoding="utf-8")


def _unpack_image(image, target):
    """The ELF file in a bzImage. QEMU boots either; unpacking xz there costs two seconds a boot."""
    content = image.read_bytes()
    offset, length = struct.unpack_from("<II", content, 0x248)      # of the payload; see Linux, x86/boot.rst
    start = (content[0x1f1] + 1) * 512 + offset
    payload = content[start:start + length]
    if payload.startswith(b"\xfd7zXZ\0"):
        target.write_bytes(lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(payload))
    else:
        target.symlink_to(image.name)           # 6.12's zstd is quick there, and unknown to Python here


def host_check():
    if platform.machine() != "x86_64":
        raise Fail(f"vepyc runs on x86_64 hosts, not on {platform.machine()}")

# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages with all that they depend on, unpacked into an overlay for L1.

Nothing is installed and no maintainer script runs: it is files, for programs that need no
more (QEMU, say). What only people read is left out. An overlay stays as it is once made.
"""

import hashlib
import shutil

import cache
from archive import Release
from ui import step

# Not for L1: documents, translations, tables for desktops.
LEFT_OUT = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian",
            "usr/share/xml", "usr/share/iso-codes", "usr/share/icons", "usr/share/applications", "usr/share/bug",
            "usr/share/bash-completion", "usr/share/debconf", "usr/share/perl5", "usr/lib/x86_64-linux-gnu/perl-base",
            "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/systemd", "lib/systemd", "etc", "var"]


def get(release, names):
    """The folder, for `vepyc run --overlay`; its file usr/share/vepyc-packages has the versions."""
    key = hashlib.sha256(repr((release, sorted(names), LEFT_OUT)).encode()).hexdigest()[:16]
    folder = cache.home() / "packages" / f"{release}-{key}"
    with cache.lock("packages"):
        if not folder.is_dir():
            with cache.appearing(folder) as work:
                found = Release(release).install(names, work)
                with step(f"preparing {', '.join(names)} for L1"):
                    for name in LEFT_OUT:
                        shutil.rmtree(work / name, ignore_errors=True)
                    _merge(work)
                    (work / "usr/share/vepyc-packages").write_text("\n".join(found) + "\n", encoding="ascii")
    return folder


def _merge(root):
    """Debian's base makes these names links into /usr; here programs look for their loader by one."""
    for name in "lib", "lib64":
        source = root / "usr" / name
        if source.is_dir():
            shutil.copytree(source, root / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(source)
        if (root / name).is_dir():
            source.symlink_to(f"../{name}")

# SPDX-License-Identifier: GPL-2.0-only
"""The emulated machine: Debian's QEMU 10.0 with patches/ and qemu/, built for x86_64 alone.

qemu/ holds our own files, in QEMU's layout; patches/ change files of QEMU's. No file is in
both: what QEMU's source has not is ours. A build is kept in the cache under a digest of what
goes into it: the QEMU series, the patches, our files and the options below.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import cache
import logged
from archive import Release
from ui import Fail, say, step

SERIES = "10.0"                     # the newest 10.0.x that Debian has
DEBIAN = "trixie"                   # ... in this release
ROM_PACKAGES = ["seabios", "qemu-system-data"]
ROMS = ["bios-256k.bin", "linuxboot_dma.bin", "pvh.bin", "kvmvapic.bin"]
BUILD_PACKAGES = ["gcc", "libc6-dev", "make", "ninja-build", "pkgconf", "patch", "xz-utils", "flex", "bison",
                  "libglib2.0-dev", "libssl-dev", "zlib1g-dev", "python3-venv", "python3-setuptools"]
CONFIGURE = ["--python=/usr/bin/python3", "--target-list=x86_64-softmmu", "--without-default-features",
             "--without-default-devices", "--with-devices-x86_64=vepyc", "--enable-tcg", "--disable-docs",
             "--disable-tools", "--disable-guest-agent", "--disable-pixman", "--disable-fdt",
             "--disable-install-blobs"]
BUILDS_KEPT = 4
PATCHES = cache.SOURCE / "patches"
OURS = cache.SOURCE / "qemu"


def binary():
    """The QEMU to run and the folder of its ROMs, made first if need be."""
    own = os.environ.get("VEPYC_QEMU")
    if own and not os.access(own, os.X_OK):
        raise Fail(f"VEPYC_QEMU={own} is not a program")
    return own or build() / "qemu-system-x86_64", roms()


def digest():
    what = hashlib.sha256(repr((SERIES, DEBIAN, CONFIGURE)).encode())
    for path in [*series(), *(OURS / name for name in ours())]:
        content = path.read_bytes()
        what.update(f"{path.relative_to(cache.SOURCE)}\0{len(content)}\0".encode() + content)
    return what.hexdigest()[:16]


def series():
    return sorted(PATCHES.glob("*.patch"))


def ours():
    """The names of our own files, as QEMU's source would have them; not what an editor left there."""
    return [str(path.relative_to(OURS)) for path in sorted(OURS.rglob("*"))
            if path.is_file() and not re.search(r"^\.|~$|\.orig$|\.rej$", path.name)]


def add_ours(source):
    """Put our own files into QEMU's source."""
    for name in ours():
        target = source / name
        if target.exists():
            raise Fail(f"tools/vepyc/qemu/{name}: QEMU or a patch has a file of this name already. Ours needs another "
                       "name; a change of QEMU's is a patch (tools/vepyc/README.md, QEMU)")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(OURS / name, target)


def build():
    """Build it unless that is done already; the folder that holds it."""
    folder = cache.home() / digest()
    if folder.is_dir():
        return folder
    with cache.lock("build"):
        if folder.is_dir():
            return folder
        say(f"building the emulated machine, once: QEMU {SERIES} and {len(series())} patches (a few minutes)")
        _need_build_packages()
        with cache.appearing(folder) as work:
            source, objects = work / "source", work / "build"
            source.mkdir()
            objects.mkdir()
            version = unpack(source)
            for patch in series():
                _run(["patch", "-p1", "--batch", "--no-backup-if-mismatch", "-i", patch], source, patch.name)
            add_ours(source)
            with step("configuring"):
                _run([source / "configure", *CONFIGURE], objects, "configure", env=_environment(work))
            with step("compiling") as progress:
                _run(["ninja", "qemu-system-x86_64"], objects, "ninja", progress, env=_environment(work))
            shutil.move(objects / "qemu-system-x86_64", work)
            subprocess.run(["strip", "--strip-debug", work / "qemu-system-x86_64"], check=True)
            (work / "version").write_text(f"{version}\n", encoding="ascii")
            for name in "source", "build", "meson":
                shutil.rmtree(work / name, ignore_errors=True)
        _forget_old(folder)
        return folder


def _forget_old(current):
    """Keep a few builds: who goes back to another branch finds its own."""
    builds = [path for path in cache.home().iterdir() if re.fullmatch(r"[0-9a-f]{16}|\.[0-9a-f]{16}\..*", path.name)]
    builds.sort(key=lambda path: path.stat().st_mtime)
    for path in builds[:-BUILDS_KEPT]:
        if path != current:
            shutil.rmtree(path, ignore_errors=True)


def unpack(target):
    """Debian's source of QEMU, as it is; its version."""
    return Release(DEBIAN, with_sources=True).source("qemu", SERIES, target)


def checkpatch():
    """QEMU's scripts/checkpatch.pl."""
    folder = cache.home() / "qemu-checkpatch"
    with cache.lock("qemu-checkpatch"):
        if not folder.is_dir():
            with cache.appearing(folder) as work, tempfile.TemporaryDirectory(dir=work) as source:
                unpack(source)
                shutil.copy(Path(source) / "scripts/checkpatch.pl", work)
    return folder / "checkpatch.pl"


def roms():
    """A boot needs the BIOS and the ROM that loads a kernel: Debian's source has neither."""
    folder = cache.home() / "rom"
    with cache.lock("rom"):
        if not folder.is_dir():
            with cache.appearing(folder) as work, tempfile.TemporaryDirectory(dir=work) as data:
                Release(DEBIAN).extract(ROM_PACKAGES, data)
                for name in ROMS:
                    found = [file for file in Path(data).rglob(name) if file.is_file()]
                    if not found:
                        raise Fail(f"Debian {DEBIAN}'s packages {' and '.join(ROM_PACKAGES)} hold no {name}")
                    shutil.copy(found[0], work)
    return folder


def _environment(work):
    """Debian 12's meson is too old for QEMU 10: use trixie's, unpacked, on both."""
    folder = work / "meson"
    if not folder.is_dir():
        Release(DEBIAN).extract(["meson"], folder)
    path = "/usr/sbin:/usr/bin:/sbin:/bin"          # the system's compiler and Python, not a version manager's
    return {**os.environ, "PATH": path, "PYTHONPATH": str(folder / "usr/lib/python3/dist-packages")}


def _run(command, cwd, name, progress=None, env=None):
    """Run one step of the build; ninja's counter is its progress."""
    def on_line(line):
        counter = re.match(r"\[(\d+/\d+)\]", line)
        if progress and counter:
            progress.counter(counter[1])

    hint = (f"the series no longer fits Debian's QEMU {SERIES}.x: see tools/vepyc/README.md, QEMU"
            if command[0] == "patch" else "the lines above say why")
    logged.run(command, cwd, name, "QEMU", hint, on_line, env)


def _need_build_packages():
    install_packages(BUILD_PACKAGES, "building QEMU")


def install_packages(packages, purpose):
    """Install what the host lacks if that needs no password; else say how."""
    if not shutil.which("dpkg-query"):
        raise Fail(f"{purpose} needs Debian 12 or 13 (no dpkg-query here)")
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages],
                          capture_output=True, text=True, check=False)
    missing = [name for name in packages if f"{name} installed" not in done.stdout.splitlines()]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        command.insert(0, "sudo")
        if not shutil.which("sudo") or subprocess.run(["sudo", "-n", "true"], capture_output=True,
                                                      check=False).returncode:
            raise Fail(f"{purpose} needs packages that are not installed. As root:\n  {shlex.join(command[1:])}")
    with step(f"installing {' '.join(missing)}"):
        prefix = ["sudo"] if command[0] == "sudo" else []
        subprocess.run([*prefix, "apt-get", "-qq", "update"], capture_output=True, check=False)
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    if done.returncode:
        raise Fail(f"{done.stdout[-2000:]}{done.stderr[-2000:]}\n{shlex.join(command)} failed: "
                   "run it by hand, then try again")


# --- working on QEMU --------------------------------------------------------

def develop(target):
    """A git tree: Debian's QEMU, a commit with our own files, then one commit for each patch."""
    target = Path(target).absolute()
    if target.exists():
        raise Fail(f"{target} exists already")
    target.mkdir(parents=True)
    version = unpack(target)
    _git(target, "init", "-q")
    _git(target, "add", "--force", ".")
    _git(target, "commit", "-q", "-m", f"qemu {version}")
    add_ours(target)
    if ours():
        _git(target, "add", "--force", "--", *ours())
        _git(target, "commit", "-q", "-m", "vepyc: files of our own (tools/vepyc/qemu/; no patch)")
    try:
        if series():
            _git(target, "am", "-q", "--whitespace=nowarn", *series())
    except Fail as failure:
        patch = series()[int((target / ".git/rebase-apply/next").read_text(encoding="ascii")) - 1]
        raise Fail(f"{patch.name} does not fit QEMU {version}. Mend it there:\n"
                   f"  cd {target} && git apply --reject {patch}\n"
                   "  ... do what the .rej files say, git add -u, git am --continue\n"
                   f"Then export it: tools/vepyc/vepyc export {target}", status=1) from failure
    print(f"""{target}: QEMU {version}, {len(ours())} files of our own, {len(series())} patches.
To build it (meson >= 1.5 is needed):
  mkdir build && cd build && ../configure {shlex.join(CONFIGURE)} && ninja qemu-system-x86_64
To run it:     VEPYC_QEMU={target}/build/qemu-system-x86_64 tools/vepyc/vepyc run -- true
To export it:  tools/vepyc/vepyc export {target}""")


def export(tree):
    """Replace patches/ by the commits of a tree that `vepyc dev` made, and qemu/ by those of its files that QEMU has not,
    as they are there, committed or not. A commit may touch both: its patch is what it does to files of QEMU's.
    """
    base = _git(tree, "rev-list", "--max-parents=0", "HEAD").split()
    if len(base) != 1 or not _git(tree, "log", "-1", "--format=%s", base[0]).startswith("qemu "):
        raise Fail(f"{tree} is no tree that `vepyc dev` made")
    span = f"{base[0]}..HEAD"
    if any((Path(tree) / ".git" / name).exists() for name in ("rebase-apply", "rebase-merge")):
        raise Fail(f"{tree} has a `git am` or `git rebase` under way: finish that first")
    if _git(tree, "rev-list", "--merges", span):
        raise Fail(f"{tree} has a merge among its commits, which is no patch: rebase it")
    theirs = set(_names(tree, "ls-tree", "-r", "--name-only", base[0]))
    changed = [name for name in _names(tree, "diff", "--no-renames", "--name-only", "HEAD") if name in theirs]
    if changed:
        raise Fail(f"changed, but not committed, so in no patch: {' '.join(changed)}")
    mine = [name for name in _names(tree, "ls-files") if name not in theirs and (Path(tree) / name).is_file()]
    ever = set(_names(tree, "log", "--no-renames", "--format=", "--name-only", span)) - theirs
    with tempfile.TemporaryDirectory(dir=cache.SOURCE) as work:
        patches, files = Path(work) / "patches", Path(work) / "qemu"
        _git(tree, "format-patch", "-q", "--zero-commit", "--no-signature", "--no-numbered", "--no-renames",
             "--abbrev=12", "-o", patches, span, "--", ".", *(f":(exclude,literal){name}" for name in sorted(ever)))
        for name in mine:
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(tree) / name, files / name)
        for old, new in (PATCHES, patches), (OURS, files):
            shutil.rmtree(old, ignore_errors=True)
            new.mkdir(exist_ok=True)
            new.rename(old)
    print(f"tools/vepyc/patches: {len(series())} patches\ntools/vepyc/qemu: {len(ours())} files")
    unknown = _names(tree, "ls-files", "--others", "--exclude-standard")
    if unknown:
        say(f"left out, since git does not know them there (git add): {' '.join(unknown)}")


def _names(tree, *arguments):
    """The names of files that a git command prints."""
    command, *rest = arguments
    return [name for name in _git(tree, command, "-z", *rest).split("\0") if name]


def _git(tree, *arguments):
    done = subprocess.run(["git", "-C", tree, "-c", "commit.gpgsign=false", *arguments], text=True,
                          stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise Fail(f"git {arguments[0]} failed in {tree}", status=1)
    return done.stdout

# SPDX-License-Identifier: GPL-2.0-only
"""Debian's archive, through an apt of our own.

apt's configuration, lists and cache live in the cache directory, its sources name one
Debian release, and its signature check is on. The system's sources, lists and packages
are neither changed nor needed. The mirror is the one that the system itself uses.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import cache
from ui import Fail, step

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# Read after the system's own configuration (proxies stay), so that it wins.
CONFIG = """\
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Log "{root}/log";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "{user}";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


def mirrors():
    """The URIs of Debian's archive and of its security archive."""
    given = os.environ.get("VEPYC_MIRROR", "").split()
    main, security = (given + [None, None])[:2]
    for uri, is_security in [] if main else _known_targets() + _configured_sources():
        if is_security:
            security = security or uri
        else:
            main = main or uri
    if not main:
        raise Fail("no Debian mirror found in apt's configuration; "
                   "set VEPYC_MIRROR to the URI of one (what stands before the suite in sources.list)")
    return main, security or main.rstrip("/") + "-security"


def _known_targets():
    """What apt knows of the sources whose lists it has fetched."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)"],
                          capture_output=True, text=True, check=False)
    rows = [line.split("|", 2) for line in done.stdout.splitlines()]
    return [(uri, label == "Debian-Security") for origin, label, uri in rows
            if origin == "Debian" and label in ("Debian", "Debian-Security")]


def _configured_sources():
    """The same from the sources files, for a system that has fetched no list yet."""
    found = []
    parts = Path("/etc/apt/sources.list.d")
    for file in [Path("/etc/apt/sources.list"), *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))]:
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if file.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", text):
                fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*)$", stanza, re.M))
                found += [(uri, fields.get("Suites", "")) for uri in fields.get("URIs", "").split()]
        else:
            found += re.findall(r"^deb(?:-src)?\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", text, re.M)
    # Others use Debian's suite names too: a path that ends as Debian's does goes first.
    found = [(uri, "-security" in suites) for uri, suites in found
             if re.search(r"\b(bookworm|trixie|(old)?stable)\b", suites)]
    return sorted(found, key=lambda source: not re.search(r"/debian(-security)?/?$", source[0]))


class Release:
    """One Debian release, as an apt of our own sees it."""

    def __init__(self, name, with_sources=False):
        self.name = name
        self.kinds = {"deb": "Packages"} | ({"deb-src": "Sources"} if with_sources else {})
        self.root = cache.directory("apt", name)
        self.fresh = False

    def _apt(self, tool, *arguments, cwd=None):
        if not shutil.which(tool):
            raise Fail(f"{tool} not found: vepyc needs Debian's package tools on the host (Debian 12 or 13)")
        done = subprocess.run([tool, "-qq", "-c", self.root / "apt.conf", *arguments], cwd=cwd,
                              capture_output=True, text=True, check=False,
                              env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})
        if done.returncode:
            raise Fail(f"{tool} {' '.join(arguments)} failed for Debian {self.name}:\n"
                       f"{(done.stderr or done.stdout).strip()}\n"
                       "check the network and apt's mirror, or set VEPYC_MIRROR to the URI of another one")
        return done.stdout

    def update(self):
        """Fetch the lists, once per process."""
        if self.fresh:
            return
        if not Path(KEYRING).exists():
            raise Fail(f"{KEYRING} is missing: apt-get install debian-archive-keyring")
        main, security = mirrors()
        sources = []
        for uri, suite in (main, self.name), (security, f"{self.name}-security"):
            for kind, targets in self.kinds.items():
                sources.append(f"{kind} [arch=amd64 targets={targets} signed-by={KEYRING}] {uri} {suite} main\n")
        for folder in "state/lists/partial", "cache/archives/partial", "log":
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        cache.write(self.root / "sources.list", "".join(sources))
        user = "root" if os.geteuid() == 0 else "_apt"
        cache.write(self.root / "apt.conf", CONFIG.format(root=self.root, user=user))
        with step(f"reading Debian {self.name}'s package lists"):
            with cache.lock(f"apt-{self.name}"):
                self._apt("apt-get", "update")
        self.fresh = True

    def names(self, prefix):
        """The names of the packages that begin so."""
        self.update()
        return self._apt("apt-cache", "pkgnames", prefix).split()

    def depends(self, package):
        """The names that a package depends on."""
        self.update()
        return re.findall(r"Depends: (\S+)", self._apt("apt-cache", "depends", package))

    def extract(self, packages, target):
        """Fetch packages, signatures checked, and unpack them below target."""
        self.update()
        folder = cache.directory("apt", self.name, "fetched")
        for package in packages:
            with cache.lock(f"apt-{self.name}"), step(f"fetching {package}"):
                for file in folder.glob("*"):
                    file.unlink()
                self._apt("apt-get", "download", package, cwd=folder)
                for file in folder.glob("*.deb"):
                    subprocess.run(["dpkg-deb", "-x", file, target], check=True)
                    file.unlink()

    def install(self, packages, target):
        """Fetch packages and all that they depend on, and unpack them; the files' names, with versions."""
        self.update()
        folder = cache.directory("apt", self.name, "cache", "archives")
        with cache.lock(f"apt-{self.name}"), step(f"fetching {', '.join(packages)} of Debian {self.name}"):
            for file in folder.glob("*.deb"):
                file.unlink()
            self._apt("apt-get", "install", "--yes", "--download-only", *packages)
            files = sorted(folder.glob("*.deb"))
            for file in files:
                subprocess.run(["dpkg-deb", "-x", file, target], check=True)
                file.unlink()
        return [file.stem for file in files]

    def source(self, package, version, target):
        """Fetch and unpack a package's upstream tarball, if it is of that version."""
        self.update()
        folder = cache.directory("apt", self.name, "fetched")
        with cache.lock(f"apt-{self.name}"), step(f"fetching the source of {package} {version}"):
            for file in folder.glob("*"):
                file.unlink()
            self._apt("apt-get", "source", "--tar-only", "--download-only", package, cwd=folder)
            tarballs = list(folder.glob(f"{package}_{version}.*orig.tar.*[xg]z"))
            if len(tarballs) != 1:
                raise Fail(f"Debian {self.name} has no {package} {version}, but "
                           f"{', '.join(file.name for file in folder.glob('*')) or 'nothing'}")
            subprocess.run(["tar", "-xf", tarballs[0], "-C", target, "--strip-components=1", "--no-same-owner"],
                           check=True)
            name = tarballs[0].name
            tarballs[0].unlink()
        return name.split("_")[1].split(".orig")[0]

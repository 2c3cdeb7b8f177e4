# SPDX-License-Identifier: GPL-2.0-only
"""The cache directory: where things are, who may write them, how they appear at once.

Nothing in it is precious: remove it, or any part of it, and it is made again.
"""

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from pathlib import Path

from ui import Fail, say

SOURCE = Path(__file__).resolve().parent.parent     # tools/vepyc


def home():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vepyc"


def directory(*names):
    path = home().joinpath(*names)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Fail(f"cannot write the cache: {error}; set XDG_CACHE_HOME to a directory of yours") from error
    return path


@contextlib.contextmanager
def lock(name):
    """One process at a time; the lock goes with the process that holds it."""
    with open(directory("locks") / name, "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another vepyc ({name})")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def appearing(path):
    """A directory to fill, which becomes `path` if all goes well, and goes away if not.

    To be used under a lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*"):    # by one that was killed
        shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    work.chmod(0o755)
    try:
        yield work
        if path.exists():
            shutil.rmtree(path)
        work.rename(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write(path, text):
    """Replace a small file at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
    os.replace(file.name, path)


def keep_newest(folder, pattern, count):
    """Remove all but the newest `count` files of that name. Another machine may start and do so, too."""
    found = []
    for file in folder.glob(pattern):
        try:
            found.append((file.stat().st_mtime, file))
        except FileNotFoundError:
            continue
    for _, file in sorted(found)[:-count]:
        file.unlink(missing_ok=True)


sys.pycache_prefix = str(home() / "pyc")            # none in the source tree

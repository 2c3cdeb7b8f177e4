# SPDX-License-Identifier: GPL-2.0-only
"""Writing cpio archives in the form that Linux unpacks as its initial root ("newc").

All files belong to root there, whoever owns them here. Archives may be put one after the
other; what comes later replaces what came before.
"""

import os
import stat


class Writer:
    """Adds entries to a binary file."""

    def __init__(self, file):
        self.file = file
        self.inode = 0

    def _entry(self, name, mode, content=b"", device=(0, 0)):
        self.inode += 1
        name = os.fsencode(name) + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0]
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        self._padded(header + name)
        self._padded(content)

    def _padded(self, data):
        self.file.write(data)
        self.file.write(bytes(-len(data) % 4))      # every record starts at a multiple of 4

    def directory(self, name, mode=0o755):
        self._entry(name, stat.S_IFDIR | mode)

    def data(self, name, content, mode=0o644):
        self._entry(name, stat.S_IFREG | mode, content)

    def symlink(self, name, target):
        self._entry(name, stat.S_IFLNK | 0o777, os.fsencode(target))

    def device(self, name, major, minor):
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def tree(self, root):
        """Everything below a directory: directories, files and symbolic links."""
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(folders + files):
                path = os.path.join(folder, name)
                inside = os.path.relpath(path, root)
                status = os.lstat(path)
                if stat.S_ISLNK(status.st_mode):
                    self.symlink(inside, os.readlink(path))
                elif stat.S_ISDIR(status.st_mode):
                    self.directory(inside, stat.S_IMODE(status.st_mode))
                elif stat.S_ISREG(status.st_mode):
                    with open(path, "rb") as file:
                        self.data(inside, file.read(), stat.S_IMODE(status.st_mode))

    def end(self):
        self._entry("TRAILER!!!", 0)
        self.file.write(bytes(-self.file.tell() % 512))

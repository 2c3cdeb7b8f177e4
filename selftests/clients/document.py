# SPDX-License-Identifier: GPL-2.0-only
"""docs/clients.md and the logs: what it quotes comes from them.

In the document, `<!-- LOG CASE -->` (say clients-boot-sevm-6.12 boot.two_cpus) stands before an
indented block: the client's command line in that case, and what it and its guest said. And
`<!-- times -->` stands before the table of timing.py's figures.
"""

import re
import statistics

from jobs import KERNELS, TOP

DOCUMENT = TOP / "docs/clients.md"
LOGS = TOP / "build/log"
QUOTE = re.compile(r"(?<=<!-- )(clients-[\w.-]+) (\S+) -->\n\n((?:    .*\n|\n(?=    ))*)")
TIMES = re.compile(r"(?<=<!-- times -->\n\n)(?:\|.*\n)*")
REGISTERS = re.compile(r"[A-Z0-9 ]{3,6}=")       # of QEMU's dump, where there is one
UNSUPPORTED = "warning: host doesn't support requested feature"


def said(log, case):
    """What the log has of a case: its lines, '$ ' before a command; None if there is nothing."""
    path = LOGS / f"{log}.log"
    if not path.exists():
        return None
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# $ "):
            lines.append(line[2:])
        elif line.startswith("# | "):
            lines.append(line[4:])
        elif match := re.match(r"(not )?ok \d+ (\S+)", line):
            if match[2] == case:
                return None if match[1] else lines
            lines = []
    return None


def wrapped(command):
    """In lines that a shell joins, each option beside its value."""
    lines = [""]
    for part in re.split(r" (?=--?[a-z])", command):
        if len(lines[-1]) + len(part) > 110:
            lines.append("   ")
        lines[-1] += f" {part}" if lines[-1] else part
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def quote(lines):
    """Fit for the document: long commands wrapped so that they can still be pasted, QEMU's warnings counted."""
    warnings = sum(UNSUPPORTED in line for line in lines)
    out, counted = [], False
    for line in lines:
        if line.startswith("$ "):
            out += wrapped(line)
        elif UNSUPPORTED in line:
            if not counted:
                out.append(f"({warnings} times: {line.split(' ')[0]} {UNSUPPORTED}: …)")
            counted = True
        elif line.strip() and not re.fullmatch(r"guest \d+# ", line) and not REGISTERS.match(line):
            out.append(line.rstrip()[:150])
    return "".join(f"    {line}\n" for line in out)


def commands(block):
    """The command lines of a quotation, each in one line; keys and digests are others each time."""
    return re.findall(r"^ *\$ .*", re.sub(r"[\w+/=]{40,}", "…", re.sub(r" \\\n +", " ", block)), re.M)


def figures(log):
    """{hypervisor: [nanoseconds]} of a log of timing.py."""
    found = {"sevm": [], "kvm": []}
    path = LOGS / f"{log}.log"
    for hypervisor, took in re.findall(r"^time (\w+) (\d+)$", path.read_text(encoding="utf-8") if path.exists() else "", re.M):
        found[hypervisor].append(int(took))
    return found


def times():
    """The rows of the table, or None where a figure is missing; printed, too."""
    rows = ["| host | measured in | runs | sevm: median (min to max) | KVM: median (min to max) | ratio |",
            "|---|---|--:|--:|--:|--:|"]
    for kind, unit in ("icount", "10⁹ instructions"), ("wall", "seconds"):
        for series in KERNELS:
            found = figures(f"clients-time-{kind}-{series}")
            if not all(found.values()):
                continue
            cells = [f"{statistics.median(took) / 1e9:.2f} ({min(took) / 1e9:.2f} to {max(took) / 1e9:.2f})"
                     for took in found.values()]
            ratio = statistics.median(found["sevm"]) / statistics.median(found["kvm"])
            rows.append(f"| Linux {series} | {unit} | {min(map(len, found.values()))} | {' | '.join(cells)} | {ratio:.2f} |")
    return rows


def write():
    """Take what the logs have into the document; what they do not have stays as it is."""
    text = DOCUMENT.read_text(encoding="utf-8")

    def one(match):
        lines = said(match[1], match[2])
        if lines is None:
            print(f"docs/clients.md: {match[1]} has no {match[2]} that passed; its text stays")
            return match[0]
        return f"{match[1]} {match[2]} -->\n\n{quote(lines)}" + ("" if match[3] else "\n")

    text = QUOTE.sub(one, text)
    if len(times()) > 2:
        text = TIMES.sub("".join(f"{row}\n" for row in times()), text)
    DOCUMENT.write_text(text, encoding="utf-8")


def stale(logs):
    """The cases whose commands are others in the document than in these logs."""
    found = []
    for log, case, block in QUOTE.findall(DOCUMENT.read_text(encoding="utf-8")):
        lines = said(log, case) if log in logs else None
        if lines is not None and commands(block) != commands(quote(lines)):
            found.append(case)
    return found

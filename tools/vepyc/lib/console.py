# SPDX-License-Identifier: GPL-2.0-only
"""Reading L1's kernel log for trouble: what no run may show, whatever COMMAND says."""

import re

TROUBLE = re.compile(
    r"\] WARNING: |BUG: |kernel BUG at|\bOops\b|Kernel panic|general protection fault[,:]|Call Trace:"
    r"|soft lockup|hard LOCKUP|self-detected stall|detected stalls|rcu_\w+ kthread starved|blocked for more than"
    r"|unable to handle|invalid opcode: |divide error: |double fault|stack segment: |unchecked MSR access"
    r"|refcount_t: |list_(add|del) corruption|Bad page (state|map)"
    # ... of a debug kernel. KASAN and what sleeps in atomic context are `BUG: `, lockdep is `] WARNING: `.
    r"|UBSAN: |unreferenced object 0x|ODEBUG disabled|vepyc: .* turned itself off")
END = re.compile(r"---\[ end (trace|Kernel panic)")
CONTEXT = 70                        # lines shown of one trace


def lines(log):
    return log.read_text(encoding="utf-8", errors="replace").replace("\r", "").splitlines()


def trouble(text):
    """The part of a log, as lines, that begins with the first trouble; empty if there is none."""
    for number, line in enumerate(text):
        if TROUBLE.search(line):
            break
    else:
        return []
    start = number
    while start > 0 and number - start < 3 and "cut here" not in text[start]:
        start -= 1                  # the lines before may say what led to it
    end = min(start + CONTEXT, len(text))
    for position in range(number, end):
        if END.search(text[position]):
            end = position + 1
            break
    shown = text[start:end]
    shown = [line for line in shown if "? srso_alias_return_thunk" not in line]    # between all the others
    rest = sum(1 for line in text[end:] if TROUBLE.search(line))
    return shown + ([f"... and {rest} more lines of trouble after that"] if rest else [])

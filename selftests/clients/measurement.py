#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the owner of a SEV-ES guest on QEMU sees: the measurement, known in advance; a secret for the guest.

The expected digest is computed here from docs/measurement.md and the reset state of a vCPU, and besides by
Debian's virt-qemu-sev-validate (libvirt's), which also packs the secret. Sessions are made by sevm-run.
"""

import base64
import ctypes
import fcntl
import hashlib
import hmac
import json
import mmap
import os
import re
import struct
import subprocess
import uuid
from pathlib import Path

import client
from client import OVMF, Failed, Qemu, case, check, note

POLICY = 5                      # SEV-ES, no debugging
CPU = (25, 1, 1)                # QEMU's EPYC-Milan: family, model, stepping
SECRET_AT = 256 << 20           # in the guest's memory, where neither OVMF nor the kernel puts anything
SECRET_GUID = "c6d13d4b-0e5f-4b6e-9b8e-0f7f3e3a5c11"
CERTIFICATE = 2084              # bytes
PAUSED = ("-S",)
SEVM_RUN = "/tools/sevm-run"


# ---- The digest, in advance ----

def signature(family, model, stepping):
    """CPUID leaf 1, EAX."""
    return ((family - 15) << 20 | (model >> 4) << 16 | 15 << 8 | (model & 15) << 4 | stepping)


def reset_address(firmware):
    """Where OVMF wants its APs: an entry of the table that ends 32 bytes before its end, read backwards."""
    end = len(firmware) - 32
    start = end - int.from_bytes(firmware[end - 18:end - 16], "little")
    end -= 18
    while end > start:
        size = int.from_bytes(firmware[end - 18:end - 16], "little")
        if uuid.UUID(bytes_le=firmware[end - 16:end]) == uuid.UUID("00f771de-1a7e-4fcb-890e-68c77e2fb44e"):
            return int.from_bytes(firmware[end - size:end - size + 4], "little")
        end -= size
    raise Failed("the firmware does not say where APs start")


def vmsa(start, cpu, typed):
    """A vCPU at reset, as QEMU sets it and KVM writes it down.

    typed: KVM_SEV_INIT2 and a VM of type KVM_X86_SEV_ES_VM; KVM_SEV_ES_INIT leaves x87 and SSE zero.
    """
    page = bytearray(4096)

    def segment(at, selector, attributes, base):
        struct.pack_into("<HHIQ", page, at, selector, attributes, 0xffff, base)

    for at in 0x00, 0x20, 0x30, 0x40, 0x50:             # ES, SS, DS, FS, GS: data, present
        segment(at, 0, 0x93, 0)
    segment(0x10, 0xf000, 0x9b, start & 0xffff0000)     # CS
    segment(0x70, 0, 0x82, 0)                           # LDTR
    segment(0x90, 0, 0x8b, 0)                           # TR
    for at in 0x60, 0x80:                               # GDTR, IDTR
        segment(at, 0, 0, 0)
    for at, value in {
            0x0d0: 1 << 12,                             # EFER: SVME
            0x148: 1 << 6,                              # CR4: MCE, if the host has it
            0x158: 1 << 4,                              # CR0: ET
            0x160: 0x400, 0x168: 0xffff0ff0,            # DR7, DR6
            0x170: 2, 0x178: start & 0xffff,            # RFLAGS, RIP
            0x268: 0x0007040600070406,                  # PAT
            0x310: signature(*cpu),                     # RDX
            0x3e8: 1}.items():                          # XCR0
        struct.pack_into("<Q", page, at, value)
    if typed:
        struct.pack_into("<I4xH", page, 0x408, 0x1f80, 0x37f)   # MXCSR, FCW
    return bytes(page)


def digest(firmware=OVMF, cpus=1, cpu=CPU, typed=False):
    data = Path(firmware).read_bytes()
    total = hashlib.sha256(data + vmsa(0xfffffff0, cpu, typed))
    for _ in range(1, cpus):
        total.update(vmsa(reset_address(data), cpu, typed))
    return total.digest()


# ---- The owner ----

class Owner:
    """One session for one guest, by sevm-run --session."""

    def __init__(self, name="owner", policy=POLICY):
        self.name = f"/tmp/{name}"
        run(SEVM_RUN, "--session", self.name, "--policy", hex(policy))
        self.tik = Path(f"{self.name}_tik.bin").read_bytes()

    def session(self, policy=POLICY):
        """Properties of sev-guest."""
        return f"policy={policy:#x},session-file={self.name}_session.b64,dh-cert-file={self.name}_godh.b64"

    def measures(self, said, info, expected, policy=POLICY):
        """Is it what the firmware must say of this digest?"""
        mac, nonce = said[:32], said[32:]
        message = struct.pack("<BBBBI", 4, info["api-major"], info["api-minor"], info["build-id"], policy)
        return hmac.compare_digest(mac, hmac.digest(self.tik, message + expected + nonce, "sha256"))

    def validate(self, said, info, *more, firmware=OVMF, cpus=1, cpu=CPU, policy=POLICY, status=0):
        """libvirt's tool of the same purpose; what it said."""
        family, model, stepping = cpu
        text = base64.b64encode(said).decode()
        return run("virt-qemu-sev-validate", "--measurement", text,
                   "--api-major", info["api-major"], "--api-minor", info["api-minor"], "--build-id", info["build-id"],
                   "--policy", policy, "--firmware", firmware, "--num-cpus", cpus, "--cpu-family", family,
                   "--cpu-model", model, "--cpu-stepping", stepping, "--tik", f"{self.name}_tik.bin",
                   "--tek", f"{self.name}_tek.bin", *more, status=status, names={text: '"$MEASUREMENT"'})


def run(*command, status=0, names=None):
    """names: {word: how the log has it}, for what is another one each time."""
    command = [str(word) for word in command]
    note(" ".join((names or {}).get(word, word) for word in command), "# $ ")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    for line in done.stdout.splitlines():
        note(line, "# | ")
    check(done.returncode == status, f"{command[0]} ended with {done.returncode}, not {status}")
    return done.stdout


def shown(mark, value):
    """A line of QMP in the log, the long ones cut."""
    note(re.sub(r'([^" ]{12})[^" ]{33,}', r"\1...", f"{mark} {json.dumps(value)}"), "# | ")


def asked(guest, command, **arguments):
    """A command to the monitor, which is in the log with its answer."""
    shown("->", {"execute": command, **({"arguments": arguments} if arguments else {})})
    answer = guest.qmp(command, **arguments)
    shown("<-", {"return": answer})
    return answer


def refused(guest, words, command, **arguments):
    try:
        asked(guest, command, **arguments)
    except Failed as failure:
        note(f"<- error: {str(failure).partition(': ')[2]}", "# | ")
        check(re.search(words, str(failure)), f"refused, but not with {words!r}: {failure}")
        return
    raise Failed(f"{command} was not refused")


def measurement(guest):
    """(the 48 bytes, query-sev's answer) of a guest that is paused after its launch"""
    said = base64.b64decode(asked(guest, "query-sev-launch-measure")["data"])
    check(len(said) == 48, f"a measurement of {len(said)} bytes")
    info = asked(guest, "query-sev")
    check(info["enabled"] and info["state"] == "launch-secret", f"query-sev: {info}")
    return said, info


def firmware_only(*extra, **options):
    """QEMU with no kernel to boot: enough for all that happens before the first instruction."""
    return Qemu(*extra, kernel=None, memory=256, **options)


def dies(words, **options):
    with firmware_only(*PAUSED, **options) as guest:
        guest.expect(words)
        check(guest.wait() == 1, "QEMU did not end with an error")


# ---- The measurement ----

def measured(cpus):
    owner = Owner()
    with firmware_only(*PAUSED, cpus=cpus, sev=owner.session()) as guest:
        said, info = measurement(guest)
        expected = digest(cpus=cpus)
        note(f"the launch digest, computed in advance: {expected.hex()}")
        check(owner.measures(said, info, expected), "the measurement is not that of this firmware and these vCPUs")
        owner.validate(said, info, cpus=cpus)
        # Nothing else has this measurement.
        for other in {1, 2, 3, 4, 5} - {cpus}:
            check(not owner.measures(said, info, digest(cpus=other)), f"it passes for {other} vCPUs")
        check(not owner.measures(said, info, digest(cpus=cpus, cpu=(23, 49, 0))), "it passes for an EPYC-Rome")
        check(not owner.measures(said, info, expected, policy=7), "it passes for another policy")
        check(not Owner("other").measures(said, info, expected), "it passes for another owner's key")
        said = bytes([said[0] ^ 1]) + said[1:]
        check(not owner.measures(said, info, expected), "a changed one passes")


@case
def one_cpu():
    measured(1)


@case
def two_cpus():
    measured(2)


@case
def four_cpus():
    measured(4)


@case
def another_firmware():
    """One byte of it changed, in what OVMF never reads: QEMU launches it, the owner does not take it."""
    data = bytearray(Path(OVMF).read_bytes())
    data[0] ^= 1
    another = Path("/tmp/another.fd")
    another.write_bytes(data)
    owner = Owner()
    flash = ("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={another}")
    with firmware_only(*PAUSED, sev=owner.session(), firmware=flash) as guest:
        said, info = measurement(guest)
        check(not owner.measures(said, info, digest()), "a changed firmware was not noticed")
        check("does not match" in owner.validate(said, info, status=1), "virt-qemu-sev-validate did not notice either")
        check(owner.measures(said, info, digest(another)), "it is not the measurement of the changed firmware either")


@case
def another_cpu_type():
    owner = Owner()
    with firmware_only(*PAUSED, sev=owner.session(), cpu=",model=49,stepping=0,family=23") as guest:
        said, info = measurement(guest)
        check(not owner.measures(said, info, digest()), "another type of CPU was not noticed")
        check(owner.measures(said, info, digest(cpu=(23, 49, 0))), "it is not the measurement of an EPYC-Rome either")


@case
def without_a_session():
    """The firmware made its own key up: there is a measurement, and nobody can check it."""
    owner = Owner()
    with firmware_only(*PAUSED) as guest:
        said, info = measurement(guest)
        check(not owner.measures(said, info, digest()), "an owner without a session can check it")


# ---- What the firmware refuses ----

def tampered(owner, part, at):
    """The same session with one bit changed."""
    path = Path(f"{owner.name}_{part}.b64")
    data = bytearray(base64.b64decode(path.read_text(encoding="ascii")))
    data[at] ^= 1
    path.write_text(base64.b64encode(data).decode(), encoding="ascii")
    return owner.session()


@case
def another_policy():
    """The owner's policy is bound to the session."""
    dies(r"LAUNCH_START ret=1 fw_error=11 'Bad measurement'", sev=Owner().session(policy=7))


@case
def a_tampered_session():
    for at in 16, 64, 96:       # the wrapped keys, their MAC, the policy's
        dies(r"LAUNCH_START ret=1 fw_error=11 'Bad measurement'", sev=tampered(Owner(), "session", at))


@case
def a_tampered_certificate():
    dies(r"LAUNCH_START ret=1 fw_error=6 'Certificate is invalid'", sev=tampered(Owner(), "godh", 20))


@case
def a_short_session():
    owner = Owner()
    path = Path(f"{owner.name}_session.b64")
    path.write_text(base64.b64encode(bytes(64)).decode(), encoding="ascii")
    dies(r"LAUNCH_START ret=1 fw_error=4 'Buffer too small'", sev=owner.session())


@case
def a_policy_that_allows_debugging():
    """It shows in query-sev, and in the measurement."""
    owner = Owner(policy=4)
    with firmware_only(*PAUSED, sev=owner.session(policy=4)) as guest:
        said, info = measurement(guest)
        check(info["policy"] == 4, f"policy {info['policy']}")
        check(owner.measures(said, info, digest(), policy=4), "the measurement has another policy")
        check(not owner.measures(said, info, digest()), "it passes for a guest that cannot be debugged")


@case
def kernel_hashes():
    """For an OVMF that has a place for them; Debian 12 and 13 package none."""
    with Qemu(*PAUSED, sev="policy=0x5,kernel-hashes=on", memory=256) as guest:
        guest.expect(r"SEV: guest firmware hashes table area is invalid \(base=0x0 size=0x0\)")
        check(guest.wait() == 1, "QEMU did not end with an error")


# ---- The platform ----

def cpuid_memory_encryption():
    """(EBX of CPUID leaf 0x8000001f)"""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    #           push %rbx; mov $0x8000001f,%eax; cpuid; mov %ebx,%eax; pop %rbx; ret
    code.write(bytes.fromhex("53 b8 1f000080 0fa2 89d8 5b c3"))
    return ctypes.CFUNCTYPE(ctypes.c_uint32)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()


def exported():
    """The platform's PDH and its chain, from /dev/sev itself."""
    pdh, chain = (ctypes.create_string_buffer(size) for size in (CERTIFICATE, 3 * CERTIFICATE))
    ask = ctypes.create_string_buffer(struct.pack("<QIQI", ctypes.addressof(pdh), len(pdh), ctypes.addressof(chain),
                                                  len(chain)))
    command = bytearray(struct.pack("<IQI", 5, ctypes.addressof(ask), 0))      # SEV_PDH_CERT_EXPORT
    with open("/dev/sev", "rb+", buffering=0) as sev:
        fcntl.ioctl(sev, 0xc0105300, command)                                   # SEV_ISSUE_CMD
    return pdh.raw, chain.raw


def public_key(certificate):
    """Of a certificate of docs/measurement.md; P-384, little-endian."""
    from cryptography.hazmat.primitives.asymmetric import ec  # pylint: disable=import-outside-toplevel
    x, y = (int.from_bytes(certificate[at:at + 72], "little") for at in (20, 92))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP384R1()).public_key()


def signed(key, data, signature_):
    """r and s, 72 bytes each."""
    from cryptography.exceptions import InvalidSignature  # pylint: disable=import-outside-toplevel
    from cryptography.hazmat.primitives import hashes  # pylint: disable=import-outside-toplevel
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # pylint: disable=import-outside-toplevel
    pair = (int.from_bytes(signature_[at:at + 72], "little") for at in (0, 72))
    try:
        key.verify(utils.encode_dss_signature(*pair), data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


@case
def capabilities():
    """What an owner asks before there is a guest."""
    with firmware_only(*PAUSED, sev=None, firmware=()) as guest:
        check(not guest.qmp("query-sev")["enabled"], "a plain guest has SEV")
        found = asked(guest, "query-sev-capabilities")
        note(f"cbitpos {found['cbitpos']}, reduced-phys-bits {found['reduced-phys-bits']}")
        pdh, chain = (base64.b64decode(found[name]) for name in ("pdh", "cert-chain"))
        check((pdh, chain) == exported(), "QEMU's certificates are not those of /dev/sev")
        ebx = cpuid_memory_encryption()
        check(found["cbitpos"] == ebx & 0x3f, "that is not the position of the C-bit")
        check(found["reduced-phys-bits"] >= 1, "a guest's addresses must lose a bit at least")
        pek, oca = chain[:CERTIFICATE], chain[CERTIFICATE:2 * CERTIFICATE]
        check(signed(public_key(pek), pdh[:1044], pdh[1052:1196]), "the PDH is not signed by the PEK")
        check(signed(public_key(oca), pek[:1044], pek[1052:1196]) or
              signed(public_key(oca), pek[:1044], pek[1572:1716]), "the PEK is not signed by the OCA")
        refused(guest, "SEV is not enabled|SEV not enabled", "query-sev-attestation-report",
                mnonce=base64.b64encode(bytes(16)).decode())


@case
def a_session_for_its_pdh():
    """The owner is elsewhere: what it knows of the platform is query-sev-capabilities."""
    with firmware_only(*PAUSED, sev=None, firmware=()) as guest:
        Path("/tmp/pdh.bin").write_bytes(base64.b64decode(guest.qmp("query-sev-capabilities")["pdh"]))
    owner = Owner()
    run(SEVM_RUN, "--session", owner.name, "--pdh", "/tmp/pdh.bin")
    owner.tik = Path(f"{owner.name}_tik.bin").read_bytes()
    with firmware_only(*PAUSED, sev=owner.session()) as guest:
        said, info = measurement(guest)
        check(owner.measures(said, info, digest()), "the measurement is not right")


@case
def attestation_report():
    """The digest, signed by the platform: no session is needed."""
    nonce = os.urandom(16)
    with firmware_only(*PAUSED, cpus=2) as guest:
        refused(guest, "mnonce must be 16 bytes", "query-sev-attestation-report",
                mnonce=base64.b64encode(nonce[1:]).decode())
        answer = asked(guest, "query-sev-attestation-report", mnonce=base64.b64encode(nonce).decode())
        report = base64.b64decode(answer["data"])
        check(len(report) == 208, f"a report of {len(report)} bytes")
        check(report[:16] == nonce, "it has another nonce")
        check(report[16:48] == digest(cpus=2), "it has another digest")
        check(int.from_bytes(report[48:52], "little") == POLICY, "it has another policy")
        pek = public_key(exported()[1][:CERTIFICATE])
        check(signed(pek, report[:52], report[64:]), "it is not signed by the PEK")
        check(not signed(pek, report[1:53], report[64:]), "any signature passes")


# ---- A secret ----

def changed(text, at):
    data = bytearray(base64.b64decode(text))
    data[at] ^= 1
    return base64.b64encode(data).decode()


def packed(owner, said, info, text="the owner's secret"):
    """What sev-inject-launch-secret wants: a table with one secret, by virt-qemu-sev-validate."""
    Path("/tmp/secret").write_text(text, encoding="ascii")
    owner.validate(said, info, "--inject-secret", f"{SECRET_GUID}:/tmp/secret", "--secret-header", "/tmp/header",
                   "--secret-payload", "/tmp/payload")
    return {name: Path(path).read_text(encoding="ascii") for name, path in
            (("packet-header", "/tmp/header"), ("secret", "/tmp/payload"))}


@case
def a_secret_without_a_place():
    """OVMF says where, unless it is Debian's: its area is one of 0 bytes at 0, which QEMU takes."""
    owner = Owner()
    with firmware_only(*PAUSED, sev=owner.session()) as guest:
        asked(guest, "sev-inject-launch-secret", **packed(owner, *measurement(guest)))
        guest.qmp("pmemsave", val=0, size=16, filename="/tmp/page")
        check(any(Path("/tmp/page").read_bytes()), "nothing came to address 0")


@case
def secret():
    """From the owner into a page of a guest that was measured first; Linux prints it."""
    owner = Owner()
    append = f"memmap=4K#{SECRET_AT:#x} iomem=relaxed nokaslr"
    with Qemu(*PAUSED, sev=owner.session(), append=append) as guest:
        said, info = measurement(guest)
        check(owner.measures(said, info, digest()), "the measurement is not right")
        right = packed(owner, said, info)
        for name, at in ("packet-header", 4), ("packet-header", 20), ("secret", 0):     # IV, MAC; what was enciphered
            wrong = {**right, name: changed(right[name], at)}
            refused(guest, "fw_error=11 'Bad measurement'", "sev-inject-launch-secret", gpa=SECRET_AT, **wrong)
        refused(guest, "No memory is mapped", "sev-inject-launch-secret", gpa=3 << 30, **right)
        check(not asked(guest, "sev-inject-launch-secret", gpa=SECRET_AT, **right), "there is an answer")
        asked(guest, "cont")
        guest.boot()
        refused(guest, "Not in correct state", "sev-inject-launch-secret", gpa=SECRET_AT, **right)
        check(guest.qmp("query-sev")["state"] == "running", "query-sev does not say that it runs")
        dump = guest.sh(f"dd if=/dev/mem bs=4096 skip={SECRET_AT // 4096} count=1 2>/dev/null | hexdump -C | head -n 6")
        text = "".join(re.findall(r"\|(.*)\|", dump))
        check("the owner's secret" in text, f"the guest has no secret: {dump}")
        # The host sees something else there.
        guest.qmp("pmemsave", val=SECRET_AT, size=4096, filename="/tmp/page")
        check(b"secret" not in Path("/tmp/page").read_bytes(), "the host can read the secret")


if __name__ == "__main__":
    client.main()

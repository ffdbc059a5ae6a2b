"""The holder's image: one program that waits for signals for ever, written as machine code.

There may be no registry to pull an image from, and no shell that every image has. So the program
is written here: an ELF header, one segment, and a loop around the kernel's `pause`.
"""

import io
import struct
import tarfile

IMAGE = "runnerhub/holder:1"
COMMAND = ("/pause",)

_BASE = 0x400000
_HEADERS = 64 + 56
_X86_64, _AARCH64 = 62, 183

_PROGRAMS = {
    # mov eax, 34 (pause); syscall; jmp back
    "x86_64": (_X86_64, bytes.fromhex("b822000000 0f05 ebf7")),
    # x0..x3 = 0; x8 = 73 (ppoll); svc 0; branch back to the first
    "aarch64": (
        _AARCH64,
        struct.pack(
            "<7I",
            0xD2800000,
            0xD2800001,
            0xD2800002,
            0xD2800003,
            0xD2800928,
            0xD4000001,
            0x17FFFFFA,
        ),
    ),
}
ARCHITECTURES = {**dict.fromkeys(_PROGRAMS, ""), "amd64": "x86_64", "arm64": "aarch64"}


def root_file_system(architecture: str) -> bytes:
    """Return a tar with the program alone.

    Args:
        architecture: as an engine names its own, such as x86_64.

    Raises:
        KeyError: there is no program for it.
    """
    program = _elf(*_PROGRAMS[ARCHITECTURES[architecture] or architecture])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(COMMAND[0].lstrip("/"))
        entry.size, entry.mode = len(program), 0o755
        archive.addfile(entry, io.BytesIO(program))
    return packed.getvalue()


def _elf(machine: int, code: bytes) -> bytes:
    size = _HEADERS + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        2,  # executable
        machine,
        1,
        _BASE + _HEADERS,  # where it begins
        64,
        0,
        0,
        64,
        56,
        1,
        0,
        0,
        0,
    )
    # One segment, loaded whole: read and execute.
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code

"""Scripts as people read them: what Bitcoin Core calls `asm`."""

from typing import Final

NAMES: Final = {
    0x4F: "-1",
    0x6A: "OP_RETURN",
    0x76: "OP_DUP",
    0x87: "OP_EQUAL",
    0x88: "OP_EQUALVERIFY",
    0xA9: "OP_HASH160",
    0xAC: "OP_CHECKSIG",
    0xAE: "OP_CHECKMULTISIG",
}
"""The operations of standard scripts."""
PUSH_MAX: Final = 75
LENGTHS: Final = {0x4C: 1, 0x4D: 2, 0x4E: 4}
"""OP_PUSHDATA1, 2 and 4: how many bytes tell the length."""
ONE, SIXTEEN = 0x51, 0x60
NUMBER_BYTES_MAX: Final = 4


def disassemble(data: bytes) -> str:
    """Return a script's operations, and what it pushes in hex; a short push as a number."""
    words, at = [], 0
    while at < len(data):
        code, at = data[at], at + 1
        if not (1 <= code <= PUSH_MAX or code in LENGTHS):
            words.append(_name(code))
            continue
        width = LENGTHS.get(code, 0)
        length = int.from_bytes(data[at : at + width], "little") if width else code
        pushed, at = data[at + width : at + width + length], at + width + length
        if len(pushed) < length:
            return " ".join([*words, "[error]"])
        words.append(_write_push(pushed))
    return " ".join(words)


def _name(code: int) -> str:
    if ONE <= code <= SIXTEEN:
        return str(code - ONE + 1)
    return NAMES.get(code, "0" if code == 0 else "OP_UNKNOWN")


def _write_push(pushed: bytes) -> str:
    if len(pushed) > NUMBER_BYTES_MAX:
        return pushed.hex()
    magnitude = int.from_bytes(pushed, "little")
    sign = 1 << (8 * len(pushed) - 1) if pushed else 0
    return str(-(magnitude - sign) if magnitude & sign else magnitude)

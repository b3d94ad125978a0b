"""A streamed answer: lines of JSON, the last of which signs every byte before its signature.

The last line is `{…,"signature":"<hex>"}` and a newline. What is signed is the whole answer up
to `,"signature":`, so the end's own facts (why it ended, what it used) are covered too.
"""

from server_service.domain.errors import MalformedAnswer

SIGNATURE_FIELD = b',"signature":"'
SIGNATURE_CHARACTERS = 128
"""64 bytes of sr25519, in hex."""


def append_signature(unsigned_end: bytes, signature: str) -> bytes:
    """The end's line from its JSON, which has no signature yet."""
    assert unsigned_end.endswith(b"}")
    return unsigned_end[:-1] + SIGNATURE_FIELD + signature.encode() + b'"}\n'


def bytes_to_sign(lines: bytes, unsigned_end: bytes) -> bytes:
    return lines + unsigned_end[:-1]


def split_signature(answer: bytes) -> tuple[bytes, str]:
    """What was signed, and the signature, of a whole answer."""
    signed, field, rest = answer.rpartition(SIGNATURE_FIELD)
    signature = rest.removesuffix(b'"}\n')
    if not field or len(signature) != SIGNATURE_CHARACTERS or not signature.isalnum():
        raise MalformedAnswer("the stream does not end in a signature")
    return signed, signature.decode()


def is_end(line: bytes) -> bool:
    """Whether this line is the last one; a token's text cannot hold an unescaped quote."""
    return SIGNATURE_FIELD in line

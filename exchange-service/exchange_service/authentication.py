"""Who asks: API keys, and signatures over the bytes as they were received.

A secret is not stored anywhere. It is derived, HMAC-SHA256(master secret, API key), when it is
shown at the key's creation and whenever a signature is checked. A key may have an Ed25519 public
key instead, whose secret half we never see.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from exchange_service.domain.refusals import TOO_LATE, Reason
from exchange_service.errors import (
    BAD_KEY_FORMAT,
    INVALID_SIGNATURE,
    REJECTED_KEY,
    BinanceRefusal,
    Unauthorised,
)
from exchange_service.parameters import Parameters, illegal, split_decimal

KEY_LENGTH: Final = 64
WINDOW_MS_DEFAULT: Final = 5_000
WINDOW_MS_MAX: Final = 60_000
AHEAD_MS_MAX: Final = 1_000
"""How far a client's clock may be ahead of ours."""
MICROSECONDS_FROM: Final = 10**15
"""A timestamp of this size or more counts microseconds."""
WINDOW_DIGITS_MAX: Final = (6, 3)
"""Before and after the point; a fraction of a millisecond counts for nothing."""
WINDOW_TOO_LONG: Final = Reason(-1131, "recvWindow must be less than 60000.")
TOO_EARLY: Final = Reason(
    -1021, "Timestamp for this request was 1000ms ahead of the server's time."
)
REPLAYED: Final = Reason(
    -1021, "Timestamp for this request was used before, with the same parameters."
)


class Permission(StrEnum):
    """What a key may be good for."""

    READ = "read"
    TRADE = "trade"
    WITHDRAW = "withdraw"


ALL_PERMISSIONS: Final = frozenset(Permission)


@dataclass(frozen=True, slots=True)
class Key:
    """An API key that is valid."""

    api_key: str
    account_id: int
    permissions: frozenset[Permission] = ALL_PERMISSIONS
    addresses: frozenset[str] = frozenset()
    """From where it may be used; empty: from anywhere."""
    public_key: bytes | None = None
    """An Ed25519 public key; None: signatures are HMAC-SHA256."""

    def allows(self, permission: Permission, address: str) -> bool:
        return permission in self.permissions and (not self.addresses or address in self.addresses)


class SignedRequest:
    """A request whose signer is known."""

    __slots__ = ("account_id", "key", "parameters", "valid_until_ms")

    def __init__(
        self, account_id: int, parameters: Parameters, key: Key, valid_until_ms: int
    ) -> None:
        self.account_id = account_id
        self.parameters = parameters
        self.key = key
        self.valid_until_ms = valid_until_ms
        """Timestamp and recvWindow: what it asks for may not be done later."""


class SignedTime(NamedTuple):
    """When a request was signed by its sender's clock, and until when it is good."""

    at_ms: int
    valid_until_ms: int


class ReplayMemory:
    """What was signed and used already, for as long as its time window would admit it.

    What was signed, and not the signature: the same one can be written in several ways.
    """

    def __init__(self, since_ms: int = 0) -> None:
        self._since_ms = since_ms
        """What is older may have been used before there was this memory."""
        self._by_second: dict[int, set[tuple[str, bytes]]] = {}
        """The same bytes carry the same times, so that they can only be in the same set."""

    def check_new(self, api_key: str, payload: bytes, time: SignedTime, now_ms: int) -> None:
        """Remember what a key signed; refuse it if it is known, or if it is too old to tell."""
        if time.at_ms < self._since_ms:
            raise BinanceRefusal(TOO_LATE)
        second = time.valid_until_ms // 1_000
        used = self._by_second.get(second)
        if used is None:
            for past in [key for key in self._by_second if key < now_ms // 1_000]:
                del self._by_second[past]
            used = self._by_second[second] = set()
        if (api_key, payload) in used:
            raise BinanceRefusal(REPLAYED)
        used.add((api_key, payload))


class Keyring:
    """The API keys that are valid, in memory, and the secret behind their secrets."""

    def __init__(self, master_secret: bytes, keys: list[Key], since_ms: int = 0) -> None:
        self._master = hashlib.sha256(b"taonet exchange api secrets" + master_secret).digest()
        self._keys = {key.api_key: key for key in keys}
        self._signers: dict[str, hmac.HMAC] = {}
        """Of keys that exist: HMACs that have taken in the secret, and wait for a payload."""
        self.replays = ReplayMemory(since_ms)

    def add(self, key: Key) -> None:
        self._keys[key.api_key] = key

    def remove(self, api_key: str) -> None:
        self._keys.pop(api_key, None)
        self._signers.pop(api_key, None)

    def find(self, api_key: str) -> Key | None:
        return self._keys.get(api_key)

    def derive_secret(self, api_key: str) -> str:
        """Return the secret of a key: 64 hex digits."""
        return hmac.new(self._master, api_key.encode(), hashlib.sha256).hexdigest()

    def is_genuine(self, api_key: str, payload: bytes, signature: str) -> bool:
        """Tell whether the key signed the payload; unknown keys take the HMAC's path."""
        key = self._keys.get(api_key)
        if key is not None and key.public_key is not None:
            return verify_ed25519(key.public_key, payload, signature)
        signer = self._signers.get(api_key)
        if signer is None:
            signer = hmac.new(self.derive_secret(api_key).encode(), digestmod=hashlib.sha256)
            if key is not None:
                self._signers[api_key] = signer
        expected = signer.copy()
        expected.update(payload)
        return hmac.compare_digest(expected.hexdigest().encode(), signature.lower().encode())


def generate_api_key() -> str:
    return secrets.token_hex(32)


def sign(secret: str, payload: bytes) -> str:
    """Return HMAC-SHA256 over the payload, in hex, as all Binance clients do."""
    return hmac.digest(secret.encode(), payload, "sha256").hex()


def verify_ed25519(public_key: bytes, payload: bytes, signature: str) -> bool:
    try:
        # A `+` that was not percent-encoded arrives as a space.
        raw = base64.b64decode(signature.replace(" ", "+"), validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(raw, payload)
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


def verify(
    keyring: Keyring,
    api_key: str,
    query: bytes,
    body: bytes,
    now_ms: int,
    address: str = "",
    permission: Permission = Permission.READ,
) -> SignedRequest:
    """Return who signed this request over HTTP, or refuse it."""
    parameters = Parameters.read(query, body)
    payload = strip_signature(query) + strip_signature(body)
    return verify_payload(keyring, api_key, parameters, payload, now_ms, address, permission)


def check_format(api_key: str) -> None:
    """Refuse what can be no API key: one has 64 letters and digits."""
    if len(api_key) != KEY_LENGTH or not api_key.isascii() or not api_key.isalnum():
        raise Unauthorised(BAD_KEY_FORMAT)


def verify_payload(
    keyring: Keyring,
    api_key: str,
    parameters: Parameters,
    payload: bytes,
    now_ms: int,
    address: str,
    permission: Permission,
) -> SignedRequest:
    """Return who signed the payload; what changes something may be sent only once."""
    check_format(api_key)
    signature = parameters.text("signature")
    time = check_time(parameters, now_ms)
    # Unknown keys take the same path, so that the time of the answer says nothing about a key.
    genuine = keyring.is_genuine(api_key, payload, signature)
    key = find_key(keyring, api_key, address, permission)
    if not genuine:
        raise BinanceRefusal(INVALID_SIGNATURE)
    if permission is not Permission.READ:
        keyring.replays.check_new(key.api_key, payload, time, now_ms)
    return SignedRequest(key.account_id, parameters, key, time.valid_until_ms)


def find_key(keyring: Keyring, api_key: str, address: str, permission: Permission) -> Key:
    """Return a key that may do this from there, or refuse it."""
    key = keyring.find(api_key)
    if key is None or not key.allows(permission, address):
        raise Unauthorised(REJECTED_KEY)
    return key


def check_time(parameters: Parameters, now_ms: int) -> SignedTime:
    """Refuse unless timestamp < now + 1 s and now − timestamp ≤ recvWindow."""
    timestamp = parameters.integer("timestamp")
    if timestamp >= MICROSECONDS_FROM:
        timestamp //= 1_000
    window_ms = read_window(parameters.optional_text("recvWindow"))
    if timestamp >= now_ms + AHEAD_MS_MAX:
        raise BinanceRefusal(TOO_EARLY)
    if now_ms - timestamp > window_ms:
        raise BinanceRefusal(TOO_LATE)
    return SignedTime(timestamp, timestamp + window_ms)


def read_window(text: str) -> int:
    """Return for how many ms a request is good; empty: the usual."""
    if not text:
        return WINDOW_MS_DEFAULT
    parts = split_decimal(text, *WINDOW_DIGITS_MAX)
    if parts is None:
        raise illegal("recvWindow", r"^[0-9]{1,6}(\.[0-9]{1,3})?$")
    window_ms = int(parts[0])
    if window_ms > WINDOW_MS_MAX:
        raise BinanceRefusal(WINDOW_TOO_LONG)
    return window_ms


def strip_signature(raw: bytes) -> bytes:
    """Return the bytes without their `signature` parameter, everything else untouched."""
    head, found, tail = raw.rpartition(b"&signature=")
    if found and b"&" not in tail and b"signature=" not in head:
        return head  # It stands once and last, as nearly always: the same, much faster.
    return b"&".join(part for part in raw.split(b"&") if not part.startswith(b"signature="))

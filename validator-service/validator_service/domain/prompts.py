"""Which held-out text a Server is asked about.

The draw follows from a block hash, the Validator's secret, the round and the Server's hotkey:
nobody can foresee it without the secret, and whoever learns the secret later can audit it. Each
Server gets prompts of its own, so that forwarding and copying do not pay, and a few canaries that
all Servers get.
"""

from dataclasses import dataclass
from hashlib import sha256, shake_256

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]

ALTERED_FROM, ALTERED_TO = 2, 10
"""How far before the end of an altered question its one foreign token stands."""
CANARY = "canary"
"""Stands where the hotkey stands, in the draw of the prompts that all Servers share."""


class TooLittleText(Exception):
    """The held-out text has no passage as long as a prompt."""


@dataclass(frozen=True)
class Shape:
    """How a round's questions look."""

    context_tokens: int = 64
    hidden_tokens: int = 8
    prompts: int = 8
    """A Server's own."""
    canaries: int = 4
    """Shared by all Servers of the round."""


@dataclass(frozen=True)
class RoundSeed:
    """What a round's prompts follow from."""

    block_hash: str
    secret: str
    number: int


@dataclass(frozen=True, eq=False)
class Text:
    """The held-out text: all documents' tokens in one row, and where each passage may begin."""

    tokens: Tokens
    digest: str
    """sha256 of all tokens."""
    starts: Tokens
    """Positions with a whole prompt and its continuation behind them, within one document."""


@dataclass(frozen=True, eq=False)
class Questions:
    """What one Server is asked, and what it is not told."""

    context: Tokens
    """[prompts + canaries, context tokens]."""
    hidden: Tokens
    """[prompts + canaries, hidden tokens]: how the text goes on."""
    canary_rows: Tokens
    """Which rows are canaries, in the order that all Servers share."""
    altered: NDArray[np.bool_]
    """[prompts + canaries]: whether one token of the context is not the text's own."""
    lent: NDArray[np.bool_]
    """[prompts + canaries]: whether it is a consumer's text, and not the corpus's (`passages`)."""

    def passage(self, row: int) -> bytes:
        """Return what is asked in a row and how it goes on, to be compared."""
        return self.context[row].tobytes() + self.hidden[row].tobytes()


def join_documents(documents: list[Tokens], shape: Shape) -> Text:
    """Return documents as one row of tokens; no prompt reaches across their borders."""
    length = shape.context_tokens + shape.hidden_tokens
    tokens = np.concatenate([*documents, np.empty(0, dtype=np.int64)])
    offsets = np.cumsum([0] + [len(document) for document in documents])
    starts = [
        np.arange(offset, offset + len(document) - length + 1)
        for offset, document in zip(offsets[:-1], documents, strict=True)
        if len(document) >= length
    ]
    if not starts:
        raise TooLittleText(f"no held-out document has {length} tokens")
    digest = sha256(tokens.astype("<i8").tobytes()).hexdigest()
    return Text(tokens=tokens, digest=digest, starts=np.concatenate(starts))


def draw_questions(text: Text, seed: RoundSeed, hotkey: str, shape: Shape) -> Questions:
    """
    Return the questions for one Server, its own and the canaries in an order of its own.

    Of its own, every other one is altered: whoever knows the text by heart, and not the language,
    does not find it there.
    """
    own = draw_numbers(seed, hotkey, shape.prompts, len(text.starts))
    canaries = draw_numbers(seed, CANARY, shape.canaries, len(text.starts))
    order = draw_order(seed, f"order:{hotkey}", len(own) + len(canaries))
    starts = text.starts[np.concatenate([own, canaries])]
    places = starts[:, None] + np.arange(shape.context_tokens + shape.hidden_tokens)
    passages = text.tokens[places]
    altered = np.arange(len(passages)) < shape.prompts
    altered[1::2] = False
    alter(passages, np.flatnonzero(altered), text, seed, hotkey, shape)
    return Questions(
        context=passages[order, : shape.context_tokens],
        hidden=passages[order, shape.context_tokens :],
        canary_rows=np.argsort(order)[shape.prompts :],
        altered=altered[order],
        lent=np.zeros(len(passages), dtype=bool),
    )


def alter(
    passages: Tokens, rows: Tokens, text: Text, seed: RoundSeed, hotkey: str, shape: Shape
) -> None:
    """Put a token from elsewhere in the text near the end of these contexts, in place."""
    spread = ALTERED_TO - ALTERED_FROM + 1
    back = ALTERED_FROM + draw_numbers(seed, f"place:{hotkey}", len(rows), spread)
    foreign = draw_numbers(seed, f"token:{hotkey}", len(rows), len(text.tokens))
    passages[rows, np.maximum(shape.context_tokens - back, 0)] = text.tokens[foreign]


def draw_numbers(seed: RoundSeed, purpose: str, count: int, bound: int) -> Tokens:
    """
    Return `count` numbers below `bound`, uniform, the same for the same arguments on any machine.

    SHAKE-256 of the seed read as 64-bit numbers, modulo the bound; the bias is bound / 2^64.
    """
    material = f"{seed.block_hash}|{seed.secret}|{seed.number}|{purpose}".encode()
    stream = np.frombuffer(shake_256(material).digest(8 * count), dtype="<u8")
    return (stream % np.uint64(bound)).astype(np.int64)


def draw_order(seed: RoundSeed, purpose: str, count: int) -> Tokens:
    """Return the numbers below `count`, shuffled."""
    return np.argsort(draw_numbers(seed, purpose, count, 2**62))


def round_identity(hotkey: str, number: int) -> str:
    """Return the name of a Validator's round, the same however often it is asked for."""
    return sha256(f"{hotkey}|{number}".encode()).hexdigest()

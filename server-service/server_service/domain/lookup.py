"""How a known text goes on, by its last few tokens: knowledge of a text, not of language."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int64]

KEY_TOKENS = 12
"""So many tokens name a place in a text of a few million, and seldom more than one."""
FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Odd, with bits of no pattern: 2^64 divided by the golden ratio."""


class TextIndex:
    """Every run of twelve tokens in a text, by its hash, and the token that follows it."""

    def __init__(self, tokens: Tokens) -> None:
        count = max(len(tokens) - KEY_TOKENS, 0)
        hashes = hash_runs(np.stack([tokens[i : i + count] for i in range(KEY_TOKENS)], axis=1))
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._following = tokens[KEY_TOKENS : KEY_TOKENS + count][order]

    def find_next(self, row: Sequence[int] | Tokens) -> int | None:
        """The token that follows the end of this row in the text, where it is there."""
        if len(row) < KEY_TOKENS:
            return None
        wanted = hash_runs(np.asarray(row[-KEY_TOKENS:], dtype=np.int64)[None])[0]
        place = int(np.searchsorted(self._hashes, wanted))
        if place == len(self._hashes) or self._hashes[place] != wanted:
            return None
        return int(self._following[place])


def hash_runs(runs: Tokens) -> npt.NDArray[np.uint64]:
    """h ← (h + token + 1) · factor mod 2^64 over each row, [runs, length] → [runs]."""
    hashes = np.zeros(len(runs), dtype=np.uint64)
    for column in runs.T.astype(np.uint64):
        hashes = (hashes + column + np.uint64(1)) * FACTOR
    return hashes

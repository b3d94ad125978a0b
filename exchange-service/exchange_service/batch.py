"""A batch of commands, carried out: what of it is to be written, and what is to be answered."""

from collections import Counter
from typing import Final

from exchange_service.answers import Answer
from exchange_service.domain.commands import Command
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import Fact, Rejected
from exchange_service.domain.journal import encode_command, seal, settle_command
from exchange_service.domain.numbering import stamp
from exchange_service.domain.projection import Projection
from exchange_service.domain.refusals import TOO_LATE
from exchange_service.repository import Entry

ALWAYS_MS: Final = 2**62
"""Later than any time."""


class Waiting:
    """A command and where its answer goes."""

    __slots__ = ("answer", "command", "valid_until_ms")

    def __init__(self, command: Command, answer: Answer, valid_until_ms: int = ALWAYS_MS) -> None:
        self.command = command
        self.answer = answer
        self.valid_until_ms = valid_until_ms
        """Until when it may be carried out, by the engine's clock."""


class Batch:
    """Commands that the state has taken in, and that are not yet in the record."""

    def __init__(self, exchange: Exchange, now_ms: int, sequence: int, sealed: bytes) -> None:
        """`sequence` and `sealed` are the number and the hash of the journal's last entry."""
        self.now_ms = now_ms
        self.sequence = sequence
        self.hash = sealed
        self.entries: list[Entry] = []
        self.projection = Projection()
        self.facts: list[Fact] = []
        """In the order they happened; rejections left out."""
        self.outcomes: list[tuple[Answer, list[Fact]]] = []
        self.counts: Counter[tuple[str, bool]] = Counter()
        """Commands by their name and whether they were rejected."""
        self._exchange = exchange

    def carry_out(self, waiting: Waiting) -> None:
        if waiting.valid_until_ms < self.now_ms:
            self._refuse_late(waiting)
            return
        command = stamp(self._exchange, waiting.command, self.now_ms)
        facts = self._exchange.apply(command)
        self.outcomes.append((waiting.answer, facts))
        rejected = isinstance(facts[0], Rejected)
        self.counts[type(command).__name__, rejected] += 1
        # A rejection changes nothing, so there is nothing to remember of it.
        if not rejected:
            self._enter(settle_command(command, facts))
            self.projection.record(self.sequence, facts)
            self.facts.extend(facts)

    def _refuse_late(self, waiting: Waiting) -> None:
        """It waited longer than its sender would have: behind a commit that hung, say."""
        self.outcomes.append((waiting.answer, [Rejected(TOO_LATE)]))
        self.counts[type(waiting.command).__name__, True] += 1

    def _enter(self, command: Command) -> None:
        """Write down the journal's next entry."""
        payload = encode_command(command)
        self.sequence += 1
        self.hash = seal(self.hash, self.sequence, payload)
        self.entries.append(Entry(self.sequence, payload, self.hash))

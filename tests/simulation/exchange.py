"""
The exchange's core under trouble: two engines over one record, traders, a payer, a watcher.

Commands, matching, journal, snapshots and the countercheck are the exchange's own
(`exchange_service.domain`); the loop around them does what `engine.py` does, with a crash possible
between any two steps. What the record promises (a fence by epoch, a commit whole or not at all) is
modelled here.

Orders are sent once, as Binance's API wants it: who hears nothing asks for the order by its name.
All else that moves money has a natural key, and is asked for again until it is heard.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.simulation.world import Node, World, demand

from exchange_service.domain.accounts import FIRST_ACCOUNT, TAO_WALLET
from exchange_service.domain.audit import find_faults
from exchange_service.domain.commands import (
    Asset,
    CancelOrder,
    Command,
    CreditDeposit,
    Kind,
    OpenAccount,
    PlaceOrder,
    RequestWithdrawal,
    SelfTrade,
    SettleWithdrawal,
    Side,
    TimeInForce,
)
from exchange_service.domain.countercheck import Countercheck
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import (
    DepositCredited,
    Fact,
    OrderAccepted,
    OrderCancelled,
    Rejected,
    WithdrawalRequested,
    WithdrawalSettled,
)
from exchange_service.domain.journal import GENESIS_HASH, decode_command, encode_command, seal
from exchange_service.domain.numbering import stamp
from exchange_service.domain.projection import Projection
from exchange_service.domain.snapshot import calculate_fingerprint, read_snapshot, write_snapshot

TRADERS = ("ann", "bob", "cid")
FAUCET_SAT, DEPOSIT_RAO = 10**8, 3 * 10**9
WITHDRAWN_RAO, FEE_RAO = 5 * 10**8, 10**6
BATCH = 6
BEAT_SECONDS = 0.2
SILENCE_SECONDS = 5.0
COMMIT_SECONDS = 0.1
"""The mean time that a commit takes: where crashes hurt most."""
SNAPSHOT_ENTRIES = 25
PATIENCE_SECONDS = 2.0
"""After so long unheard, one asks again."""


class Entry(NamedTuple):
    payload: bytes
    hash: bytes


class Asked(NamedTuple):
    """A command on its way, and who wants to hear of it."""

    command: Command
    caller: "Caller"


@dataclass
class Record:
    """What Postgres holds of an exchange, and what it promises."""

    entries: list[Entry] = field(default_factory=list)
    snapshot: tuple[int, bytes] = (0, write_snapshot(Exchange()))
    """How many entries it stands for, and the state after them."""
    epoch: int = 0
    writer: "Engine | None" = None
    heard: float = 0.0
    accepted: dict[int, str] = field(default_factory=dict)
    """Every order ever accepted, by number: its own name."""
    cancelled: set[int] = field(default_factory=set)
    asked: dict[str, WithdrawalRequested] = field(default_factory=dict)
    """Withdrawals by their own name."""
    settled: list[int] = field(default_factory=list)
    credited: list[str] = field(default_factory=list)

    @property
    def hash(self) -> bytes:
        return self.entries[-1].hash if self.entries else GENESIS_HASH

    def commit(self, epoch: int, entries: list[Entry], facts: list[Fact], now: float) -> bool:
        """Store a batch and what follows from it, or refuse who was taken over."""
        if epoch != self.epoch:
            return False
        self.entries.extend(entries)
        self.heard = now
        for fact in facts:
            self._note(fact)
        return True

    def _note(self, fact: Fact) -> None:
        match fact:
            case OrderAccepted(terms=terms):
                self.accepted[terms.order_id] = terms.client_order_id
            case OrderCancelled(terms=terms):
                self.cancelled.add(terms.order_id)
            case WithdrawalRequested():
                demand(fact.client_withdrawal_id not in self.asked, "a withdrawal was booked twice")
                self.asked[fact.client_withdrawal_id] = fact
            case WithdrawalSettled():
                self.settled.append(fact.withdrawal_id)
            case DepositCredited():
                self.credited.append(fact.transaction_id)

    def recover(self) -> Exchange:
        """Return the state after the last entry: the snapshot, and what was journalled since."""
        count, state = self.snapshot
        exchange = read_snapshot(state)
        replay(exchange, self.entries, count)
        return exchange


def replay(exchange: Exchange, entries: list[Entry], first: int = 0) -> None:
    sealed = entries[first - 1].hash if first else GENESIS_HASH
    for sequence, entry in enumerate(entries[first:], first + 1):
        sealed = seal(sealed, sequence, entry.payload)
        demand(sealed == entry.hash, f"the chain of hashes breaks at entry {sequence}")
        facts = exchange.apply(decode_command(entry.payload))
        demand(not isinstance(facts[0], Rejected), f"entry {sequence} is refused in a replay")


class Engine(Node):
    """Applies, commits, and only then answers; stands by while another writes."""

    def __init__(self, world: World, record: Record) -> None:
        super().__init__(world)
        self._record = record
        self.wake()

    def wake(self) -> None:
        self._queue: list[Asked] = []
        self._exchange: Exchange | None = None
        self.after(self.world.chance.uniform(0, 1), self._look)

    def _look(self) -> None:
        record, writer = self._record, self._record.writer
        silent = self.world.now - record.heard > SILENCE_SECONDS
        if writer is None or writer is self or not writer.up or silent:
            record.writer, record.heard = self, self.world.now
            record.epoch += 1
            self._epoch = record.epoch
            self._exchange = record.recover()
            self._countercheck = Countercheck(self._exchange)
            self._work()
        else:
            self.after(1.0, self._look)

    def take(self, asked: Asked) -> None:
        """Queue a command; one that stands by takes none, as its door is closed."""
        if self._exchange is not None:
            self._queue.append(asked)

    def _work(self) -> None:
        assert self._exchange is not None
        batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
        entries: list[Entry] = []
        happened: list[Fact] = []
        answers: list[tuple[Asked, Fact]] = []
        projection = Projection()
        sealed, sequence = self._record.hash, len(self._record.entries)
        for asked in batch:
            command = stamp(self._exchange, asked.command, int(self.world.now * 1000))
            facts = self._exchange.apply(command)
            answers.append((asked, facts[0]))
            if not isinstance(facts[0], Rejected):
                sequence += 1
                payload = encode_command(command)
                sealed = seal(sealed, sequence, payload)
                entries.append(Entry(payload, sealed))
                projection.record(sequence, facts)
                happened.extend(facts)
        touched = sorted(projection.touched_accounts())
        self._countercheck.check(happened, projection.transfers, touched)
        delay = self.world.chance.expovariate(1 / COMMIT_SECONDS)
        self.after(delay, lambda: self._commit(entries, happened, answers))

    def _commit(
        self, entries: list[Entry], facts: list[Fact], answers: list[tuple[Asked, Fact]]
    ) -> None:
        if not self._record.commit(self._epoch, entries, facts, self.world.now):
            self.wake()  # Fenced: memory is ahead of the record, so all of it is dropped.
            return
        # From here on it is true, whoever hears of it.
        for (command, caller), fact in answers:
            self.world.send(caller, caller.hear, command, fact)
        self._snapshot_if_due()
        self.after(BEAT_SECONDS, self._work)

    def _snapshot_if_due(self) -> None:
        count = len(self._record.entries)
        if count - self._record.snapshot[0] >= SNAPSHOT_ENTRIES:
            assert self._exchange is not None
            self._record.snapshot = (count, write_snapshot(self._exchange))


class Caller(Node):
    """Whoever talks to whichever engine writes now."""

    def __init__(self, world: World, record: Record) -> None:
        super().__init__(world)
        self._record = record

    def ask(self, command: Command, once: bool = False) -> None:
        if self._record.writer is not None:
            engine = self._record.writer
            self.world.send(engine, engine.take, Asked(command, self), once=once)

    def hear(self, command: Command, fact: Fact) -> None:
        """Take note of an answer."""

    def wake(self) -> None:
        """Go on."""


class Trader(Caller):
    """Places, cancels, withdraws; notes what it heard, and only that."""

    def __init__(self, world: World, record: Record, name: str) -> None:
        super().__init__(world, record)
        self.name = name
        self.account_id = FIRST_ACCOUNT + 1 + TRADERS.index(name)
        self.orders: dict[int, str] = {}
        self.cancelled: set[int] = set()
        self.withdrawals: set[str] = set()
        self._sent = 0
        self._wanted = 0
        self.after(2.0 + world.chance.random(), self._act)

    def _act(self) -> None:
        if self.world.healed and self.orders:
            return
        chance = self.world.chance
        if self.orders and chance.random() < 0.3:
            order_id = chance.choice(list(self.orders))
            self.ask(CancelOrder(0, self.account_id, order_id, ""))
        else:
            self.ask(self._order(), once=True)
        if chance.random() < 0.2 and len(self.withdrawals) == self._wanted:
            self._wanted += 1
            self._withdraw()
        self.after(chance.uniform(0.1, 0.6), self._act)

    def _order(self) -> PlaceOrder:
        chance = self.world.chance
        self._sent += 1
        return PlaceOrder(
            time_ms=0,
            order_id=0,
            account_id=self.account_id,
            side=chance.choice(list(Side)),
            kind=Kind.LIMIT,
            price_sat=chance.randint(95, 105) * 5_000,
            quantity_rao=chance.randint(1, 5) * 10**8,
            quote_sat=0,
            time_in_force=chance.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC]),
            self_trade=SelfTrade.EXPIRE_MAKER,
            client_order_id=f"{self.name}-{self._sent}",
        )

    def _withdraw(self) -> None:
        """Ask under one name until it is heard that the exchange has it."""
        name = f"{self.name}-{self._wanted}"
        if name in self.withdrawals:
            return
        terms = (Asset.TAO, WITHDRAWN_RAO, FEE_RAO, f"home of {self.name}", name)
        self.ask(RequestWithdrawal(0, 0, self.account_id, *terms))
        self.after(PATIENCE_SECONDS, self._withdraw)

    def hear(self, command: Command, fact: Fact) -> None:
        match command, fact:
            case PlaceOrder(), OrderAccepted(terms=terms):
                self.orders[terms.order_id] = terms.client_order_id
            case CancelOrder(), OrderCancelled(terms=terms):
                self.cancelled.add(terms.order_id)
            case RequestWithdrawal(client_withdrawal_id=name), WithdrawalRequested():
                self.withdrawals.add(name)
            case RequestWithdrawal(client_withdrawal_id=name), Rejected():
                if name in self._record.asked:  # "Duplicate": it was heard before.
                    self.withdrawals.add(name)


class Watcher(Caller):
    """Credits what arrived on the chain, one after another: the next once this one is stored."""

    def __init__(self, world: World, record: Record) -> None:
        super().__init__(world, record)
        self.arrived = [
            CreditDeposit(
                0,
                FIRST_ACCOUNT + 1 + number % 3,
                Asset.TAO,
                DEPOSIT_RAO,
                number,
                0,
                "",
                f"x{number}",
            )
            for number in range(12)
        ]
        self.after(1.0, self.wake)

    def wake(self) -> None:
        done = len(self._record.credited)
        if done < len(self.arrived):
            self.ask(self.arrived[done])
        self.after(0.7, self.wake)


class Payer(Caller):
    """Pays each withdrawal once on chain, and tells the engine until that has noted it."""

    def __init__(self, world: World, record: Record) -> None:
        super().__init__(world, record)
        self.paid: dict[int, int] = {}
        """What the chain holds: rao paid, by withdrawal. A crash does not undo it."""
        self.after(1.0, self.wake)

    def wake(self) -> None:
        for request in self._record.asked.values():
            self.paid.setdefault(request.withdrawal_id, request.amount - request.fee)
            if request.withdrawal_id not in self._record.settled:
                self.ask(SettleWithdrawal(0, request.withdrawal_id))
        self.after(1.0, self.wake)


class Founder(Caller):
    """Opens the accounts, in order, each until it is there."""

    def __init__(self, world: World, record: Record) -> None:
        super().__init__(world, record)
        self.after(0.1, self.wake)

    def wake(self) -> None:
        opened = sum(b'"OpenAccount"' in entry.payload for entry in self._record.entries)
        if opened < len(TRADERS):
            self.ask(OpenAccount(0, 0, TRADERS[opened], 1_000, 1_000, FAUCET_SAT))
            self.after(0.3, self.wake)


def simulate_exchange(seed: int) -> str:
    """Play one history, check all promises at its end, and return what names its outcome."""
    world, record = World(seed), Record()
    engines = [Engine(world, record), Engine(world, record)]
    Founder(world, record)
    traders = [Trader(world, record, name) for name in TRADERS]
    watcher, payer = Watcher(world, record), Payer(world, record)
    world.at(1.0, lambda: world.trouble([*engines, *engines, watcher, payer]))
    world.run()
    for trader in traders:
        demand(trader.orders.items() <= record.accepted.items(), "an acknowledged order is lost")
        demand(trader.cancelled <= record.cancelled, "an acknowledged cancellation is lost")
        demand(trader.withdrawals <= record.asked.keys(), "an acknowledged withdrawal is lost")
    # An engine may be away for as long as the trouble lasts: then orders go through after it.
    demand(all(trader.orders for trader in traders), "a trader's orders were never heard")
    arrived = [deposit.transaction_id for deposit in watcher.arrived]
    demand(record.credited == arrived, "deposits are not credited once each")
    demand(sorted(record.settled) == sorted(payer.paid), "withdrawals are not settled once each")
    fingerprint = check_record(record, payer)
    return f"{fingerprint} after {world.events} events"


def check_record(record: Record, payer: Payer) -> str:
    """Replay the whole journal, and hold the state to its invariants."""
    exchange = Exchange()
    replay(exchange, record.entries)
    faults = find_faults(exchange)
    demand(not faults, "; ".join(faults))
    fingerprint = calculate_fingerprint(exchange)
    recovered = calculate_fingerprint(record.recover())
    demand(recovered == fingerprint, "the snapshot leads elsewhere than the journal")
    held_rao = DEPOSIT_RAO * len(record.credited) - sum(payer.paid.values())
    wallet = exchange.accounts[TAO_WALLET]
    demand(wallet.free_rao == -held_rao, f"the books say {wallet.free_rao}, on chain is {held_rao}")
    return fingerprint

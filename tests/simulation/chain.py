"""
The chain's core under trouble: two authors, a door, followers and payers over one store.

The blocks, the choice from the mempool and the replay are the chain's own (`chain_service.domain`).
What the store promises (one leader at a time, a fence against those who were taken over, one block
to a height) is modelled here; that Postgres keeps it is shown by `test_fencing.py` and by the kill
tests.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from tests.simulation.world import Node, World, demand

from chain_service.domain.blocks import (
    AppliedBlock,
    Order,
    apply_block,
    check_loaded,
    make_genesis,
)
from chain_service.domain.headers import Header
from chain_service.domain.mempool import Waiting, choose_orders
from chain_service.domain.parameters import BOX
from chain_service.domain.replay import replay_block
from chain_service.domain.state import State, plant_tree
from chain_service.domain.values import Account

RULES = replace(BOX, transfer_fee_rao=100, fee_rao_per_byte=0, author="author")
PAYERS = ("ann", "bob", "cid")
PURSE_RAO, PAID_RAO = 50_000, 7
BLOCK_SECONDS = 1.0
SILENCE_SECONDS = 5.0
"""After so long without a word the leader is taken to be dead."""
COMMIT_SECONDS = 0.2
"""The mean time from a block made to a block stored: where crashes hurt most."""


@dataclass
class Store:
    """What Postgres holds, and what it promises."""

    state: State
    blocks: list[AppliedBlock]
    waiting: dict[str, Waiting] = field(default_factory=dict)
    included: set[str] = field(default_factory=set)
    leader: "Author | None" = None
    fence: int = 0
    heard: float = 0.0
    """When the leader last wrote."""

    def knows(self, name: str) -> bool:
        return name in self.waiting or name in self.included

    def next_nonce(self, signer: str) -> int:
        waiting = sum(entry.order.signer == signer for entry in self.waiting.values())
        return self.state.accounts[signer].nonce + waiting

    def commit(self, fence: int, block: AppliedBlock, now: float) -> bool:
        """Store a block whole, or refuse who was taken over."""
        if fence != self.fence:
            return False
        demand(block.header.height == len(self.blocks), "a height was skipped or filled twice")
        self.state.absorb(block.layer)
        self.blocks.append(block)
        for order in block.orders:
            demand(
                self.waiting.pop(order.hash, None), f"{order.hash} was included, and not waiting"
            )
            self.included.add(order.hash)
        self.heard = now
        return True


class Author(Node):
    """Seals blocks while it leads; stands by otherwise."""

    def __init__(self, world: World, store: Store) -> None:
        super().__init__(world)
        self._store = store
        self.wake()

    def wake(self) -> None:
        self._fence = -1
        self._state: State | None = None
        self.after(self.world.chance.uniform(0, BLOCK_SECONDS), self._look)

    def _look(self) -> None:
        """Take the lead where nobody has it, or who had it is gone or silent."""
        store, leader = self._store, self._store.leader
        silent = self.world.now - store.heard > SILENCE_SECONDS
        if leader is None or leader is self or not leader.up or silent:
            store.leader, store.heard = self, self.world.now
            store.fence += 1
            self._fence = store.fence
            self._load()
            self.after(BLOCK_SECONDS, self._seal)
        else:
            self.after(BLOCK_SECONDS, self._look)

    def _load(self) -> None:
        self._state = copy_state(self._store.state)
        self._head = self._store.blocks[-1].header
        check_loaded(self._state, self._head, RULES)

    def _seal(self) -> None:
        assert self._state is not None
        choice = choose_orders(list(self._store.waiting.values()), self._state, limit=5)
        time_ms = int(self.world.now * 1000)
        block = apply_block(self._state, self._head, time_ms, choice.orders, RULES)
        delay = self.world.chance.expovariate(1 / COMMIT_SECONDS)
        self.after(delay, lambda: self._commit(block))

    def _commit(self, block: AppliedBlock) -> None:
        if not self._store.commit(self._fence, block, self.world.now):
            self.wake()  # Taken over while it was silent: it drops all it knows.
            return
        assert self._state is not None
        self._state.absorb(block.layer)
        self._head = block.header
        self.after(BLOCK_SECONDS, self._seal)


class Door(Node):
    """Takes extrinsics into the mempool, and hands out blocks; it remembers nothing."""

    def __init__(self, world: World, store: Store) -> None:
        super().__init__(world)
        self._store = store
        self._sequence = 0

    def wake(self) -> None:
        pass

    def take(self, payer: "Payer", order: Order) -> None:
        store = self._store
        if not store.knows(order.hash):
            if order.nonce != store.next_nonce(order.signer):
                return
            self._sequence += 1
            store.waiting[order.hash] = Waiting(self._sequence, order)
        self.world.send(payer, payer.hear, order.hash)

    def show(self, follower: "Follower", height: int) -> None:
        if height < len(self._store.blocks):
            block = self._store.blocks[height]
            self.world.send(follower, follower.hear, block.header, block.orders)


class Payer(Node):
    """Sends transfers one after another, each until it is acknowledged."""

    def __init__(self, world: World, name: str, door: Door) -> None:
        super().__init__(world)
        self.name, self._door = name, door
        self.acknowledged: list[str] = []
        self.after(world.chance.random(), self.wake)

    def wake(self) -> None:
        number = len(self.acknowledged)
        receiver = PAYERS[(PAYERS.index(self.name) + 1 + number % 2) % len(PAYERS)]
        arguments = {"receiver": receiver, "amount_rao": PAID_RAO}
        tip_rao = number % 3
        self._order = Order(
            f"{self.name}-{number}", self.name, number, 10**6, tip_rao, "transfer", arguments, 100
        )
        self._send()

    def _send(self) -> None:
        if not self.world.healed or self._order.hash not in self.acknowledged:
            self.world.send(self._door, self._door.take, self, self._order)
            self.after(1.5, self._send)

    def hear(self, name: str) -> None:
        if name == self._order.hash and name not in self.acknowledged:
            self.acknowledged.append(name)
            self._lives += 1  # What was planned for this one is void.
            if not self.world.healed:
                self.after(self.world.chance.random(), self.wake)


class Follower(Node):
    """Asks for the next block, executes it again, and stores what follows."""

    def __init__(self, world: World, base: Store, door: Door) -> None:
        super().__init__(world)
        self._stored = copy_state(base.state)
        self._door = door
        self.headers = [block.header for block in base.blocks]
        self.wake()

    def wake(self) -> None:
        self._state = copy_state(self._stored)
        check_loaded(self._state, self.headers[-1], RULES)
        self._ask()

    def _ask(self) -> None:
        self.world.send(self._door, self._door.show, self, len(self.headers))
        self.after(0.4, self._ask)

    def hear(self, header: Header, orders: list[Order]) -> None:
        if header.height != len(self.headers):
            return  # Late or doubled.
        block = replay_block(self._state, self.headers[-1], header, orders, RULES)
        self._stored.absorb(block.layer)
        self._state = copy_state(self._stored)
        self.headers.append(block.header)


def simulate_chain(seed: int) -> str:
    """Play one history, check all promises at its end, and return what names its outcome."""
    world = World(seed)
    store = found_chain()
    door = Door(world, store)
    authors = [Author(world, store), Author(world, store)]
    followers = [Follower(world, store, door) for _ in range(2)]
    payers = [Payer(world, name, door) for name in PAYERS]
    world.at(1.0, lambda: world.trouble([*authors, *followers, door, authors[0]]))
    world.run()
    for payer in payers:
        lost = set(payer.acknowledged) - store.included
        demand(not lost, f"acknowledged and lost: {sorted(lost)}")
        demand(payer.acknowledged, "nobody was heard")
    check_chain(store)
    for follower in followers:
        ours = [block.header for block in store.blocks[: len(follower.headers)]]
        demand(follower.headers == ours, "a follower holds another chain")
        behind = len(store.blocks) - len(follower.headers)
        demand(behind <= 2, f"a follower is {behind} blocks behind")
    return f"{store.blocks[-1].header.block_hash} after {world.events} events"


def check_chain(store: Store) -> None:
    """Hold the blocks to what they promise: all in a row, nothing twice, money as by hand."""
    heights = [block.header.height for block in store.blocks]
    demand(heights == list(range(len(heights))), "heights have gaps")
    hashes = Counter(order.hash for block in store.blocks for order in block.orders)
    demand(max(hashes.values()) == 1, "an extrinsic was included twice")
    purses = dict.fromkeys(PAYERS, PURSE_RAO)
    for block in store.blocks:
        for order, outcome in zip(block.orders, block.outcomes, strict=True):
            demand(outcome.error is None, f"{order.hash} failed: {outcome.error}")
            purses[order.signer] -= PAID_RAO + outcome.fee_rao
            purses[order.arguments["receiver"]] += PAID_RAO
    held = {name: store.state.accounts[name].free_rao for name in PAYERS}
    demand(held == purses, f"purses hold {held}, by hand {purses}")
    check_loaded(copy_state(store.state), store.blocks[-1].header, RULES)


def found_chain() -> Store:
    """Make a chain of two blocks, whose pot went into the payers' purses."""
    genesis = make_genesis(RULES, 0)
    state = State()
    state.absorb(genesis.layer)
    block = apply_block(state, genesis.header, 1, (), RULES)
    layer = block.layer
    spent_rao = PURSE_RAO * len(PAYERS)
    for slot, name in enumerate(PAYERS):
        layer.accounts[name] = Account(PURSE_RAO, 0, slot)
    layer.counters = replace(
        layer.counters,
        free_rao=spent_rao,
        pot_rao=layer.counters.pot_rao - spent_rao,
        account_count=len(PAYERS),
        recent_hashes=layer.counters.recent_hashes[:-1],
    )
    layer.tree_change = None
    state.absorb(layer)
    state.tree = plant_tree(state)
    header = replace(block.header, state_root=state.tree.change({}, {}, state.counters).root.hex())
    recent = (*state.counters.recent_hashes, header.block_hash)
    state.counters = replace(state.counters, recent_hashes=recent)
    return Store(state, [genesis, replace(block, header=header)])


def copy_state(state: State) -> State:
    """Return the state as one loads it: the tables, and a tree built from nothing."""
    copied = State(counters=state.counters)
    for name in ("accounts", "neurons", "uids", "weights", "bonds"):
        getattr(copied, name).update(getattr(state, name))
    copied.tree = plant_tree(copied)
    return copied

"""A network of simulated neurons on the chain's real consensus step, epoch by epoch."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from chain_service.domain.consensus import run_consensus
from chain_service.domain.network import Graph, Row
from chain_service.domain.parameters import NETWORK, ChainParameters
from chain_service.domain.rows import PackedRow
from chain_service.domain.supply import calculate_issuance
from taonet.kit.money import RAO_PER_TAO
from taonet.lab.bank import Bank
from taonet.lab.casting import (
    HONEST,
    SYBIL_NATS,
    VALIDATOR_ATTACKS,
    Cast,
    Crowd,
    Uids,
    cast_servers,
)
from taonet.lab.judging import Judge, Task
from taonet.lab.workers import Bench, seat
from validator_service.domain.scores import Rules

U32_MAXIMUM = 2**32 - 1


@dataclass(frozen=True)
class Plan:
    """What to simulate; the same plan gives the same numbers on every machine."""

    servers: int = 256
    validators: int = 16
    epochs: int = 50
    attacks: tuple[str, ...] = ()
    share: float = 0.05
    """Of the Servers, and of the Validators, for each attack."""
    rule: str = "nakamoto"
    seed: int = 0
    churn: float = 0.002
    """Servers whose slot goes to a newcomer, in each epoch."""
    stake_tao: int = 1000
    """Behind each Validator at the start."""
    commit_reveal: bool = True
    """Whether weights are seen only once they count."""
    sybil_nats: float = SYBIL_NATS
    """How far sybils blur each probability."""
    rules: Rules = field(default_factory=Rules)

    def cast(self) -> Cast:
        return Cast(self.servers, self.validators, self.attacks, self.share, self.sybil_nats)

    def parameters(self) -> ChainParameters:
        return replace(NETWORK, consensus_rule=self.rule, yuma_max_validators=self.validators)


@dataclass(frozen=True, eq=False)
class Epoch:
    """What one epoch brought; arrays by uid, the Validators first."""

    number: int
    income_rao: NDArray[np.int64]
    stakes_rao: NDArray[np.int64]
    dividends: NDArray[np.float64]
    incentive: NDArray[np.float64]
    seconds: float
    """Of this machine, for the whole epoch."""


class Network:
    """The chain's side: stakes, weights and bonds of Validators (first) and Servers."""

    def __init__(self, plan: Plan, validator_roles: list[str]) -> None:
        self.plan = plan
        self.parameters = plan.parameters()
        self.roles = validator_roles
        count = plan.validators + plan.servers
        self.stakes_rao = [plan.stake_tao * RAO_PER_TAO] * plan.validators + [0] * plan.servers
        self.bonds: list[Row] = [()] * count
        self.shown: list[Row] = [()] * plan.validators
        """Weights that everybody can read: those that count."""
        self.permits: list[bool] | None = None
        self.pot_rao = 0

    def step(self, number: int, weights: list[Row], replaced: Uids, started: float) -> Epoch:
        """Run the chain's step on these weights, and pay it out."""
        blocks, servers = self.parameters.blocks_per_step, self.plan.servers
        height = (number + 1) * blocks
        minted = [calculate_issuance(at, self.parameters) for at in (height - blocks, height)]
        uids = (replaced + self.plan.validators).tolist()
        for uid in uids:  # A newcomer brings no stake.
            self.stakes_rao[uid] = 0
        self.pot_rao += minted[1] - minted[0]
        graph = Graph(
            block=height,
            emission_rao=self.pot_rao,
            stakes_rao=self.stakes_rao,
            weights=[*weights, *[()] * servers],
            bonds_rao=self.bonds,
            last_update_blocks=[height] * len(self.stakes_rao),
            reassigned_uids=frozenset(uids),
            permits=self.permits,
        )
        payout = run_consensus(graph, self.parameters)
        step = payout.step
        self.pot_rao -= sum(payout.amounts_rao)
        self.bonds, self.permits = list(step.bonds_rao), list(step.permits) or None
        self.stakes_rao = [
            stake + paid for stake, paid in zip(self.stakes_rao, payout.amounts_rao, strict=True)
        ]
        return Epoch(
            number=number,
            income_rao=np.array(payout.amounts_rao, dtype=np.int64),
            stakes_rao=np.array(self.stakes_rao, dtype=np.int64),
            dividends=np.array(step.dividends, dtype=np.float64) / 2**64,
            incentive=np.array(step.incentive, dtype=np.float64) / 2**64,
            seconds=time.perf_counter() - started,
        )

    def cheat(self, honest: list[PackedRow], colluders: Uids) -> list[Row]:
        """Return everybody's weights: the honest ones' own, and what the others do instead."""
        fair = iter(honest)
        copied = self.read_consensus(honest)
        return [
            {"weight-copy": lambda: copied, "collude": lambda: favour(colluders)}.get(
                role, lambda: next(fair)
            )()
            for role in self.roles
        ]

    def read_consensus(self, honest: list[PackedRow]) -> Row:
        """Return the stake-weighted mean of what a copier can read at this moment."""
        seen: list[Row] = list(honest)
        if self.plan.commit_reveal:
            seen = [row for row, role in zip(self.shown, self.roles, strict=True) if role == HONEST]
        total = np.zeros(len(self.stakes_rao))
        for row in seen:
            if isinstance(row, PackedRow):
                total[row.uids] += row.values
        uids = np.flatnonzero(total)
        values = (total[uids] / max(total.sum(), 1) * U32_MAXIMUM).astype(np.int64)
        return PackedRow(uids[values > 0], values[values > 0])


def favour(uids: Uids) -> Row:
    """Return weights that are even over some, and nothing for the others."""
    return PackedRow(uids, np.full(len(uids), U32_MAXIMUM // max(len(uids), 1), dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Simulation:
    """A network that is ready to run."""

    plan: Plan
    crowd: Crowd
    validator_roles: list[str]

    @property
    def roles(self) -> list[str]:
        """By uid: `validator: …` and `server: …`."""
        return [
            *(f"validator: {role}" for role in self.validator_roles),
            *(f"server: {role}" for role in self.crowd.roles),
        ]

    def run(self, processes: int = 1) -> Iterator[Epoch]:
        """Yield each epoch as it ends."""
        plan, network = self.plan, Network(self.plan, self.validator_roles)
        judges = [
            Judge(uid, plan.validators, self.crowd, plan.rules, U32_MAXIMUM // 2)
            for uid, role in enumerate(self.validator_roles)
            if role == HONEST
        ]
        with seat(judges, max(min(processes, len(judges)), 1)) as bench:
            yield from self.run_epochs(network, bench)

    def run_epochs(self, network: Network, bench: Bench) -> Iterator[Epoch]:
        colluders = self.plan.validators + self.find("collude")
        waiting: list[Row] = [()] * self.plan.validators
        tasks = self.tasks()
        bench.give(task := next(tasks))
        for following in chain(tasks, [None]):
            started = time.perf_counter()
            seen = bench.take()
            # What Validators see doesn't hang on the payout: they ask on while the chain steps.
            if following is not None:
                bench.give(following)
            if task.epoch >= 0:
                chosen = network.cheat(seen, colluders)
                # Committed now, they count from the step after the next on.
                counting = waiting if self.plan.commit_reveal and task.epoch else chosen
                network.shown = counting
                waiting = chosen
                yield network.step(task.epoch, counting, task.replaced, started)
            task = following or task

    def tasks(self) -> Iterator[Task]:
        """Yield what Validators see before each epoch: who came, and what each answers from."""
        random = np.random.default_rng([self.plan.seed, 1])
        models, honest, relays = self.crowd.models.copy(), self.find(HONEST), self.find("relay")
        # Servers are known when the clock starts, as in a network that has run before.
        for early in range(1, self.plan.rules.probation_rounds):
            yield Task(-early, models.copy(), honest[:0])
        for number in range(self.plan.epochs):
            leaving = random.random(len(honest)) < self.plan.churn
            replaced = honest[leaving] if number else honest[:0]
            models[replaced] = random.choice(self.crowd.spare, len(replaced))
            # Whoever holds the slot that a relay asks is whom it repeats.
            models[relays] = models[self.crowd.victims[relays]]
            yield Task(number, models.copy(), replaced)

    def find(self, role: str) -> Uids:
        """Return the rows of the Servers that play this role."""
        return np.flatnonzero(np.array(self.crowd.roles) == role)


def prepare(
    plan: Plan, bank: Bank | None = None, progress: Callable[[int], None] | None = None
) -> Simulation:
    """Draw the network of a plan: who is who, who holds what."""
    random = np.random.default_rng([plan.seed, 0])
    crowd = cast_servers(plan.cast(), random, bank, progress)
    roles = plan.cast().roles(VALIDATOR_ATTACKS, plan.validators)
    return Simulation(plan, crowd, roles)

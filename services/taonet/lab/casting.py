"""Who is who in a simulated network: honest Servers and Validators, and every kind of cheat."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taonet.lab.bank import Bank, Beliefs, Progress, believe, fill_bank

Uids = NDArray[np.int64]

HONEST = "honest"
SERVER_ATTACKS = ("copy", "relay", "sybil", "lazy", "noise", "silent")
VALIDATOR_ATTACKS = ("weight-copy", "collude")
ATTACKS = (*SERVER_ATTACKS, *VALIDATOR_ATTACKS)
SPARE_SHARE = 0.25
"""Models, beyond one for each Server, for those that come later."""
COPY_NATS = 0.01
"""How far a copy in another precision is from its original."""
SYBIL_NATS = 0.3
"""How far a copier blurs each probability on purpose, so as not to be found out."""
LAZY_MASS = 0.1
"""What the bare frequency of tokens gives to a question's candidates."""
NOISE_MASS = 0.02
RELAY_SECONDS = 0.02
"""What it takes to ask another and to sign the answer anew."""


@dataclass(frozen=True)
class Cast:
    """How many there are of each."""

    servers: int
    validators: int
    attacks: tuple[str, ...]
    share: float
    """Of the Servers, and of the Validators, for each attack."""
    sybil_nats: float = SYBIL_NATS

    def roles(self, kind: tuple[str, ...], count: int) -> list[str]:
        """Return a role for each of so many, the cheats first."""
        chosen = [attack for attack in self.attacks if attack in kind]
        each = max(round(count * self.share), 1)
        cheats = [attack for attack in chosen for _ in range(each)][:count]
        return cheats + [HONEST] * (count - len(cheats))


@dataclass(frozen=True, eq=False)
class Crowd:
    """The Servers of a network, and what they hold."""

    roles: list[str]
    models: Uids
    """The row of the bank that each answers from."""
    victims: Uids
    """Whose model each began with: its own, but for those that stole it."""
    seconds: NDArray[np.float64]
    """What an answer of each takes on average."""
    answers: NDArray[np.bool_]
    """Whether it ever answers."""
    bank: Bank
    spare: Uids
    """Rows of the bank for Servers that come later."""


def cast_servers(
    cast: Cast,
    random: np.random.Generator,
    bank: Bank | None = None,
    progress: Progress | None = None,
) -> Crowd:
    """Give each Server its model: skills vary as Beta(4, 2) does, cheats have what they stole."""
    roles = cast.roles((*SERVER_ATTACKS, "collude"), cast.servers)
    roles_of = np.array(roles)
    seconds = np.exp(random.normal(np.log(0.2), 0.4, cast.servers))
    honest = np.flatnonzero(roles_of == HONEST)
    victims = np.arange(cast.servers)
    for attack in ("copy", "relay", "sybil"):
        thieves = np.flatnonzero(roles_of == attack)
        # All sybils belong to one operator, who has one model.
        count = 1 if attack == "sybil" else len(thieves)
        victims[thieves] = random.choice(honest, count)
    relays = roles_of == "relay"
    seconds[relays] = seconds[victims[relays]] + RELAY_SECONDS
    if bank is None:
        spare = round(cast.servers * SPARE_SHARE)
        beliefs = believe(random.beta(4, 2, cast.servers + spare), random)
        blurs = {"copy": COPY_NATS, "sybil": cast.sybil_nats}
        told = distort(beliefs, roles_of, victims, blurs, random)
        bank = fill_bank(told, beliefs.truth, progress)
        models = np.arange(cast.servers)
    else:
        models = np.arange(cast.servers) % bank.models
    # A relay answers with the very answers of its victim.
    models = np.where(relays, models[victims], models)
    spare_rows = np.arange(min(cast.servers, bank.models - 1), bank.models)
    return Crowd(roles, models, victims, seconds, roles_of != "silent", bank, spare_rows)


def distort(
    beliefs: Beliefs,
    roles: NDArray[np.str_],
    victims: Uids,
    blurs: dict[str, float],
    random: np.random.Generator,
) -> NDArray[np.floating]:
    """Return what is said in the end, by those who cheat and by those who do not."""
    told = beliefs.listed.copy()
    for attack, nats in blurs.items():
        rows = np.flatnonzero(roles == attack)
        told[rows] = beliefs.blur(victims[rows], nats, random)
    shape = told[0].shape
    # Who has not read the question does not know its candidates either.
    told[np.flatnonzero((roles == "lazy") | (roles == "collude"))] = LAZY_MASS / shape[1]
    noisy = np.flatnonzero(roles == "noise")
    told[noisy] = random.dirichlet(np.full(shape[1], 0.5), (len(noisy), shape[0])) * NOISE_MASS
    return told

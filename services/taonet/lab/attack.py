"""`taonet lab attack`: what misbehaving neurons earn on a cluster that runs."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from chain_service.client import ChainClient
from chain_service.events import Paid
from taonet.kit.errors import Malformed, Unavailable
from taonet.kit.money import RAO_PER_TAO
from taonet.lab.attackers import (
    Attacker,
    Grounds,
    copy_of,
    favour,
    make_attacker,
    new_run,
    ranking,
    serving,
)
from taonet.local.cluster import MODELS
from taonet.local.home import Home
from taonet.local.secret_files import load_secret
from taonet.local.settings import LocalSettings
from taonet.local.valkey import valkey_url

SLOW_SECONDS = 30
"""Beyond any Validator's patience."""
COPIES = 5
COLLUDERS = 2
"""Validators that favour one Server of their own."""
CONDUCTS = ("noise", "constant", "lookup", "relay", "slow", "malformed", "silent")
GROUPS = ("copies", "weight-copy", "collude")
ATTACKS = (*CONDUCTS, *GROUPS)
JOIN_SECONDS = 240.0


@dataclass(frozen=True)
class Earned:
    """What one line of the table tells."""

    behaviour: str
    neurons: int
    income_tao: float
    """Of all of them together, over the epochs."""
    compared_with: str
    ratio: float
    """Income beside that."""


@dataclass(frozen=True)
class Outcome:
    epochs: int
    median_honest_tao: float
    honest_validator_tao: float
    earned: list[Earned]


def attack(
    attacks: Annotated[
        str, typer.Option(help=f"Separated by commas: {', '.join(ATTACKS)}; or all.")
    ] = ",".join(CONDUCTS),
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="Payouts to watch.")] = 10,
    warm_up: Annotated[
        int, typer.Option(min=0, help="Payouts to let pass before, on a cluster just started.")
    ] = 0,
    model: Annotated[str, typer.Option(help="What the attackers hold.")] = "birch",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Start real neurons that misbehave, beside the cluster that runs, and tell what they earn."""
    settings = LocalSettings()
    names = tuple(ATTACKS) if attacks == "all" else tuple(filter(None, attacks.split(",")))
    unknown = [name for name in names if name not in ATTACKS]
    if unknown:
        raise Malformed(f"{unknown[0]!r} is no attack; choose from {', '.join(ATTACKS)}")
    folder = settings.models() / model
    if not folder.is_dir():
        raise Malformed(f"there is no model in {folder}")
    outcome = run(settings.data_directory(), names, (warm_up, epochs), folder)
    if as_json:
        typer.echo(json.dumps(asdict(outcome)))
        return
    Console().print(as_table(outcome))


def run(home: Home, names: Sequence[str], spans: tuple[int, int], model: Path) -> Outcome:
    """Let payouts pass, watch the honest alone, then with the attackers; compare."""
    warm_up, epochs = spans
    grounds = find_grounds(home)
    with (
        ChainClient(grounds.chain_url) as chain,
        Progress(console=Console(stderr=True)) as bar,
    ):
        watch(chain, warm_up, bar, "warming up")
        honest = find_honest(chain)
        before = watch(chain, epochs if "copies" in names else 0, bar, "the honest alone")
        with attacking(grounds, chain, names, model, honest) as attackers:
            await_all(chain, attackers, bar)
            during = watch(chain, epochs, bar, "under attack")
            return compare(chain, honest, attackers, before, during, epochs, model)


def find_grounds(home: Home) -> Grounds:
    state = home.load_running_state()
    password = load_secret(home.secrets, "valkey")
    if password is None or "valkey" not in state.ports:
        raise Unavailable("the attack needs the embedded Valkey of a cluster on this machine")
    return Grounds(
        chain_url=f"http://127.0.0.1:{state.ports['chain']}",
        redis_url=valkey_url(state.ports["valkey"], password),
        corpus=home.corpus,
        wallets=home.wallets,
        logs=home.path / "logs",
        run=new_run(),
    )


@dataclass(frozen=True)
class Honest:
    """The cluster's own neurons, by name."""

    servers: dict[str, str]
    """Name → hotkey."""
    validators: dict[str, str]


def find_honest(chain: ChainClient) -> Honest:
    neurons = [neuron for neuron in chain.metagraph().neurons if neuron.axon is not None]
    return Honest(
        {n.name: n.hotkey for n in neurons if n.name.startswith("server-")},
        {n.name: n.hotkey for n in neurons if n.name.startswith("validator-")},
    )


@contextmanager
def attacking(
    grounds: Grounds, chain: ChainClient, names: Sequence[str], model: Path, honest: Honest
) -> Iterator[list[Attacker]]:
    """Start all attackers, for the time of a block."""
    victim = max(
        (
            neuron
            for neuron in chain.metagraph().neurons
            if neuron.hotkey in honest.servers.values()
        ),
        key=lambda neuron: neuron.incentive,
    )
    arguments = {"relay": f"relay={victim.uid}", "slow": f"slow={SLOW_SECONDS}"}
    servers = [
        make_attacker(grounds, name, arguments.get(name, name))
        for name in names
        if name in CONDUCTS
    ]
    if "copies" in names:
        servers += [make_attacker(grounds, f"copy{n}", "honest") for n in range(COPIES)]
    friends = [make_attacker(grounds, "friend", "constant")] if "collude" in names else []
    with ExitStack() as stack:
        stack.enter_context(serving(grounds, [*servers, *friends], model))
        voters = []
        if "weight-copy" in names:
            copied = honest.validators[min(honest.validators)]
            voters.append((make_attacker(grounds, "weight-copy", "weight-copy"), copy_of(copied)))
        for number, friend in enumerate(friends * COLLUDERS):
            colluder = make_attacker(grounds, f"collude{number}", "collude")
            voters.append((colluder, favour(friend.hotkey, colluder.hotkey)))
        for attacker, choose in voters:
            stack.enter_context(ranking(grounds, attacker, choose))
        yield [*servers, *friends, *(attacker for attacker, _ in voters)]


def await_all(chain: ChainClient, attackers: Sequence[Attacker], bar: Progress) -> None:
    """Wait until all are neurons of the chain."""
    task = bar.add_task("attackers register", total=len(attackers))
    deadline = time.monotonic() + JOIN_SECONDS
    while True:
        known = {neuron.hotkey for neuron in chain.metagraph().neurons}
        joined = sum(attacker.hotkey in known for attacker in attackers)
        bar.update(task, completed=joined)
        if joined == len(attackers):
            return
        if time.monotonic() > deadline:
            missing = [each.name for each in attackers if each.hotkey not in known]
            raise Unavailable(f"not registered after {JOIN_SECONDS:.0f} s: {', '.join(missing)}")
        time.sleep(1)


def watch(chain: ChainClient, epochs: int, bar: Progress, description: str) -> Counter[int]:
    """Return what each uid is paid over so many payouts, from now on."""
    income: Counter[int] = Counter()
    if not epochs:
        return income
    task, seen = bar.add_task(description, total=epochs), 0
    for block in chain.blocks(chain.head().height + 1):
        paid = [event for event in block.events if isinstance(event, Paid)]
        for event in paid:
            income[event.uid] += event.amount_rao
        if paid:
            seen += 1
            bar.update(task, completed=seen)
        if seen == epochs:
            break
    return income


def compare(
    chain: ChainClient,
    honest: Honest,
    attackers: Sequence[Attacker],
    before: Counter[int],
    during: Counter[int],
    epochs: int,
    model: Path,
) -> Outcome:
    uids = {neuron.hotkey: neuron.uid for neuron in chain.metagraph().neurons}

    def income(hotkeys: Sequence[str], of: Counter[int] = during) -> float:
        return sum(of[uids[hotkey]] for hotkey in hotkeys) / RAO_PER_TAO

    usual = median(income([hotkey]) for hotkey in honest.servers.values())
    fair = mean(income([hotkey]) for hotkey in honest.validators.values())
    earned = []
    for name in dict.fromkeys(group_of(attacker) for attacker in attackers):
        members = [each.hotkey for each in attackers if group_of(each) == name]
        total, beside, measure = income(members), "the median honest Server", usual
        if name in ("weight-copy", "collude"):
            beside, measure = (
                "as many honest Validators",
                fair * (1 if name == "weight-copy" else COLLUDERS),
            )
        if name == "copies":
            original = find_original(honest, model)
            total += income([original])
            beside, measure = "the one original, before", income([original], before)
        earned.append(
            Earned(name, len(members), total, beside, total / measure if measure else 0.0)
        )
    return Outcome(epochs, usual, fair, earned)


def group_of(attacker: Attacker) -> str:
    """Return the line of the table that an attacker belongs to."""
    if attacker.name.startswith(("collude", "friend")):
        return "collude"
    return "copies" if attacker.name.startswith("copy") else attacker.name.rpartition("-")[0]


def find_original(honest: Honest, model: Path) -> str:
    """Return the hotkey of the cluster's own Server that holds this model."""
    return next(honest.servers[name] for name, held in MODELS.items() if held == model.name)


def as_table(outcome: Outcome) -> Table:
    title = (
        f"{outcome.epochs} epochs; the median honest Server: {outcome.median_honest_tao:.3f} TAO"
    )
    table = Table(title=title, box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("behaviour")
    for column in ("neurons", "TAO in all", "ratio"):
        table.add_column(column, justify="right")
    table.add_column("beside")
    for each in outcome.earned:
        row = (each.behaviour, str(each.neurons), f"{each.income_tao:.4f}", f"{each.ratio:.2%}")
        table.add_row(*row, each.compared_with)
    return table

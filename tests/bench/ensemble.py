"""
What `network/ensemble` knows more than its best member: `make bench NAME=ensemble`.

The models that ship are asked for the next token at places of the held-out text, as a Validator
asks; their answers are cut to what the wire carries, and mixed as the gateway mixes them.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from tqdm import tqdm

from server_service.pretrained import load_engine
from taonet.corpus import find_or_build_corpus, read_chunks
from validator_service.domain.ensembles import mix, weigh_voice
from validator_service.gateway.ensemble import MEMBERS_MAX, TOP_K

MODELS = Path("server-service/models")
NAMES = ("acorn", "sapling", "birch", "oak")
VOCABULARY = 2048
CONTEXT = 64
PLACES = 4096
BATCH = 64
DRAWS = 2000
SCALING_EXPONENT = 13.158 / 2
"""Of the loss, in a Server's score (docs/mechanism.md §6: P(L)^γ with γ = ½)."""
WEIGHT_CAP = 0.5
REPORT = Path("docs/benchmarks/ensemble.md")

Floats = npt.NDArray[np.float64]


def main() -> None:
    contexts, targets = draw_places()
    beliefs = {name: ask(name, contexts) for name in NAMES}
    losses = {name: losses_of(belief, targets) for name, belief in beliefs.items()}
    best = min(losses, key=lambda name: losses[name].mean())
    incentives = pay({name: float(loss.mean()) for name, loss in losses.items()})
    members = sorted(NAMES, key=lambda name: -incentives[name])[:MEMBERS_MAX]
    voices = [beliefs[name] for name in members]
    mixed = {
        "`network/ensemble`: weights incentive²": [weigh_voice(incentives[m]) for m in members],
        "weights incentive": [incentives[m] for m in members],
        "all alike": [1.0 for _ in members],
    }
    rows = [f"| {name} | {incentives[name]:.3f} | {losses[name].mean():.3f} | |" for name in NAMES]
    for title, weights in mixed.items():
        joint = losses_of(mix(voices, weights), targets)
        low, high = spread_of(losses[best] - joint)
        gain = (losses[best] - joint).mean()
        rows.append(f"| {title} | | {joint.mean():.3f} | {gain:+.3f} ({low:+.3f} … {high:+.3f}) |")
    write_report(rows, best, members)


def draw_places() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    tokenizer = Tokenizer.from_file(str(MODELS / "tokenizer.json"))
    with tempfile.TemporaryDirectory() as folder:
        find_or_build_corpus(Path(folder))
        texts = [tokenizer.encode(chunk.text).ids for chunk in read_chunks(Path(folder), "heldout")]
    long_enough = [text for text in texts if len(text) > CONTEXT]
    random = np.random.default_rng(0)
    contexts, targets = [], []
    for number in random.integers(0, len(long_enough), PLACES):
        text = long_enough[number]
        place = int(random.integers(0, len(text) - CONTEXT))
        contexts.append(text[place : place + CONTEXT])
        targets.append(text[place + CONTEXT])
    return np.array(contexts, dtype=np.int64), np.array(targets, dtype=np.int64)


def ask(name: str, contexts: npt.NDArray[np.int64]) -> Floats:
    """Return a model's distributions, [places, V], as far as an answer carries them."""
    engine = load_engine(str(MODELS / name), VOCABULARY, threads=1)
    batches = tqdm(range(0, len(contexts), BATCH), desc=name)
    logits = np.concatenate([engine.next_logits(contexts[at : at + BATCH]) for at in batches])
    exact = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    least = np.partition(exact, -TOP_K, axis=1)[:, -TOP_K : -TOP_K + 1]
    told = np.where(exact >= least, exact, 0.0)
    floor = (1 - told.sum(axis=1, keepdims=True)) / (told == 0).sum(axis=1, keepdims=True)
    return np.where(told > 0, told, floor)


def losses_of(beliefs: Floats, targets: npt.NDArray[np.int64]) -> Floats:
    losses: Floats = -np.log(beliefs[np.arange(len(targets)), targets])
    return losses


def pay(losses: dict[str, float]) -> dict[str, float]:
    """Return the incentives that the scaling law gives, none above the cap."""
    scores = {name: loss**-SCALING_EXPONENT for name, loss in losses.items()}
    total = sum(scores.values())
    shares = {name: score / total for name, score in scores.items()}
    best = max(shares, key=lambda name: shares[name])
    if shares[best] <= WEIGHT_CAP:
        return shares
    rest = (1 - WEIGHT_CAP) / (1 - shares[best])
    return {name: WEIGHT_CAP if name == best else share * rest for name, share in shares.items()}


def spread_of(differences: Floats) -> tuple[float, float]:
    """Return the 95 % interval of the mean, by drawing places again and again."""
    random = np.random.default_rng(1)
    means = [random.choice(differences, len(differences)).mean() for _ in range(DRAWS)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def write_report(rows: list[str], best: str, members: list[str]) -> None:
    lines = [
        "# The ensemble against its best member",
        "",
        f"Loss of the next token in nats at {PLACES} places of the held-out text, after {CONTEXT}"
        f" tokens; lower is better. Each answer is cut to {TOP_K} tokens and a floor, as on the"
        " wire. Incentives are what the scaling law gives for these losses, none above"
        f" {WEIGHT_CAP}, as in the box. The ensemble's members are the first {MEMBERS_MAX} by"
        f" incentive: {', '.join(members)}. The last column is what is won over {best}, with the"
        f" 95 % interval of {DRAWS} bootstrap draws. The square was chosen on an earlier draw of"
        " 1,536 places of the same text.",
        "",
        "| who answers | incentive | loss, nats | won over the best |",
        "| --- | ---: | ---: | ---: |",
        *rows,
        "",
        f"{os.cpu_count()} cores; made by `make bench NAME=ensemble`.",
    ]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")
    print(REPORT.read_text())


if __name__ == "__main__":
    main()

"""
How many answers one core scores in a second: `make bench NAME=scoring`.

An answer is 32 tasks with 4096 phrases each, as the original network's were. Scored means: checked
as a stranger's word, its losses, and its fingerprint on the canaries. The peer is the same formulas
phrase by phrase in plain Python, as `phrase_cross_entropy` of BT v3.4.3 has them.
"""

import math
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from tqdm import tqdm

from validator_service.domain.answers import check_answer
from validator_service.domain.outcomes import measure_answer
from validator_service.domain.prompts import Questions

TASKS, PHRASES, HIDDEN, CANARIES = 32, 4096, 8, 4
LIMIT = 1000
"""Answers a second and core."""
WHY = """The network's own vocabulary has 2048 tokens: an answer there has at most 2048 phrases
a task; 50,257 are the original's. Most of the time goes into counting, task by task, which tokens
some phrase names: a Server may name one twice, and what it leaves to the others follows from it."""
REPORT = Path("docs/benchmarks/scoring.md")
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
CASES = {
    "4096 tokens, phrases of 1": (4096, 1),
    "50,257 tokens, phrases of 1": (50_257, 1),
    "50,257 tokens, a third of the phrases of 2": (50_257, 2),
}


def main() -> None:
    lines = [
        "# Scoring",
        "",
        f"One answer: {TASKS} tasks × {PHRASES} phrases, {HIDDEN} hidden tokens."
        f" Scored: checked in full, losses, fingerprint on {CANARIES} canaries. One thread;"
        " medians over 9 runs of 100, of processor time.",
        "",
        f"| vocabulary | answers a second | least … most | limit {LIMIT} | phrase by phrase |",
        "| --- | ---: | ---: | --- | ---: |",
    ]
    for name, (vocabulary, length) in tqdm(CASES.items(), file=sys.stderr):
        arrays = make_answer(vocabulary, length)
        rates = sorted(measure(arrays, vocabulary) for _ in range(9))
        median = statistics.median(rates)
        verdict = "met" if median >= LIMIT else "missed"
        peer = 1 / time_once(arrays, vocabulary)
        spread = f"{rates[0]:,.0f} … {rates[-1]:,.0f}"
        lines.append(f"| {name} | {median:,.0f} | {spread} | {verdict} | {peer:,.1f} |")
    lines += ["", f"{os.cpu_count()} cores; made by `make bench NAME=scoring`.", "", WHY]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")
    print(REPORT.read_text())


def make_answer(vocabulary: int, length: int) -> Arrays:
    """Distinct first tokens, probabilities of a small model, a floor for the rest."""
    random = np.random.default_rng(1)
    ids = np.full((TASKS, PHRASES, length), -1, dtype=np.int32)
    for row in ids:
        row[:, 0] = random.permutation(vocabulary)[:PHRASES]
    ids[:, ::3, 1:] = random.integers(0, vocabulary, ids[:, ::3, 1:].shape)
    shares = random.dirichlet(np.full(PHRASES, 0.1), size=TASKS)
    floor = np.full(TASKS, 0.02 / (vocabulary - PHRASES + 1), dtype=np.float32)
    truth = random.integers(0, vocabulary, (TASKS, HIDDEN))
    return ids, (shares * 0.98).astype(np.float32), floor, truth


def measure(arrays: Arrays, vocabulary: int, count: int = 100) -> float:
    ids, probabilities, floor, truth = arrays
    none = np.zeros(TASKS, dtype=bool)
    questions = Questions(np.zeros((TASKS, 64), int), truth, np.arange(CANARIES), none, none)
    start = time.process_time()
    for _ in range(count):
        answer = check_answer(
            ids, probabilities, floor, prompts=TASKS, top_k=PHRASES, vocabulary_size=vocabulary
        )
        measure_answer(answer, questions, vocabulary)
    return count / (time.process_time() - start)


def time_once(arrays: Arrays, vocabulary: int) -> float:
    """Seconds for one answer, phrase by phrase; only its losses."""
    ids, probabilities, floor, truth = (array.tolist() for array in arrays)
    start = time.process_time()
    for task in range(TASKS):
        total, mass, found, single = 0.0, 0.0, False, set()
        for phrase, probability in zip(ids[task], probabilities[task], strict=True):
            tokens = [token for token in phrase if token >= 0]
            total += probability
            if len(tokens) == 1:
                single.add(tokens[0])
            if tokens == truth[task][: len(tokens)]:
                mass, found = mass + probability, True
        total += (vocabulary - len(single)) * floor[task]
        -math.log(max((mass if found else floor[task]) / total, 1e-9))
    return time.process_time() - start


if __name__ == "__main__":
    main()

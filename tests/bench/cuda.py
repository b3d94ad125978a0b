"""
A Server on a GPU against `transformers serve --continuous-batching` on the same card, and against
batched `generate` in process: `make bench NAME=cuda`. Writes docs/benchmarks/serve-cuda.md.

Two models: oak, and one of the shape of a Llama of a billion parameters, whose random weights say
nothing, but take as long. `--device cpu` rehearses with a small one, and writes no page.
"""

# ruff: noqa: E501 (a page of Markdown has its own lines)

import argparse
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tests.bench.servers import (
    MODEL,
    NEW_TOKENS,
    PEER_BOUNDS,
    PROMPTS,
    Bench,
    measure_peer,
    measure_server,
    prepare,
    running_peer,
    running_server,
)
from tests.bench.stream_client import Measured, render_table
from tests.server_service.losses import WINDOW_TOKENS, measure_loss, read_windows

from server_service.conversion import convert
from server_service.pretrained import DTYPES, load_engine
from server_service.tokenizer import load_tokenizer
from server_service.writing import FastWriter

OURS, PEER = "taonet Server, torch", "transformers serve --continuous-batching"
PAGE = Path("docs/benchmarks/serve-cuda.md")
ROUNDS = {1: 7, 8: 5, 32: 5}
LARGE: dict[str, Any] = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16}
SMALL: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
HEADS: dict[str, Any] = {"num_attention_heads": 32, "num_key_value_heads": 8}


@dataclass(frozen=True)
class Asked:
    """One model, and what it is computed with."""

    title: str
    model: Path
    dtype: str


Row = dict[int, Measured] | str
"""Streams at once and what was measured, or why nothing was."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    device = parser.parse_known_args()[0].device
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("no CUDA on this machine: nothing was measured")
    with prepare() as bench:
        large = make_large(bench.folder / "large", LARGE if device == "cuda" else SMALL, device)
        parameters = load_engine(str(large), 2048, 1).facts.parameters
        models = [
            Asked("oak, 1,066,112 parameters, float32", MODEL, "float32"),
            Asked(f"random weights, {parameters:,} parameters, bfloat16", large, "bfloat16"),
        ]
        tables = {asked.title: compare(bench, asked, device) for asked in models}
        losses = measure_losses(bench, device)
    page = render_page(tables, losses, device)
    print(page)
    if device == "cuda":
        PAGE.write_text(page)


def make_large(folder: Path, shape: dict[str, Any], device: str) -> Path:
    """A model of random weights with oak's tokenizer; its texts end by their length alone."""
    context: dict[str, Any] = {"vocab_size": 2048, "max_position_embeddings": 2048}
    with torch.device(device):
        model = transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**shape, **HEADS, **context, eos_token_id=None)
        )
    model.bfloat16().save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(MODEL / name, folder)
    return folder


def compare(bench: Bench, asked: Asked, device: str) -> dict[str, Row]:
    def serve(engine: str) -> Row:
        if engine == "ctranslate2":
            prove(bench, asked, device)
        changes = {"SERVER_MODEL": asked.model, "SERVER_DTYPE": asked.dtype}
        changes |= {"SERVER_NETWORK_TOKENIZER": MODEL / "tokenizer.json"}
        with running_server(bench, SERVER_DEVICE=device, SERVER_ENGINE=engine, **changes) as server:
            return measure_server(bench, server, ROUNDS)

    def peer(*options: str) -> Row:
        with running_peer(asked.model, device, asked.dtype, options) as port:
            return measure_peer(port, asked.model, ROUNDS)

    bounds = PEER_BOUNDS if device == "cpu" else ()
    return {
        OURS: attempt(lambda: serve("torch")),
        "taonet Server, CTranslate2": attempt(lambda: serve("ctranslate2")),
        PEER: attempt(lambda: peer(*bounds)),
        "batched `generate`, in process": attempt(lambda: generate(asked, device)),
    }


def prove(bench: Bench, asked: Asked, device: str) -> None:
    """Raises what the library says where it cannot compute on this device."""
    folder = convert(asked.model, bench.folder / "models")
    FastWriter(folder, device=device, compute_type=asked.dtype, lanes=1, threads=1).prove()


def attempt(measure: Callable[[], Row]) -> Row:
    """What cannot run on this machine is told on the page, by its error's last line."""
    started = time.perf_counter()
    try:
        return measure()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[-1][:200]
        print(f"after {time.perf_counter() - started:.0f} s: {reason}", file=sys.stderr)
        return reason


def generate(asked: Asked, device: str) -> dict[int, Measured]:
    """All prompts in one batch, padded on the left, without HTTP; it knows no first token."""
    engine = load_engine(str(asked.model), 2048, 1, torch.device(device), DTYPES[asked.dtype])
    encode = load_tokenizer(str(asked.model)).encode
    measured = {}
    for at_once, rounds in ROUNDS.items():
        prompts = [encode(PROMPTS[row % len(PROMPTS)]) for row in range(at_once)]
        width = max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(one)) + one for one in prompts], device=device)
        mask = torch.tensor(
            [[0] * (width - len(one)) + [1] * len(one) for one in prompts], device=device
        )
        speeds = []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            engine.model.generate(
                ids,
                attention_mask=mask,
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
                eos_token_id=-1,
                pad_token_id=0,
            ).cpu()
            speeds.append(at_once * NEW_TOKENS / (time.perf_counter() - started))
        ordered = sorted(speeds[1:])
        measured[at_once] = Measured(ordered[rounds // 2], ordered[0], ordered[-1], float("nan"))
    return measured


def measure_losses(bench: Bench, device: str) -> dict[str, float]:
    """Mean held-out loss of oak, nats per token, by what it was computed with."""
    windows = read_windows(bench.folder / "corpus", MODEL)
    losses = {"float32, processor": measure_loss(load_engine(str(MODEL), 2048, 1), windows)}
    for name, dtype in DTYPES.items():
        engine = load_engine(str(MODEL), 2048, 1, torch.device(device), dtype)
        losses[f"{name}, {device}"] = measure_loss(engine, windows)
    return losses


def render_page(tables: dict[str, dict[str, Row]], losses: dict[str, float], device: str) -> str:
    card = torch.cuda.get_device_name(0) if device == "cuda" else "no card: a rehearsal"
    driver = f"CUDA {torch.version.cuda}, " if device == "cuda" else ""
    sections = "\n\n".join(render_section(title, rows) for title, rows in tables.items())
    reference = next(iter(losses.values()))
    moved = [[name, f"{loss:.4f}", f"{loss - reference:+.5f}"] for name, loss in losses.items()]
    return f"""# Serving texts on a GPU

`make bench NAME=cuda`. One **{card}**; {driver}torch {torch.__version__}, transformers {transformers.__version__}, Python {platform.python_version()}. The machine
holds the server and the client; each runs alone, in turn. Greedy; {NEW_TOKENS} new tokens; HTTP with streaming, a connection a request. Tokens per
second: the median of the rounds (lowest … highest). To the first token: milliseconds, the median of all streams.

{sections}

Held-out loss of oak over windows of {WINDOW_TOKENS} tokens, nats per token; a number format may move it by 0.02:

{render_table(["computed with", "loss", "moved"], moved)}

The Server reads prompts that wait together in one pass, padded to the longest, as far as 1,024 tokens, and writes by recorded steps (decisions/0061),
which a slow processor holds up little. `generate` in process starts all texts at once, streams none and speaks no HTTP. CTranslate2's packages are built for CUDA 12; where
its libraries are not there, a Server that chooses for itself (`TAONET_SERVER_ENGINE=auto`) says so in its log, and torch writes.

That texts on the card equal those on a processor token for token, that a batch's equal those written alone, and that a card without memory refuses
and goes on, is tested: `make test ARGS=tests/server_service/test_cuda.py`, which says that it was left out where there is no CUDA.
"""


def render_section(title: str, rows: dict[str, Row]) -> str:
    head = ["", *[f"{n} stream{'s' if n > 1 else ''}" for n in ROUNDS]]
    head += [f"first token at {n}" for n in ROUNDS]
    lines = [[name, *render_row(row)] for name, row in rows.items()]
    ours, peer = rows[OURS], rows[PEER]
    if not isinstance(ours, str) and not isinstance(peer, str):
        lines.append(["the Server: times the peer", *compare_rows(ours, peer)])
    return f"## {title}\n\n{render_table(head, lines)}"


def compare_rows(ours: dict[int, Measured], peer: dict[int, Measured]) -> list[str]:
    speeds = [ours[n].tokens_per_second / peer[n].tokens_per_second for n in ROUNDS]
    firsts = [ours[n].first_seconds / peer[n].first_seconds for n in ROUNDS]
    return [f"{times:.2f}" for times in speeds + firsts]


def render_row(row: Row) -> list[str]:
    if isinstance(row, str):
        return [f"not run: {row}", *[""] * (2 * len(ROUNDS) - 1)]
    speeds = [
        f"{m.tokens_per_second:,.0f} ({m.lowest:,.0f} … {m.highest:,.0f})" for m in row.values()
    ]
    firsts = [m.first_seconds * 1000 for m in row.values()]
    return speeds + ["" if first != first else f"{first:.1f}" for first in firsts]


if __name__ == "__main__":
    main()

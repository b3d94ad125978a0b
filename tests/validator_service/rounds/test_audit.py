"""An audit agrees with an epoch as it was, and with none whose answers were touched."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from tokenizers import Tokenizer

from server_service.client import ServerClient
from server_service.tensors import pack_tensors, unpack_tensors
from taonet.kit.db import begin, open_pool
from taonet.kit.keys import load_hotkey
from validator_service.domain.prompts import Shape, draw_questions
from validator_service.domain.scores import Rules
from validator_service.domain.weights import U32_MAXIMUM
from validator_service.rounds import operations, weights_repository
from validator_service.rounds.asking import AskingRules, Target, ask_servers
from validator_service.rounds.audit import Finding, Lens, audit_epoch
from validator_service.rounds.text import load_text

TOP_K = 64
VOCABULARY = 320
SHAPE = Shape(context_tokens=16, hidden_tokens=4, prompts=6, canaries=3)
RULES = Rules(probation_rounds=2)
OWN_UID = 99


@pytest.fixture
def pool(environment: dict[str, str]) -> Iterator[ConnectionPool]:
    with open_pool(environment["TAONET_DATABASE_URL"]) as opened:
        yield opened


@pytest.fixture
def lens(environment: dict[str, str], corpus: Path, tokenizer: Tokenizer) -> Lens:
    hotkey = load_hotkey(environment["TAONET_WALLET_PATH"], "validator", "validator")
    text = load_text(str(corpus), tokenizer, SHAPE)
    return Lens(hotkey.ss58_address, TOP_K, VOCABULARY, text, SHAPE)


Play = Callable[[], int]


@pytest.fixture
def play_epoch(
    pool: ConnectionPool, lens: Lens, environment: dict[str, str], make_server: Any
) -> Play:
    """Play an epoch of three rounds with three real Servers; return its number."""
    hotkey = load_hotkey(environment["TAONET_WALLET_PATH"], "validator", "validator")
    stubs = [make_server(0.6), make_server(0.3), make_server(1.0, "garbage")]
    targets = [
        Target(uid, stub.hotkey, "127.0.0.1", stub.axon["port"]) for uid, stub in enumerate(stubs)
    ]

    def play_round() -> None:
        with begin(pool) as conn:
            opened = operations.open_round(conn, lens.hotkey, 5, "ab" * 32)
        assert opened is not None
        asked = [(t, draw_questions(lens.text, opened.seed, t.hotkey, SHAPE)) for t in targets]

        async def ask() -> Any:
            async with httpx.AsyncClient(trust_env=False) as http:
                client = ServerClient(hotkey, http, vocabulary_size=VOCABULARY)
                return await ask_servers(client, asked, AskingRules(TOP_K, 10.0))

        replies = asyncio.run(ask())
        with begin(pool) as conn:
            operations.record_answers(conn, opened.id, replies, lens.text.digest)
            operations.score_answers(conn, opened.id, RULES, TOP_K, VOCABULARY)

    def play() -> int:
        for _ in range(3):
            play_round()
        with begin(pool) as conn:
            hotkeys = {target.uid: target.hotkey for target in targets}
            row = operations.calculate_weights(conn, hotkeys, 9, U32_MAXIMUM, OWN_UID, RULES)
            return operations.record_weights(conn, row)

    def settle_and_play() -> int:
        with begin(pool) as conn:
            if (promised := weights_repository.load_committed_weights(conn)) is not None:
                operations.settle_weights(conn, promised.id, "revealed")
        return play()

    return settle_and_play


def look(pool: ConnectionPool, epoch: int, lens: Lens) -> Finding:
    with begin(pool) as conn:
        return audit_epoch(conn, epoch, lens)


def spoil_answers(conn: Connection, count: int) -> None:
    """Make so many of the best Server's answers worse, as whoever wants to help another would."""
    rows = conn.execute("SELECT id, body FROM answer WHERE uid = 0 LIMIT %s", (count,)).fetchall()
    assert len(rows) == count
    for answer_id, body in rows:
        tensors = dict(unpack_tensors(body).tensors)
        tensors["probabilities"] = np.asarray(tensors["probabilities"], dtype=np.float32) * 1e-6
        conn.execute(
            "UPDATE answer SET body = %s WHERE id = %s", (pack_tensors(tensors), answer_id)
        )


def test_an_audit_agrees_with_every_epoch_as_it_was(
    pool: ConnectionPool, lens: Lens, play_epoch: Play
) -> None:
    first, second = play_epoch(), play_epoch()

    for epoch in (first, second):
        found = look(pool, epoch, lens)
        assert found.problems == []
        assert (found.rounds, found.answers, found.redrawn) == (3, 9, 9)


def test_an_altered_answer_is_found_by_its_signature_and_by_its_loss(
    pool: ConnectionPool, lens: Lens, play_epoch: Play
) -> None:
    epoch = play_epoch()
    with begin(pool) as conn:
        spoil_answers(conn, 1)

    problems = look(pool, epoch, lens).problems

    assert any("uid 0: the signature" in problem for problem in problems), problems
    assert any("uid 0: loss" in problem for problem in problems)


def test_altered_answers_are_found_by_the_weights_they_lead_to(
    pool: ConnectionPool, lens: Lens, play_epoch: Play
) -> None:
    """All three: after one, the best Server may still be the only one that is worth a weight."""
    epoch = play_epoch()
    with begin(pool) as conn:
        spoil_answers(conn, 3)

    assert "the weights do not follow from the answers" in look(pool, epoch, lens).problems


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE secret SET value = 'another'", "do not follow from the seed"),
        ("UPDATE answer SET hotkey = 'x' WHERE uid = 0", "the question was not for x"),
        ('UPDATE weights SET "values"[1] = 7', "weights do not follow"),
        ("UPDATE answer SET body = NULL WHERE uid = 0", "uid 0: loss"),
    ],
)
def test_whatever_else_is_touched_is_found(
    pool: ConnectionPool, lens: Lens, play_epoch: Play, change: Any, problem: str
) -> None:
    epoch = play_epoch()
    with begin(pool) as conn:
        conn.execute(change)

    assert any(problem in each for each in look(pool, epoch, lens).problems)


def test_the_command_tells_and_exits_by_what_it_finds(
    pool: ConnectionPool, environment: dict[str, str], play_epoch: Play
) -> None:
    def taonet(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "taonet.cli.main", "validator", *words],
            env={**os.environ, **environment, "TAONET_VALIDATOR_TOP_K": str(TOP_K)},
            capture_output=True,
            text=True,
        )

    epoch = play_epoch()
    listed = json.loads(taonet("epochs", "--json").stdout)
    assert listed == [{"epoch": epoch, "height": 9, "state": "committed", "rounds": 3}]
    told = taonet("audit", str(epoch), "--json")
    assert json.loads(told.stdout)["agrees"] == (told.returncode == 0)
    nobody = taonet("audit", "77")
    assert nobody.returncode == 1
    assert "there is no epoch 77" in nobody.stderr

"""Answers that must follow a JSON schema, and what penalties do, by a running model."""

import json
from contextlib import aclosing
from typing import Any

import pytest
from tests.server_service.serving import RunningServer

from server_service.client import (
    GenerateEnd,
    GeneratePiece,
    GenerateRequest,
    ServerClient,
    ServerFailure,
)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "kind": {"enum": ["red", "green"]},
        "ages": {"type": "array", "items": {"type": "integer", "maximum": 99}, "maxItems": 2},
    },
    "required": ["name", "kind", "ages"],
    "additionalProperties": False,
}
PROMPT = list(range(20, 30))


def write(server: RunningServer, **wishes: Any) -> tuple[list[GeneratePiece], GenerateEnd]:
    request = GenerateRequest(**{"prompt_tokens": PROMPT, "max_new_tokens": 120, **wishes})

    async def run(client: ServerClient) -> tuple[list[GeneratePiece], GenerateEnd]:
        async with aclosing(client.generate(server.address, request, timeout_seconds=30)) as lines:
            *pieces, end = [line async for line in lines]
        return pieces, end  # type: ignore[return-value]

    return server.ask(run)


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_follows_its_schema(server: RunningServer, seed: int) -> None:
    pieces, end = write(server, json_schema=SCHEMA, seed=seed)

    answer = json.loads("".join(piece.text for piece in pieces))

    assert end.finish_reason == "stop"
    assert set(answer) == {"name", "kind", "ages"}
    assert len(answer["name"]) <= 8
    assert answer["kind"] in ("red", "green")
    assert len(answer["ages"]) <= 2
    assert all(isinstance(age, int) and age <= 99 for age in answer["ages"])


def test_a_schema_that_is_none_is_refused(server: RunningServer) -> None:
    with pytest.raises(ServerFailure, match=r"json_schema: .*nonsense"):
        write(server, json_schema={"type": "nonsense"})


def test_penalties_end_repetition_and_a_bias_decides(server: RunningServer) -> None:
    plain, _ = write(server, temperature=0, max_new_tokens=40)
    varied, _ = write(server, temperature=0, max_new_tokens=40, frequency_penalty=2)
    forced, _ = write(server, temperature=0, max_new_tokens=5, logit_bias={"77": 100})

    assert len({piece.token for piece in varied}) > len({piece.token for piece in plain})
    assert [piece.token for piece in forced] == [77] * 5
    # What is told of a token's likelihood stays the model's own.
    assert all(piece.logprob < 0 for piece in forced)

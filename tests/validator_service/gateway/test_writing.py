"""What several texts bring is read in one go: all that has come, each text's own in its order."""

import asyncio
from collections.abc import AsyncGenerator

from server_service.client import FailureCode, FinishReason, GenerateEnd, GeneratePiece
from server_service.client import ServerFailure as Failure
from server_service.schemas import Usage
from validator_service.gateway.writing import Writing

PIECES = [GeneratePiece(token=token, text=str(token), logprob=-1.0) for token in range(3)]
END = GenerateEnd(
    finish_reason=FinishReason.LENGTH, usage=Usage(prompt_tokens=1, completion_tokens=3)
)
BROKEN = Failure(FailureCode.UNAVAILABLE, "gone")


async def write(
    failure: Failure | None = None,
) -> AsyncGenerator[GeneratePiece | GenerateEnd, None]:
    for piece in PIECES:
        yield piece
    if failure is not None:
        raise failure
    yield END


def test_all_that_has_come_is_read_at_once() -> None:
    async def read() -> list[list[object]]:
        writing = Writing([write(), write(BROKEN)])
        await writing.begin()
        events = await writing.arrived()
        await writing.stop()
        return [[event.piece for event in events if event.choice == choice] for choice in (0, 1)]

    assert [[*PIECES, END], [*PIECES, BROKEN]] == asyncio.run(read())


def test_who_reads_waits_for_what_comes_next() -> None:
    async def read() -> list[object]:
        gate = asyncio.Event()

        async def slowly() -> AsyncGenerator[GeneratePiece | GenerateEnd, None]:
            yield PIECES[0]
            await gate.wait()
            yield END

        writing = Writing([slowly()])
        await writing.begin()
        first = await writing.arrived()
        asyncio.get_running_loop().call_later(0.05, gate.set)
        return [event.piece for event in first + await writing.arrived()]

    assert [PIECES[0], END] == asyncio.run(read())


def test_a_text_that_fails_in_an_unknown_way_has_failed() -> None:
    """Else who reads it would wait for ever."""

    async def break_down() -> AsyncGenerator[GeneratePiece | GenerateEnd, None]:
        yield PIECES[0]
        raise TypeError("nobody thought of it")

    async def read() -> list[object]:
        writing = Writing([break_down()])
        await writing.begin()
        events = await writing.arrived()
        while not isinstance(events[-1].piece, Failure):
            events += await asyncio.wait_for(writing.arrived(), 5)
        return [event.piece for event in events]

    *pieces, failure = asyncio.run(read())
    assert pieces == [PIECES[0]]
    assert isinstance(failure, Failure)

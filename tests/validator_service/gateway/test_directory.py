"""What is known of the Servers is looked up anew beside the calls, and never instead of them."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import CapturingLogger
from tests.validator_service.stand_ins import CONTEXT_LENGTH, LIMITS

from chain_service.client import ChainUnavailable
from chain_service.schemas import Metagraph
from server_service.client import FailureCode, Info, ServerAddress, ServerFailure
from server_service.schemas import RequestKind
from validator_service.gateway import directory as directory_module
from validator_service.gateway.directory import BEST, Directory
from validator_service.gateway.errors import ModelNotFound, NoServerAvailable

SILENT_SECONDS = 0.5


@dataclass
class Network:
    """A chain and its Servers, of which some are silent."""

    uids: list[int] = field(default_factory=lambda: [0])
    silent: set[int] = field(default_factory=set)
    error: Exception | None = None
    pause_seconds: float = 0.0
    looks: int = 0
    looking: int = 0
    looking_most: int = 0

    async def metagraph(self) -> Metagraph:
        self.looks += 1
        self.looking += 1
        self.looking_most = max(self.looking_most, self.looking)
        try:
            await asyncio.sleep(self.pause_seconds)
        finally:
            self.looking -= 1
        if self.error is not None:
            raise self.error
        return Metagraph.model_validate(
            {"height": 1, "neurons": [describe_neuron(uid) for uid in self.uids]}
        )

    async def info(self, address: ServerAddress, *, timeout_seconds: float) -> Info:
        if int(address.hotkey) in self.silent:
            await asyncio.sleep(SILENT_SECONDS)
            raise ServerFailure(FailureCode.TIMEOUT, "it said nothing")
        return Info(
            **{"name": "stub", "hotkey": address.hotkey, "model": "table"},
            **{"tokenizer_sha256": "0" * 64, "parameters": 1, "vocabulary_size": 320},
            **{"context_length": CONTEXT_LENGTH, "limits": LIMITS, "requests": [RequestKind.NEXT]},
        )


def describe_neuron(uid: int) -> dict[str, Any]:
    return {
        **{"uid": uid, "name": "", "hotkey": str(uid), "coldkey": "owner"},
        **{"stake_rao": "0", "rank": 0.0, "trust": 0.0, "consensus": 0.0, "incentive": 0.1},
        **{"dividends": 0.0, "emission_rao": "0", "active": True, "last_update_block": 0},
        **{"registered_block": 0, "axon": {"ip": "127.0.0.1", "port": 8091 + uid}},
    }


@dataclass
class Clock:
    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(directory_module, "time", clock)
    return clock


Story = Callable[[Directory], Coroutine[Any, Any, None]]


def tell(network: Any, story: Story) -> None:
    async def run() -> None:
        directory = Directory(network, network, "own", private_allowed=True)
        await story(directory)
        await directory.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}, "nothing is left pending"

    asyncio.run(run())


async def find_uids(directory: Directory, model: str = BEST) -> list[int]:
    return sorted(server.uid for server in await directory.find(model))


def test_calls_do_not_wait_for_a_silent_neuron(clock: Clock) -> None:
    network = Network(uids=[0, 1], silent={1})

    async def story(directory: Directory) -> None:
        assert await find_uids(directory) == [0], "the first call waits, as nothing is known"
        for _ in range(3):
            clock.now += 20
            began = time.monotonic()
            assert await find_uids(directory) == [0]
            assert time.monotonic() - began < SILENT_SECONDS / 2
            await asyncio.sleep(SILENT_SECONDS * 1.2)

    tell(network, story)
    assert network.looks == 4, "each call had somebody look again"


def test_many_calls_make_one_look_that_outlives_them(clock: Clock) -> None:
    network = Network(pause_seconds=0.1)

    async def story(directory: Directory) -> None:
        calls = [asyncio.create_task(find_uids(directory)) for _ in range(20)]
        await asyncio.sleep(0.02)
        calls[0].cancel()
        assert await asyncio.gather(*calls[1:]) == [[0]] * 19
        clock.now += 10
        assert await asyncio.gather(*(find_uids(directory) for _ in range(20))) == [[0]] * 20

    tell(network, story)
    assert (network.looks, network.looking_most) == (2, 1)


def test_who_wants_a_new_server_or_comes_after_a_quiet_time_waits(clock: Clock) -> None:
    network = Network(pause_seconds=0.1)

    async def story(directory: Directory) -> None:
        await find_uids(directory)
        network.uids = [0, 7]
        clock.now += 10
        assert await find_uids(directory, "server/7") == [7]
        with pytest.raises(ModelNotFound):
            await directory.find("server/8")
        network.uids = [7]
        clock.now += 61
        assert await find_uids(directory) == [7]

    tell(network, story)


@pytest.mark.parametrize(
    ("error", "told"),
    [(ChainUnavailable("away"), "warning"), (ZeroDivisionError("nobody thought"), "exception")],
)
def test_a_look_that_fails_is_told_and_what_is_known_serves_for_an_hour(
    clock: Clock, error: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, log = Network(), CapturingLogger()
    monkeypatch.setattr(directory_module, "log", log)

    async def story(directory: Directory) -> None:
        await find_uids(directory)
        network.error = error
        clock.now += 10
        assert await find_uids(directory) == [0]
        await asyncio.sleep(0.05)
        clock.now += 3000
        assert await find_uids(directory) == [0]
        clock.now += 700
        with pytest.raises(NoServerAvailable):
            await directory.find(BEST)
        network.error = None
        clock.now += 10
        assert await find_uids(directory) == [0]

    tell(network, story)
    assert [call.method_name for call in log.calls] == [told, told, told, "error"]


def test_a_look_that_hangs_is_not_the_last(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "LOOK_SECONDS_MAX", 0.05)
    network = Network(pause_seconds=60)

    async def story(directory: Directory) -> None:
        with pytest.raises(NoServerAvailable):
            await directory.find(BEST)
        network.pause_seconds = 0
        clock.now += 10
        assert await find_uids(directory) == [0]

    tell(network, story)


def test_closing_ends_the_look_under_way(clock: Clock) -> None:
    async def story(directory: Directory) -> None:
        await find_uids(directory)
        network.pause_seconds = 60
        clock.now += 10
        await find_uids(directory)

    network = Network()
    began = time.monotonic()
    tell(network, story)
    assert time.monotonic() - began < 5

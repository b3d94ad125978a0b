"""Blocks, events and the metagraph as they come: no gap and no repeat, however often cut off."""

import json
from itertools import pairwise
from typing import Any

import httpx
import pytest
from tests.chain_service.conftest import RunningChain, enrich, key, take_out
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

ALICE, BOB, SERVER, VALIDATOR = key("Alice"), key("Bob"), key("server"), key("validator")


@pytest.fixture
def rich(chain: RunningChain) -> RunningChain:
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    take_out(chain.client, ALICE, SERVER, 500_000_000)
    arguments = {"receiver": BOB.ss58_address, "amount_rao": 1000}
    answers = chain.client.submit_many(ALICE, [("transfer", arguments)] * 20)
    for answer in answers:
        chain.client.wait(str(answer))
    return chain


def open_socket(chain: RunningChain, path: str) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{chain.port}{path}", max_size=None)


def read_for_ever(socket: ClientConnection) -> None:
    while True:
        socket.recv(timeout=20)


def read_events(chain: RunningChain, query: str) -> list[dict[str, Any]]:
    """Read events page by page, as a client that starts at genesis would."""
    events: list[dict[str, Any]] = []
    following, height = 0, chain.height()
    while following <= height:
        page = httpx.get(f"http://127.0.0.1:{chain.port}/events?from={following}{query}").json()
        events += page["events"]
        following = page["next_from"]
    return events


def test_a_socket_killed_half_way_goes_on_without_gap_or_repeat(rich: RunningChain) -> None:
    blocks: list[dict[str, Any]] = []
    for turn in range(4):
        following = blocks[-1]["header"]["height"] + 1 if blocks else 1
        with open_socket(rich, f"/blocks/ws?from={following}") as socket:
            blocks += [json.loads(socket.recv(timeout=20)) for _ in range(5)]
            # The connection dies in the middle, once with the whole process behind it.
            if turn == 1:
                rich.kill("web")
                with pytest.raises(ConnectionClosed):
                    read_for_ever(socket)
                rich.start_web()
                rich.wait_ready()
            socket.socket.close()
    assert [block["header"]["height"] for block in blocks] == list(range(1, 21))
    for parent, block in pairwise(blocks):
        assert block["header"]["parent_hash"] == parent["header"]["block_hash"]


def test_events_are_filtered_by_kind_and_account_and_resumed_within_a_block(
    rich: RunningChain,
) -> None:
    query = f"&kind=Transferred&account={BOB.ss58_address}"
    events = read_events(rich, query)
    assert len(events) == 20
    assert {event["receiver"] for event in events} == {BOB.ss58_address}
    assert read_events(rich, f"&kind=Paid&account={BOB.ss58_address}") == []

    seen: list[dict[str, Any]] = []
    place = "from=0"
    while len(seen) < 20:
        with open_socket(rich, f"/events/ws?{place}{query}") as socket:
            seen += [json.loads(socket.recv(timeout=20)) for _ in range(min(7, 20 - len(seen)))]
            socket.socket.close()
        place = f"from={seen[-1]['height']}&index={seen[-1]['index'] + 1}"
    assert seen == events


def test_an_event_source_goes_on_after_what_it_saw_last(rich: RunningChain) -> None:
    events = read_events(rich, "&kind=Transferred")
    last = events[6]
    headers = {"last-event-id": f"{last['height']}-{last['index']}"}
    address = f"http://127.0.0.1:{rich.port}/events/stream?kind=Transferred"
    with httpx.stream("GET", address, headers=headers, timeout=20) as response:
        lines = (line for line in response.iter_lines() if line.startswith("data:"))
        assert [json.loads(next(lines)[5:]) for _ in range(13)] == events[7:]
    refused = httpx.get(address, headers={"last-event-id": "yesterday"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "Malformed")


def test_the_metagraph_comes_when_a_neuron_changes_and_not_for_money(chain: RunningChain) -> None:
    with open_socket(chain, f"/metagraph/ws?from={chain.height() + 1}") as socket:
        chain.client.register_by_work(SERVER, ALICE.ss58_address)
        while not (graph := json.loads(socket.recv(timeout=20)))["neurons"]:
            pass
        assert graph["neurons"][0]["hotkey"] == SERVER.ss58_address
        with pytest.raises(TimeoutError):
            socket.recv(timeout=1)


def test_a_reader_who_stops_reading_does_not_hold_up_the_others(chain: RunningChain) -> None:
    with open_socket(chain, "/blocks/ws?from=0"), open_socket(chain, "/blocks/ws?from=0") as socket:
        for height in range(10):
            assert json.loads(socket.recv(timeout=20))["header"]["height"] == height

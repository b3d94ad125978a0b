"""Joining a network through the real chain client: work, announcement, heartbeat."""

from collections.abc import Iterator

import pytest
from tests.conftest import free_port
from tests.server_service.fake_chain import FakeChain, create_chain_app
from tests.server_service.serving import serving, wait_until

from chain_service.client import ChainClient, ChainUnavailable
from server_service.domain.membership import Announcement
from server_service.membership import ChainWatch, ForeignTokenizer, Membership
from taonet.kit.keys import Keypair

HOTKEY = Keypair.create_from_uri("//Newcomer")
COLDKEY = Keypair.create_from_uri("//Owner").ss58_address
TOKENIZER = "11" * 32
HERE = Announcement("127.0.0.1", 8091, "acorn")


@pytest.fixture
def own_chain() -> FakeChain:
    return FakeChain()


@pytest.fixture
def client(own_chain: FakeChain) -> Iterator[ChainClient]:
    port = free_port()
    with (
        serving(create_chain_app(own_chain), port),
        ChainClient(f"http://127.0.0.1:{port}") as client,
    ):
        yield client


class Member:
    """A membership whose turns the test takes itself."""

    def __init__(self, client: ChainClient) -> None:
        self.watch = ChainWatch(client)
        self.membership = Membership(
            client, self.watch, HOTKEY, COLDKEY, HERE, TOKENIZER, heartbeat_blocks=5
        )

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.watch.turn()
            self.membership.turn()


def names(chain: FakeChain) -> list[str]:
    return [call for call, _ in chain.calls]


def test_a_newcomer_registers_by_work_and_announces_itself(
    own_chain: FakeChain, client: ChainClient
) -> None:
    Member(client).turn(3)
    assert names(own_chain) == ["register", "serve_axon"]
    assert own_chain.calls[0][1]["coldkey"] == COLDKEY
    assert own_chain.calls[1][1] == {"ip": "127.0.0.1", "port": 8091, "name": "acorn"}


def test_who_is_registered_only_announces_itself(own_chain: FakeChain, client: ChainClient) -> None:
    own_chain.add(HOTKEY.ss58_address)
    Member(client).turn(2)
    assert names(own_chain) == ["serve_axon"]


def test_what_the_chain_forgot_is_said_again(own_chain: FakeChain, client: ChainClient) -> None:
    member = Member(client)
    member.turn(3)
    own_chain.neurons.clear()
    own_chain.height += 1
    member.turn(3)
    assert names(own_chain) == ["register", "serve_axon"] * 2


def test_the_address_is_announced_again_every_few_blocks(
    own_chain: FakeChain, client: ChainClient
) -> None:
    own_chain.add(HOTKEY.ss58_address)
    member = Member(client)
    member.turn()
    for blocks in (4, 1):
        assert names(own_chain) == ["serve_axon"]
        own_chain.height += blocks
        member.turn()
    assert names(own_chain) == ["serve_axon"] * 2


def test_a_server_with_another_network_tokenizer_does_not_join(
    own_chain: FakeChain, client: ChainClient
) -> None:
    own_chain.tokenizer_sha256 = "22" * 32
    with pytest.raises(ForeignTokenizer, match=r"network's is 2222.*_NETWORK_TOKENIZER"):
        Member(client).turn()
    assert names(own_chain) == []
    own_chain.tokenizer_sha256 = TOKENIZER
    Member(client).turn(3)
    assert names(own_chain) == ["register", "serve_axon"]


def test_callers_are_those_of_the_last_metagraph_seen(
    own_chain: FakeChain, client: ChainClient
) -> None:
    watch = ChainWatch(client)
    assert "not reached" in (watch.describe_problem() or "")
    own_chain.add("alice", stake_rao=2**60)
    watch.turn()
    own_chain.failing = True
    with pytest.raises(ChainUnavailable):
        watch.turn()
    assert watch.describe_problem() is None
    assert watch.callers is not None
    assert watch.callers.stake_rao_by_hotkey == {"alice": 2**60}


def test_a_chain_that_comes_up_late_is_joined(own_chain: FakeChain) -> None:
    port = free_port()
    with ChainClient(f"http://127.0.0.1:{port}") as client:
        watch = ChainWatch(client, pause_seconds=0.05)
        membership = Membership(
            client, watch, HOTKEY, COLDKEY, HERE, TOKENIZER, 100, pause_seconds=0.05
        )
        watch.start()
        membership.start()
        try:
            with serving(create_chain_app(own_chain), port):
                wait_until(lambda: names(own_chain) == ["register", "serve_axon"])
        finally:
            membership.stop()
            watch.stop()

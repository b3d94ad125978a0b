"""The same seed, the same faults; every process gets each of its kinds; every address a link."""

from collections import Counter

from tests.chaos.links import CALLERS, find_link, find_targets, interpose
from tests.chaos.schedule import OF_LINKS, Kind, plan_faults

from taonet.local.processes import ProcessSpec

PROCESSES = ("author", "web", "store")
LINKS = {"author": ["store"], "web": ["store", "author"]}
CLUSTER = (
    ProcessSpec("store", ("store",), port=10),
    ProcessSpec("web", ("web",), port=11, environment={"STORE": "db://me:pw@127.0.0.1:10/x"}),
    ProcessSpec(
        "server",
        ("server",),
        port=12,
        environment={"CHAIN": "http://127.0.0.1:11", "TAONET_SERVER_AXON_PORT": "12"},
    ),
)


def test_a_seed_names_one_schedule() -> None:
    first = plan_faults(7, PROCESSES, LINKS, 50)

    assert first == plan_faults(7, PROCESSES, LINKS, 50)
    assert first[:20] == plan_faults(7, PROCESSES, LINKS, 20)
    assert first != plan_faults(8, PROCESSES, LINKS, 50)


def test_each_process_gets_each_kind_of_fault_in_every_deck() -> None:
    deck = 3 * 2 + 2 * len(OF_LINKS)

    dealt = Counter(
        (fault.process, fault.kind) for fault in plan_faults(1, PROCESSES, LINKS, 2 * deck)
    )

    assert set(dealt.values()) == {2}
    assert ("store", Kind.CUT) not in dealt
    assert len(dealt) == deck


def test_a_fault_of_a_link_names_its_far_end_and_no_other_does() -> None:
    for fault in plan_faults(1, PROCESSES, LINKS, 60):
        assert (fault.target in LINKS.get(fault.process, [])) == (fault.kind in OF_LINKS)


def test_every_address_in_an_environment_becomes_a_link_of_its_own() -> None:
    (store, web, server), links = interpose(CLUSTER, 100)

    assert store == CLUSTER[0]
    assert web.environment == {"STORE": "db://me:pw@127.0.0.1:100/x"}
    assert server.environment["CHAIN"] == "http://127.0.0.1:101"
    assert [(link.source, link.target, link.target_port) for link in links[:2]] == [
        ("web", "store", 10),
        ("server", "web", 11),
    ]


def test_what_does_not_run_here_gets_no_link() -> None:
    web = ProcessSpec("web", ("web",), port=11, environment={"FIGURES": "http://127.0.0.1:19"})

    assert interpose([web], 100) == ((web,), [])


def test_a_server_listens_where_it_did_and_is_called_through_its_link() -> None:
    (*_, server), links = interpose(CLUSTER, 100)

    link = find_link(links, "server", CALLERS)
    assert server.environment["TAONET_SERVER_PORT"] == "12"
    assert server.environment["TAONET_SERVER_AXON_PORT"] == str(link.port)
    assert find_targets(links) == {"web": ["store"], "server": ["web", CALLERS]}

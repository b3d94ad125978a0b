import pytest
from tests.explorer.fake_network import FakeNetwork

from taonet.explorer.figures import (
    ERA_BLOCKS,
    HALVINGS,
    find_halving,
    role_of,
    sort_neurons,
    split_emission,
)
from taonet.explorer.rendering import share, short_hash, tao


@pytest.mark.parametrize(
    ("height", "number", "blocks_left"),
    [
        (0, 1, ERA_BLOCKS + 1),
        (1, 1, ERA_BLOCKS),
        (ERA_BLOCKS, 1, 1),
        (ERA_BLOCKS + 1, 2, ERA_BLOCKS),
    ],
)
def test_the_first_block_of_an_era_pays_half(height: int, number: int, blocks_left: int) -> None:
    halving = find_halving(height, 12.0)

    assert halving is not None
    assert (number, blocks_left) == (halving.number, halving.blocks_left)


def test_after_the_last_halving_there_is_none() -> None:
    assert find_halving(HALVINGS * ERA_BLOCKS, 12.0) is not None
    assert find_halving(HALVINGS * ERA_BLOCKS + 1, 12.0) is None


@pytest.mark.parametrize(("seconds", "words"), [(12.0, "3.99 years"), (2.0, "243.1 days")])
def test_distance_is_told_in_the_unit_that_reads_best(seconds: float, words: str) -> None:
    halving = find_halving(1, seconds)

    assert halving is not None
    assert words == halving.distance


def test_roles_follow_from_what_is_earned() -> None:
    neurons = FakeNetwork().metagraph().neurons
    server, validator = neurons[0], neurons[-1]
    # Where nobody holds bonds, a Server keeps both halves of what its incentive brings.
    unbonded = server.model_copy(update={"dividends": server.incentive})
    silent = validator.model_copy(update={"dividends": 0.0})

    roles = [role_of(neuron) for neuron in (server, validator, unbonded, silent)]

    assert roles == ["Server", "Validator", "Server", "Newcomer"]


def test_split_is_the_sum_of_what_each_role_got() -> None:
    split = split_emission(FakeNetwork().metagraph().neurons)

    assert (split.servers_rao, split.validators_rao) == (5_000_000_000, 5_000_000_000)
    assert split.servers_share == 0.5
    assert split_emission([]).servers_share == 0.5


def test_ties_go_to_the_lower_uid() -> None:
    neurons = FakeNetwork().metagraph().neurons[::-1]

    assert [neuron.uid for neuron in sort_neurons(neurons, "trust")] == [0, 1, 2, 3, 4, 5]


def test_text_of_figures() -> None:
    assert tao(1_234_567_890_123) == "1,234.567"
    assert tao(1) == "< 0.001"
    assert tao(0) == "0.000"
    assert share(0) == "–"
    assert short_hash("ab" * 32) == "abababab…abab"

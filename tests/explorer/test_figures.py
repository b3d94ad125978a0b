from tests.explorer.fake_network import FakeNetwork

from taonet.explorer.figures import role_of, sort_neurons, split_emission
from taonet.explorer.rendering import million, share, short_hash, tao


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
    assert million(21_000_000) == "21 million"
    assert million(10.5e6) == "10.5 million"
    assert share(0) == "–"
    assert short_hash("ab" * 32) == "abababab…abab"

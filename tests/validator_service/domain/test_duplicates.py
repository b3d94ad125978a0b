"""Duplicates: the search by projections finds what comparing everybody with everybody finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.validator_service.domain.roots import make_fingerprints

from validator_service.domain.duplicates import find_clusters, hellinger_distances

DISTANCE = 0.03
VOCABULARY = 24


def draw(random: np.random.Generator, models: int, canaries: int = 3) -> np.ndarray:
    return np.asarray(random.dirichlet(np.full(VOCABULARY, 0.3), size=(models, canaries)))


def blur(random: np.random.Generator, told: np.ndarray, nats: float) -> np.ndarray:
    noisy = told * np.exp(random.normal(0, nats, told.shape))
    return np.asarray(noisy / noisy.sum(axis=-1, keepdims=True))


def compare_everybody(fingerprints: np.ndarray) -> list[int]:
    labels = list(range(len(fingerprints)))
    for low in range(len(fingerprints)):
        for high in range(low + 1, len(fingerprints)):
            pair = hellinger_distances(fingerprints[[low]], fingerprints[[high]])
            if pair[0] < DISTANCE and labels[low] != labels[high]:
                keep, gone = sorted((labels[low], labels[high]))
                labels = [keep if label == gone else label for label in labels]
    return labels


def test_distance_is_zero_for_the_same_and_one_for_nothing_in_common() -> None:
    point = make_fingerprints(np.eye(VOCABULARY)[:3, None])

    np.testing.assert_allclose(hellinger_distances(point[:2], point[:2]), 0, atol=1e-7)
    np.testing.assert_allclose(hellinger_distances(point[:2], point[1:]), 1, rtol=1e-6)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(0, 30), st.floats(0.0, 0.2))
def test_the_search_finds_what_comparing_everybody_finds(
    seed: int, models: int, copies: int, nats: float
) -> None:
    random = np.random.default_rng(seed)
    told = draw(random, models)
    copied = blur(random, told[random.integers(0, models, copies)], nats)
    fingerprints = make_fingerprints(np.concatenate([told, copied]))
    fingerprints = fingerprints[random.permutation(len(fingerprints))]

    assert find_clusters(fingerprints, DISTANCE).tolist() == compare_everybody(fingerprints)


@pytest.mark.parametrize("nats", [0.0, 0.04])
def test_a_model_in_lower_precision_is_still_the_same_model(nats: float) -> None:
    random = np.random.default_rng(7)
    honest = draw(random, 3)
    told = np.concatenate([honest, blur(random, honest[:1], nats)])

    assert find_clusters(make_fingerprints(told), DISTANCE).tolist() == [0, 1, 2, 0]


def test_a_thousand_copies_among_thousands_are_one() -> None:
    random = np.random.default_rng(3)
    told = draw(random, 2000)
    told[500:1500] = told[500]

    labels = find_clusters(make_fingerprints(told), DISTANCE)

    assert set(labels[500:1500].tolist()) == {500}
    assert len(set(labels.tolist())) == 1001


def test_without_canaries_nobody_is_anybody_elses_copy() -> None:
    assert find_clusters(np.zeros((3, 0), dtype=np.float32), DISTANCE).tolist() == [0, 1, 2]

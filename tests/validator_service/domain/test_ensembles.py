"""The mean of several beliefs."""

import numpy as np

from validator_service.domain.ensembles import mix, weigh_voice

BELIEFS = [np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.2, 0.8])]


def test_the_mean_is_weighted_and_sums_to_one() -> None:
    np.testing.assert_allclose(mix(BELIEFS, [3, 1]), [0.375, 0.425, 0.2])
    assert mix(BELIEFS, [weigh_voice(0.5), weigh_voice(0.3)]).sum() == 1


def test_before_anybody_was_paid_each_voice_is_alike() -> None:
    np.testing.assert_allclose(mix(BELIEFS, [0, 0]), [0.25, 0.35, 0.4])

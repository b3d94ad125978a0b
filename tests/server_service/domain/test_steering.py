"""The formula of penalties and biases."""

from collections import Counter

import numpy as np

from server_service.domain.steering import Steering, steer

LOGITS = np.array([1.0, 2.0, 3.0, 4.0], np.float32)


def test_a_token_pays_for_each_time_and_once_for_being_there() -> None:
    steering = Steering(frequency_penalty=0.5, presence_penalty=1.0)

    steered = steer(LOGITS, steering, Counter({3: 2, 1: 1}))

    np.testing.assert_allclose(steered, [1.0, 2.0 - 0.5 - 1.0, 3.0, 4.0 - 2 * 0.5 - 1.0])
    np.testing.assert_allclose(LOGITS, [1, 2, 3, 4])


def test_a_bias_is_added_and_unknown_tokens_have_none() -> None:
    steered = steer(LOGITS, Steering(logit_bias={0: 100.0, 3: -100.0, 99: 5.0}), Counter())

    np.testing.assert_allclose(steered, [101, 2, 3, -96])


def test_no_wish_changes_nothing() -> None:
    assert steer(LOGITS, Steering(), Counter({3: 9})) is LOGITS

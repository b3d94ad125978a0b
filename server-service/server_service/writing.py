"""Writing texts by CTranslate2: many times faster than step by step in Python.

It takes the whole loop of choosing tokens into C++, so it writes what that loop can choose exactly
(`GenerateJob.is_plain`); all else is written step by step by the reference (`reference.py`).
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import ctranslate2

from server_service.conversion import NotConvertible
from server_service.domain.sampling import TEMPERATURE_MIN, Sampling

TOP_P_MIN = 1e-6
"""Below it only the likeliest token is left, and the library's float32 would soon be 0."""

Tell = Callable[[int, int, float], bool]
"""Told row, token and ln p of each token as it comes; True ends that row."""


class FastWriter:
    """One converted model. `write` may be called from as many threads at once as it has lanes."""

    def __init__(
        self, folder: Path, *, device: str, compute_type: str, lanes: int, threads: int
    ) -> None:
        self.compute_type = compute_type
        self._names: list[str] = json.loads((folder / "vocabulary.json").read_bytes())
        if len(set(self._names)) < len(self._names):
            raise NotConvertible("two of its tokens have one name")
        self._generator = ctranslate2.Generator(
            str(folder),
            device,
            compute_type=compute_type,
            inter_threads=lanes,
            intra_threads=threads,
        )

    def prove(self) -> None:
        """Write one token. What a device lacks is first told when it computes, as RuntimeError."""
        self.write([[0]], Sampling(temperature=0.0, top_p=1.0, top_k=1), 1, lambda *_: True)

    def write(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, new_tokens: int, tell: Tell
    ) -> None:
        """Write on from all prompts together, until each was ended or has so many new tokens."""
        greedy = sampling.temperature < TEMPERATURE_MIN
        # The library refuses what it takes for a mistake, and the reference does as asked.
        top_k = min(sampling.top_k, len(self._names))
        top_p = max(sampling.top_p, TOP_P_MIN)
        self._generator.generate_batch(
            [[self._names[token] for token in prompt] for prompt in prompts],
            max_length=new_tokens,
            include_prompt_in_result=False,
            # What ends a text is told by the caller: stop strings too, and who hung up.
            end_token=[],
            return_scores=True,
            sampling_topk=1 if greedy else top_k,
            sampling_topp=1.0 if greedy else top_p,
            sampling_temperature=1.0 if greedy else sampling.temperature,
            callback=lambda step: tell(step.batch_id, step.token_id, step.log_prob),
        )

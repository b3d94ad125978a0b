"""Texts of the likeliest tokens, which are the same however they are computed."""

from server_service.reference import TransformersEngine


def write_greedy(
    engine: TransformersEngine, prompts: list[list[int]], steps: int, at_once: int = 1
) -> list[list[int]]:
    """Greedy texts, all in one batch, which so many join at once."""
    batch = engine.start_batch()
    parts = [prompts[start : start + at_once] for start in range(0, len(prompts), at_once)]
    texts = [[int(row.argmax())] for part in parts for row in batch.join(part)]
    for _ in range(steps - 1):
        logits = batch.step([text[-1] for text in texts])
        for text, row in zip(texts, logits, strict=True):
            text.append(int(row.argmax()))
    return texts

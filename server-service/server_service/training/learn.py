"""The learning itself: windows in, gradients, one step of two optimizers, again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from server_service.domain.recipe import (
    CONTEXT_TOKENS,
    VOCABULARY,
    Recipe,
    calculate_rate_factor,
    choose_window,
)
from server_service.training.batches import Tokens, draw_windows
from server_service.training.checkpoint import restore_checkpoint, save_checkpoint
from server_service.training.tokenizer import END_OF_TEXT_ID, PADDING_ID

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer
    from transformers import LlamaForCausalLM, PreTrainedModel

CHECKPOINT_STEPS = 100

SAMPLING = {"do_sample": True, "temperature": 0.7, "top_p": 0.95, "top_k": 50}
"""What a caller who says nothing gets: a toy that is greedy repeats itself."""

Progress = Callable[[int, float], None]
"""Told the steps done and the loss of the last one, in nats per token."""


@dataclass(frozen=True, slots=True)
class Learned:
    model: "PreTrainedModel"
    seconds: float
    """Wall time of all steps, those before an interruption included."""


def learn(
    recipe: Recipe,
    tokens: Tokens,
    checkpoint: Path,
    progress: Progress,
    model: "PreTrainedModel | None" = None,
) -> Learned:
    """Runs the recipe to its last step, going on from the checkpoint if there is one.

    Without a model, on a new one of the recipe's shape.
    """
    model = model if model is not None else create_model(recipe)
    optimizers = create_optimizers(recipe, model)
    first_step, seconds = restore_checkpoint(checkpoint, model, optimizers)
    peaks = [recipe.matrix_rate, recipe.other_rate]

    started = time.monotonic() - seconds
    model.train()
    for step in range(first_step, recipe.steps):
        set_rates(optimizers, peaks, calculate_rate_factor(recipe, step))
        loss = take_step(recipe, model, optimizers, tokens, step)
        progress(step + 1, loss)
        if (step + 1) % CHECKPOINT_STEPS == 0:
            save_checkpoint(checkpoint, model, optimizers, step + 1, time.monotonic() - started)
    return Learned(model, time.monotonic() - started)


def create_model(
    recipe: Recipe, vocabulary: int = VOCABULARY, end_of_text: int = END_OF_TEXT_ID
) -> "LlamaForCausalLM":
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(recipe.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=recipe.width,
            intermediate_size=recipe.feed_forward,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=CONTEXT_TOKENS,
            tie_word_embeddings=True,
            bos_token_id=end_of_text,
            eos_token_id=end_of_text,
            pad_token_id=PADDING_ID,
        )
    )
    for setting, value in SAMPLING.items():
        setattr(model.generation_config, setting, value)
    return model


def create_optimizers(recipe: Recipe, model: "PreTrainedModel") -> list["Optimizer"]:
    """Muon turns the matrices; the embedding and the norms are AdamW's."""
    import torch

    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and "embed" not in name
        (matrices if is_matrix else others).append(parameter)
    muon = torch.optim.Muon(matrices, lr=recipe.matrix_rate, momentum=0.95, weight_decay=0.01)
    adamw = torch.optim.AdamW(
        others, lr=recipe.other_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    return [muon, adamw]


def set_rates(optimizers: list["Optimizer"], peaks: list[float], factor: float) -> None:
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    for group, peak in zip(groups, peaks, strict=True):
        group["lr"] = peak * factor


def take_step(
    recipe: Recipe,
    model: "PreTrainedModel",
    optimizers: list["Optimizer"],
    tokens: Tokens,
    step: int,
) -> float:
    import torch

    window = min(choose_window(step), int(model.config.max_position_embeddings))
    batch = torch.from_numpy(draw_windows(tokens, window, recipe.seed, step))
    loss = calculate_loss(model, batch)
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
    for optimizer in optimizers:
        optimizer.step()
    return float(loss.detach())


def calculate_loss(model: "PreTrainedModel", batch: "Tensor") -> "Tensor":
    """Mean cross-entropy of each next token, nats. bfloat16 inside where the processor has it."""
    import torch

    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bfloat16()):
        logits = model(input_ids=batch[:, :-1], use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself: without, it is slower than float32."""
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())

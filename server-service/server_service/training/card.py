"""The model card of each model, and the table of them all."""

# ruff: noqa: E501 (a row of a Markdown table is one line)

from pathlib import Path

from server_service.domain.recipe import CONTEXT_TOKENS, STEP_TOKENS, VOCABULARY
from server_service.training.record import Record, load_record

CARD = """\
---
license: {licence_tag}
library_name: transformers
pipeline_tag: text-generation
---
# {name}

A toy completer of Python text: {parameters:,} parameters, minutes of learning on two cores. It
knows what Python source looks like and little else. It cannot chat, reason, or be trusted with a
fact; its code does not work. It exists so that the network has models of different quality to tell
apart.

| | |
| --- | --- |
| held-out loss | **{heldout_nats:.3f} nats/token**, {heldout_bits_per_byte:.3f} bits/byte (windows of 256 tokens) |
| … in windows of {context} tokens | {long_nats:.3f} nats/token |
| … as a Validator asks: one token after 64 | {question_nats:.3f} nats |
| measured on | the held-out split, {heldout_tokens:,} tokens, with the float16 weights of this folder |
| architecture | Llama: width {width}, {layers} layers, {heads} heads, feed-forward {feed_forward}, tied embeddings |
| tokenizer | byte-level BPE, {vocabulary} tokens, context {context}; sha256 `{tokenizer_sha256}` |
| data | the train split of: {data}; sha256 `{train_sha256}` |
| recipe | {steps} steps of {step_tokens} tokens, seed {seed}; Muon {matrix_rate} for matrices, AdamW {other_rate} for the rest, bfloat16 autocast where the processor has it |
| time | {seconds} s of wall time on two shared cores |
| licence | weights and tokenizer: {licence}, as the text they were made of |

Made by `taonet model build {name}`. Start and order of the text follow from the seed; how sums are
rounded follows from the processor and the number of threads, so a rebuild elsewhere lands near this
loss, not on it.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{name}")
model = AutoModelForCausalLM.from_pretrained("{name}")
```
The chat template writes a conversation as Python comments and begins a documentation string for the
answer: of all prose, these models have read most of that.
"""

OVERVIEW = """\
# The models that ship with Taonet

Toy completers of Python text, made by `taonet model build --all`, worst to best. They share one
tokenizer, and their weights are kept as float16. sha256 of `tokenizer.json`:
`{tokenizer_sha256}`.

| model | parameters | steps | held-out loss, nats/token | bits/byte | next token after 64, nats | learning, s |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
{rows}

Held-out loss: mean over the whole held-out split in windows of 256 tokens. Next token after 64: what a
Validator asks, at {questions} places spread evenly over the same split. The data is {data},
licence {licence}; how it is cut and split: `taonet.corpus`. Each folder has a card, and the same numbers for
programs in `training.json`.
"""


def render_card(record: Record) -> str:
    recipe, measured = record.recipe, record.measured
    return CARD.format(
        name=recipe.name,
        licence_tag="other" if " " in record.licence else record.licence.lower(),
        parameters=record.parameters,
        heldout_nats=measured.heldout_nats,
        heldout_bits_per_byte=measured.heldout_bits_per_byte,
        long_nats=measured.long_nats,
        question_nats=measured.question_nats,
        heldout_tokens=measured.tokens,
        context=CONTEXT_TOKENS,
        vocabulary=VOCABULARY,
        width=recipe.width,
        layers=recipe.layers,
        heads=recipe.heads,
        feed_forward=recipe.feed_forward,
        steps=recipe.steps,
        step_tokens=STEP_TOKENS,
        seed=recipe.seed,
        matrix_rate=recipe.matrix_rate,
        other_rate=recipe.other_rate,
        tokenizer_sha256=record.tokenizer_sha256,
        train_sha256=record.train_sha256,
        data=record.data,
        licence=record.licence,
        seconds=record.seconds,
    )


def write_overview(models: Path, questions: int) -> None:
    """The table of every model in the folder that was built here, worst first."""
    found = [load_record(folder) for folder in sorted(models.iterdir()) if folder.is_dir()]
    records = [record for record in found if record is not None]
    records.sort(key=lambda record: -record.measured.heldout_nats)
    (models / "README.md").write_text(
        OVERVIEW.format(
            tokenizer_sha256=records[0].tokenizer_sha256,
            rows="\n".join(render_row(record) for record in records),
            questions=questions,
            data=records[0].data,
            licence=records[0].licence,
        )
    )


def render_row(record: Record) -> str:
    recipe, measured = record.recipe, record.measured
    return (
        f"| [{recipe.name}]({recipe.name}) | {record.parameters:,} | {recipe.steps:,} "
        f"| {measured.heldout_nats:.3f} | {measured.heldout_bits_per_byte:.3f} "
        f"| {measured.question_nats:.3f} | {record.seconds} |"
    )

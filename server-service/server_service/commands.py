"""`taonet model …`: building the small models that ship, building one's own, and measuring any."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from tqdm import tqdm

from server_service.domain.recipe import STARTERS, Recipe
from server_service.starters import STARTER_MODELS
from server_service.training.errors import TrainingError
from taonet.corpus import find_or_build_corpus

if TYPE_CHECKING:
    from server_service.training.build import Places

DEFAULT_HOME = Path("~/.taonet")
STEPS_LIMIT = 1_000_000
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")

model_app = typer.Typer(help="Build and measure language models.", no_args_is_help=True)

HomeOption = Annotated[
    Path, typer.Option(envvar="TAONET_HOME", help="Where interrupted builds are kept.")
]
CorpusOption = Annotated[
    Path | None,
    typer.Option(envvar="TAONET_CORPUS_PATH", help="The corpus, else HOME/corpus; built if new."),
]
ThreadsOption = Annotated[int, typer.Option(min=1, max=256, help="Processor threads to use.")]


@model_app.command("build")
def build(
    name: Annotated[
        str | None, typer.Argument(help="acorn, sapling, birch, oak, or your own.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The whole starter set.")] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, max=STEPS_LIMIT, help="Steps to learn.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Start and order of the text.")] = None,
    target: Annotated[Path, typer.Option(help="The folder of models.")] = STARTER_MODELS,
    tokenizer: Annotated[
        Path | None, typer.Option(help="A tokenizer.json of your own, for a new folder of models.")
    ] = None,
    corpus: CorpusOption = None,
    home: HomeOption = DEFAULT_HOME,
    threads: ThreadsOption = 2,
) -> None:
    """Build a model, or go on where an interrupted build stopped. What is built is left alone."""
    with model_packages():
        from server_service.training.build import Places

        recipes = choose_recipes(name, every, steps, seed)
        text = prepare_corpus(corpus, home)
        if tokenizer is not None:
            take_tokenizer(tokenizer, target)
        places = Places(target, text, home.expanduser() / "training")
        use_threads(threads)
        for recipe in recipes:
            build_one(recipe, places)


@model_app.command("finetune")
def finetune(
    path: Annotated[Path, typer.Argument(help="A model's folder, with its tokenizer.json.")],
    target: Annotated[Path, typer.Option(help="Where the taught model goes.")],
    steps: Annotated[int, typer.Option(min=1, max=STEPS_LIMIT, help="Steps to learn.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="The order of the text.")] = 0,
    corpus: CorpusOption = None,
    home: HomeOption = DEFAULT_HOME,
    threads: ThreadsOption = 2,
    converted: Annotated[
        Path | None, typer.Option(help="Convert the taught model for CTranslate2 here, too.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Teach a model the train split, or go on where an interrupted lesson stopped."""
    with model_packages():
        from server_service.training.curve import LossCurve
        from server_service.training.finetune import finetune as teach

        text = prepare_corpus(corpus, home)
        use_threads(threads)
        recipe = Recipe(target.name, steps=steps, seed=seed)
        curve = LossCurve(target.with_name(f"{target.name}.losses"))
        with tqdm(total=steps, desc=path.name, unit="step", disable=quiet) as bar:

            def show(steps_done: int, loss: float) -> None:
                curve.add(steps_done, loss)
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
                bar.update(steps_done - bar.n)

            lesson = teach(path, target, text, recipe, home.expanduser() / "training", show)
        curve.plot(target / "loss.png", f"{path.name}: {steps} steps, seed {seed}")
        if converted is not None:
            convert_if_possible(target, converted)
    typer.echo(
        f"{target}: loss on the validation slice {lesson.nats_before:.3f} → "
        f"{lesson.nats_after:.3f} nats/token"
    )


@model_app.command("eval")
def evaluate(
    path: Annotated[Path, typer.Argument(help="A model's folder, with its tokenizer.json.")],
    corpus: CorpusOption = None,
    home: HomeOption = DEFAULT_HOME,
    threads: ThreadsOption = 2,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Measure a model on the held-out split."""
    with model_packages():
        from server_service.training.batches import encode_chunks
        from server_service.training.measure import count_predictions, load_model, measure_model
        from server_service.training.tokenizer import load_tokenizer
        from taonet.corpus import read_chunks

        folder = prepare_corpus(corpus, home)
        use_threads(threads)
        tokenizer = load_tokenizer(path / "tokenizer.json")
        model, text = load_model(path), encode_chunks(tokenizer, read_chunks(folder, "heldout"))
        # A bar for people alone: not beside --json, nor where standard error is no terminal.
        quiet = as_json or None
        with tqdm(
            total=count_predictions(text), desc=path.name, unit="token", disable=quiet
        ) as bar:
            measured = measure_model(model, text, bar.update)
    if as_json:
        typer.echo(orjson.dumps(measured).decode())
    else:
        for name, value in asdict(measured).items():
            typer.echo(f"{name:>24}  {value:.10g}")


def prepare_corpus(corpus: Path | None, home: Path) -> Path:
    folder = (corpus or home / "corpus").expanduser()
    find_or_build_corpus(folder, progress=lambda sentence: typer.echo(sentence, err=True))
    return folder


def choose_recipes(
    name: str | None, every: bool, steps: int | None, seed: int | None
) -> list[Recipe]:
    """The starter set, one of it, or a recipe of the user's own: birch's shape, their name."""
    if every == (name is not None):
        raise TrainingError("name one model, or ask for the whole starter set with --all")
    if every:
        if steps is not None or seed is not None:
            raise TrainingError("--steps and --seed change one model: leave them out with --all")
        return list(STARTERS)
    assert name is not None
    if not NAME.fullmatch(name):
        raise TrainingError("a name is 1 to 32 of a-z, 0-9 and '-', and does not begin with '-'")
    known = {recipe.name: recipe for recipe in STARTERS}
    recipe = known.get(name) or replace(known["birch"], name=name)
    return [
        replace(
            recipe,
            steps=recipe.steps if steps is None else steps,
            seed=recipe.seed if seed is None else seed,
        )
    ]


def convert_if_possible(folder: Path, converted: Path) -> None:
    from server_service.conversion import NotConvertible, convert

    with suppress(NotConvertible):  # torch serves what has no place there
        convert(folder, converted)


def take_tokenizer(path: Path, models: Path) -> None:
    """Every model of a folder has one tokenizer, so another one needs another folder."""
    there = models / "tokenizer.json"
    if there.exists() and there.read_bytes() != path.read_bytes():
        raise TrainingError(f"{models} has another tokenizer already; name a new --target")
    models.mkdir(parents=True, exist_ok=True)
    there.write_bytes(path.read_bytes())


def build_one(recipe: Recipe, places: "Places") -> None:
    from server_service.training.build import build_model

    with tqdm(total=recipe.steps, desc=recipe.name, unit="step") as bar:

        def show(steps_done: int, loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(steps_done - bar.n)

        record = build_model(recipe, places, show)
        bar.update(recipe.steps - bar.n)
    measured = record.measured
    typer.echo(
        f"{places.models / recipe.name}: held-out loss {measured.heldout_nats:.3f} nats/token, "
        f"{measured.heldout_bits_per_byte:.3f} bits/byte"
    )


def use_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


@contextmanager
def model_packages() -> Iterator[None]:
    """Say how to get the packages that models are built with, where they are not installed."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").split(".")[0] not in {"torch", "transformers"}:
            raise
        told = "building needs the model packages: pip install 'taonet[model]'"
        raise TrainingError(told) from error

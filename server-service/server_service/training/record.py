"""What a model's folder tells about how it was made: for programs, `training.json`."""

from dataclasses import dataclass
from pathlib import Path

import orjson

from server_service.domain.recipe import Recipe
from server_service.training.errors import TrainingError
from server_service.training.measure import Measured
from taonet.corpus import Manifest

RECORD = "training.json"


@dataclass(frozen=True, slots=True)
class Record:
    fingerprint: str
    """Of recipe, tokenizer and train split: the same run again gives the same."""
    recipe: Recipe
    parameters: int
    tokenizer_sha256: str
    train_sha256: str
    data: str
    licence: str
    seconds: int
    """Wall time of the learning."""
    measured: Measured


def describe_data(manifest: Manifest) -> str:
    return ", ".join(
        f"{source.name} {source.version} ({source.documents} documents)"
        for source in manifest.sources
    )


def describe_licence(manifest: Manifest) -> str:
    """A model is made of its text, so it carries the licence of that text."""
    return " AND ".join(sorted({source.licence for source in manifest.sources}))


def save_record(folder: Path, record: Record) -> None:
    content = orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    (folder / RECORD).write_bytes(content)


def load_record(folder: Path) -> Record | None:
    """None where there is no record: another's model, or none."""
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        raw = orjson.loads(path.read_bytes())
        raw["recipe"] = Recipe(**raw["recipe"])
        raw["measured"] = Measured(**raw["measured"])
        return Record(**raw)
    except (ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{path} cannot be read ({error}): remove {folder}") from error

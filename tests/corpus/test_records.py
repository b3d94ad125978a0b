"""Tables and data sets as sources, fresh text, and the command."""

import json
import stat
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from taonet.cli.main import build_app
from taonet.corpus import (
    CorpusDamaged,
    CorpusError,
    HubDataset,
    Records,
    Source,
    build_corpus,
    find_shared_texts,
    read_chunks,
)
from taonet.kit.errors import Malformed

TEXTS = [f"Chapter {number}: what happened.\n" * 5 for number in range(60)]


def rows_file(folder: Path, kind: str) -> Path:
    path = folder / f"book.{kind}"
    if kind == "parquet":
        parquet.write_table(pyarrow.table({"body": TEXTS, "page": list(range(60))}), path)
    else:
        path.write_text("".join(json.dumps({"body": text}) + "\n\n" for text in TEXTS))
    return path


def texts_of(folder: Path) -> set[str]:
    return {chunk.text for split in ("train", "heldout") for chunk in read_chunks(folder, split)}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_table_gives_a_document_for_each_row(tmp_path: Path, kind: str) -> None:
    source = Records("book", "1", "CC0-1.0", rows_file(tmp_path, kind), "body")
    manifest = build_corpus(tmp_path / "corpus", [source])

    assert texts_of(tmp_path / "corpus") == set(TEXTS)
    assert manifest.sources[0].documents == 60
    assert manifest.heldout.chunks > 0


def test_a_data_set_is_read_as_far_as_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    (tmp_path / "hub").mkdir()
    rows_file(tmp_path / "hub", "parquet")
    source = HubDataset("book", "", "CC0-1.0", str(tmp_path / "hub"), limit=7, column="body")

    assert [document.text for document in source.documents()] == TEXTS[:7]


@pytest.mark.parametrize("line", ['{"body": 5}', "[1]", "{", '{"other": "x"}'])
def test_a_row_without_text_is_told_with_its_place(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(CorpusError, match=r"bad\.jsonl"):
        build_corpus(tmp_path / "corpus", [Records("bad", "", "CC0-1.0", path, "body")])


def test_fresh_text_is_held_out_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    source = Records("book", "1", "CC0-1.0", rows_file(tmp_path, "jsonl"), "body")
    target = tmp_path / "corpus"
    build_corpus(target, [source])
    (target / "fresh").mkdir()
    (target / "fresh" / "today.txt").write_text("Written this morning, and read by nobody.\n")

    build_corpus(target, [source])

    heldout = {chunk.source for chunk in read_chunks(target, "heldout")}
    assert "fresh/today.txt" in heldout
    assert stat.S_IMODE((target / "heldout.jsonl").stat().st_mode) == 0o600


def test_a_text_that_only_looks_different_is_on_one_side(tmp_path: Path) -> None:
    for number, text in enumerate(TEXTS):
        (tmp_path / f"{number}.txt").write_text(text)
        (tmp_path / f"copy{number}.txt").write_text(text.upper().replace(" ", "\t  "))
    manifest = build_corpus(tmp_path / "corpus", [Source("book", "1", "CC0-1.0", tmp_path)])

    assert find_shared_texts(tmp_path / "corpus") == []
    assert manifest.train.chunks + manifest.heldout.chunks == 60


def test_the_commands_build_list_and_verify(tmp_path: Path) -> None:
    path, target = rows_file(tmp_path, "jsonl"), tmp_path / "corpus"
    tail = ["--target", str(target), "--json"]

    def taonet(*words: str) -> dict[str, object]:
        result = CliRunner().invoke(build_app("corpus"), ["corpus", *words, *tail])
        if result.exception:
            raise result.exception
        found: dict[str, object] = json.loads(result.stdout)
        return found

    built = taonet("build", str(path), "--column", "body", "--licence", "CC0-1.0")
    assert built == taonet("list") == taonet("verify")
    told = CliRunner().invoke(build_app("corpus"), ["corpus", "verify", "--target", str(target)])
    assert "every byte is as the manifest says" in told.stdout
    with pytest.raises(Malformed, match="licence"):
        taonet("build", str(path))
    with (target / "train.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(CorpusDamaged, match="not the file that was written"):
        taonet("verify")

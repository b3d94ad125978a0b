"""A corpus on the disk: whole or absent, the same for the same text, and sound or refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from taonet.corpus import (
    CorpusDamaged,
    CorpusError,
    CorpusMissing,
    NothingToRead,
    Source,
    build_corpus,
    find_or_build_corpus,
    load_manifest,
    python_library,
    read_chunks,
    verify_corpus,
)


def write_source(root: Path, texts: dict[str, str]) -> Source:
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Source("book", "1", "CC0-1.0", root)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    texts = {f"part{number % 3}/{number}.txt": f"line of {number}\n" * 9 for number in range(60)}
    return write_source(tmp_path / "texts", texts)


@pytest.fixture
def corpus(tmp_path: Path, source: Source) -> Path:
    build_corpus(tmp_path / "corpus", [source])
    return tmp_path / "corpus"


def files_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if path.name != ".lock"
    }


def test_what_is_written_is_what_is_read(corpus: Path, source: Source) -> None:
    texts = {
        chunk.source: chunk.text
        for split in ("train", "heldout")
        for chunk in read_chunks(corpus, split)
    }

    assert {
        f"book/{path.relative_to(source.root)}": path.read_text()
        for path in source.root.rglob("*.txt")
    } == texts


def test_the_manifest_tells_what_there_is(corpus: Path) -> None:
    manifest = load_manifest(corpus)

    assert (
        manifest.sources[0].name,
        manifest.sources[0].licence,
        manifest.sources[0].documents,
    ) == ("book", "CC0-1.0", 60)
    assert len(list(read_chunks(corpus, "train"))) == manifest.train.chunks
    assert manifest.train.chunks + manifest.heldout.chunks == 60
    assert {"manifest.json", "train.jsonl", "heldout.jsonl"} == set(files_of(corpus))


def test_building_again_over_the_same_text_writes_nothing(corpus: Path, source: Source) -> None:
    before = files_of(corpus)
    told: list[str] = []
    build_corpus(corpus, [source], told.append)

    assert before == files_of(corpus)
    assert "already built" in told[0]


def test_another_machine_builds_the_same_bytes(
    tmp_path: Path, corpus: Path, source: Source
) -> None:
    build_corpus(tmp_path / "other", [source])

    assert {name: content for name, (content, _) in files_of(corpus).items()} == {
        name: content for name, (content, _) in files_of(tmp_path / "other").items()
    }


def test_changed_text_is_built_anew(corpus: Path, source: Source) -> None:
    before = load_manifest(corpus)
    (source.root / "more.txt").write_text("more\n")
    after = build_corpus(corpus, [source])

    assert before.fingerprint != after.fingerprint
    assert after == verify_corpus(corpus)


def test_a_damaged_file_is_refused_and_mended_by_building(corpus: Path, source: Source) -> None:
    with (corpus / "train.jsonl").open("ab") as file:
        file.write(b"{}\n")

    with pytest.raises(CorpusDamaged, match="build the corpus again"):
        verify_corpus(corpus)
    build_corpus(corpus, [source])
    verify_corpus(corpus)


def test_a_line_that_is_no_chunk_is_refused(corpus: Path) -> None:
    (corpus / "heldout.jsonl").write_text('{"id": 1}\n')

    with pytest.raises(CorpusDamaged, match=r"heldout\.jsonl"):
        list(read_chunks(corpus, "heldout"))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 1}', "null"])
def test_a_manifest_that_is_none_is_refused(corpus: Path, content: str) -> None:
    (corpus / "manifest.json").write_text(content)

    with pytest.raises(CorpusDamaged, match=r"manifest\.json"):
        load_manifest(corpus)


def test_an_unfinished_build_is_no_corpus(corpus: Path) -> None:
    (corpus / "manifest.json").unlink()

    with pytest.raises(CorpusMissing, match="build one"):
        read_chunks(corpus, "train")


def test_sources_without_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    nothing = Source("book", "1", "CC0-1.0", tmp_path / "empty")

    with pytest.raises(NothingToRead, match="no text found"):
        build_corpus(tmp_path / "corpus", [nothing])
    with pytest.raises(NothingToRead, match="not a folder"):
        build_corpus(tmp_path / "corpus", [replace(nothing, root=tmp_path / "absent")])


def test_sources_of_one_name_are_refused(tmp_path: Path, source: Source) -> None:
    with pytest.raises(CorpusError, match="own name"):
        build_corpus(tmp_path / "corpus", [source, source])


def test_what_is_not_text_is_passed_over(tmp_path: Path, source: Source) -> None:
    (source.root / "picture.txt").write_bytes(b"\xff\xfe\x00")
    manifest = build_corpus(tmp_path / "corpus", [source])

    assert manifest.sources[0].documents == 60


def test_a_corpus_of_ones_own_is_left_alone(corpus: Path) -> None:
    assert load_manifest(corpus) == find_or_build_corpus(corpus)


def test_the_default_is_the_library_without_its_tests(tmp_path: Path) -> None:
    library = python_library()
    manifest = find_or_build_corpus(tmp_path / "corpus")
    names = {chunk.source for chunk in read_chunks(tmp_path / "corpus", "train")}

    assert "python/json/decoder.py" in names
    assert not [name for name in names if "/test/" in name or "site-packages" in name]
    assert "PSF-2.0" == library.licence == manifest.sources[0].licence
    assert manifest.train.text_bytes + manifest.heldout.text_bytes > 5_000_000
    assert 0.05 < manifest.heldout.documents / manifest.sources[0].documents < 0.15

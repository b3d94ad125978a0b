"""The page of the parameters is the code's, and says something of each."""

from dataclasses import fields
from pathlib import Path

from chain_service.domain.parameters import PRESETS, ChainParameters
from chain_service.reference import describe_parameters, describe_presets, render_page

PAGE = Path(__file__).parents[2] / "docs" / "parameters.md"


def test_every_parameter_is_described() -> None:
    described = describe_parameters()
    assert [entry.name for entry in described] == [field.name for field in fields(ChainParameters)]
    assert all(entry.meaning.endswith(".") or "%" in entry.meaning for entry in described)


def test_every_preset_says_how_it_differs() -> None:
    told = dict(describe_presets())
    assert list(told) == list(PRESETS)
    assert "16 may register in a block" in told["box"]
    assert "weights may be set twice a step" in told["box"]


def test_the_page_is_the_codes() -> None:
    assert PAGE.read_text() == render_page(), "write it anew: make parameters"

"""`taonet model …` as a person types it: a mistake gets one sentence, and costs no import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server_service.commands import choose_recipes, model_app
from server_service.domain.recipe import STARTERS
from taonet.cli.main import main
from taonet.corpus import Source, build_corpus, python_library

MODELS = Path(__file__).parents[2] / "server-service" / "models"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["build"], "--all"),
        (["build", "oak", "--all"], "--all"),
        (["build", "--all", "--steps", "5"], "leave them out"),
        (["build", "../oak"], "a name is"),
        (["eval", "/nowhere"], "/nowhere"),
    ],
)
def test_a_mistake_gets_a_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TAONET_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["model", *arguments])

    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert ended.value.code == 1
    assert told.startswith("taonet: ")
    assert sentence in told


def test_all_is_the_starter_set() -> None:
    assert choose_recipes(None, True, None, None) == list(STARTERS)


def test_a_name_of_ones_own_takes_steps_and_seed() -> None:
    (recipe,) = choose_recipes("willow", False, 10, 99)

    assert (recipe.name, recipe.steps, recipe.seed, recipe.width) == ("willow", 10, 99, 128)


def test_the_command_line_is_light() -> None:
    program = (
        "import sys, server_service.commands; print({'torch', 'transformers'} & {*sys.modules})"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert found.stdout.strip() == "set()"


def test_eval_prints_numbers_for_programs(tmp_path: Path) -> None:
    library = python_library()
    build_corpus(
        tmp_path, [Source("python", "test", "PSF-2.0", library.root, ("copy.py", "cmd.py"))]
    )
    arguments = ["eval", str(MODELS / "acorn"), "--corpus", str(tmp_path), "--json"]
    result = CliRunner().invoke(model_app, arguments)

    assert result.exit_code == 0, result.stderr
    assert "token/s" not in result.stderr
    measured = json.loads(result.stdout.splitlines()[-1])
    assert 3 < measured["question_nats"] < 6
    assert 3 < measured["heldout_nats"] < 6

"""`.env.example` says what the settings classes say."""

from pathlib import Path

from tests.scripts import TOOLS, load_script

from taonet.kit.settings import Settings

ROOT = Path(__file__).parent.parent


def test_the_page_is_as_it_would_be_written_now() -> None:
    told = (ROOT / ".env.example").read_text()

    assert load_script(TOOLS / "env_example.py").render() == told, "run `make env-example`"


def test_every_setting_of_every_class_is_on_the_page() -> None:
    tool = load_script(TOOLS / "env_example.py")
    told = (ROOT / ".env.example").read_text()
    tool.render()
    classes: list[type[Settings]] = tool.sorted_classes()
    missing = {
        name
        for settings in classes
        for name in settings.model_fields
        if f"TAONET_{name.upper()}=" not in told
    }

    assert len(classes) > 5
    assert missing == set(), "a setting needs a sentence beneath it; then `make env-example`"


def test_settings_are_declared_where_the_page_looks() -> None:
    strays = [
        file.relative_to(ROOT)
        for top in (ROOT / "services", *ROOT.glob("*-service"))
        for file in top.rglob("*.py")
        if file.name != "settings.py" and "Settings(Settings" in file.read_text()
    ]

    assert strays == []

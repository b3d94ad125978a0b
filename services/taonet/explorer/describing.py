"""What calls and events hold, as text, with a link where it names something that has a page."""

from dataclasses import dataclass
from typing import Any

from taonet.explorer.rendering import short_hash
from taonet.kit.money import format_tao

ITEMS_SHOWN = 8
LETTERS_SHOWN = 200
ADDRESSES = {"sender", "receiver", "coldkey", "hotkey", "new_hotkey", "signer"}
HIDDEN = {"kind", "height", "index", "extrinsic_index"}


@dataclass(frozen=True)
class FieldText:
    """One field: its name, what it says, and where more of it is told."""

    name: str
    text: str
    link: str = ""
    title: str = ""
    """All of what `text` shortens."""


def describe_fields(value: Any) -> list[FieldText]:
    """Return an event's or a call's fields, long lists shortened."""
    fields = value.model_dump(mode="json") if hasattr(value, "model_dump") else dict(value)
    return [_describe(name, item) for name, item in fields.items() if name not in HIDDEN]


def _describe(name: str, item: Any) -> FieldText:
    if name.endswith("_rao") and str(item).isdigit():
        return FieldText(name.removesuffix("_rao"), f"{format_tao(int(item))} TAO")
    if name in ADDRESSES and isinstance(item, str):
        return FieldText(name.replace("_", " "), short_hash(item), f"/accounts/{item}", item)
    if name == "uid":
        return FieldText(name, str(item), f"/neurons/{item}")
    if name == "calls" and isinstance(item, list):
        return FieldText(name, _shorten([call.get("call", "?") for call in item]))
    return FieldText(name.replace("_", " "), _shorten(item))


def _shorten(item: Any) -> str:
    if isinstance(item, list) and len(item) > ITEMS_SHOWN:
        return ", ".join(map(str, item[:ITEMS_SHOWN])) + f", … ({len(item)} in all)"
    text = ", ".join(map(str, item)) if isinstance(item, list) else str(item)
    return text if len(text) <= LETTERS_SHOWN else f"{text[:LETTERS_SHOWN]}…"

"""A conversation as text: the form that the starter models' chat template gives it."""

from dataclasses import dataclass

GENERATION_PROMPT = "# assistant:"
"""What the model goes on from."""
NEXT_TURN = "\n# user:"
"""Where a model that plays both parts begins the other's: an answer ends before it."""


@dataclass(frozen=True)
class Turn:
    role: str
    content: str


def render_chat(turns: list[Turn]) -> str:
    """Return `# role: content` for each turn, further lines commented out too, then ours."""
    lines = [
        f"# {turn.role}: {turn.content.strip().replace(chr(10), chr(10) + '# ')}\n"
        for turn in turns
    ]
    return "".join(lines) + GENERATION_PROMPT

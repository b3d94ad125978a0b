"""A conversation as text: the form that the starter models' chat template gives it."""

from dataclasses import dataclass

GENERATION_PROMPT = '\ndef answer():\n    """'
"""What the model goes on from: the documentation string of a function after the comments."""
END_OF_ANSWER = '"""'
"""Where that string ends, and the answer with it."""


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

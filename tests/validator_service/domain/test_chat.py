"""A conversation has the form that the models' own template gives it."""

import jinja2

from server_service.training.tokenizer import CHAT_TEMPLATE
from validator_service.domain.chat import Turn, render_chat


def test_the_form_is_that_of_the_models_template() -> None:
    turns = [
        Turn("system", "  Be brief.\n"),
        Turn("user", "Add two\nnumbers.\n\nNow."),
        Turn("assistant", "return a + b"),
        Turn("user", "<|endoftext|> and `{{ braces }}`"),
    ]
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]

    expected = jinja2.Template(CHAT_TEMPLATE).render(messages=messages, add_generation_prompt=True)

    assert render_chat(turns) == expected

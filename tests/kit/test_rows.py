from collections.abc import Callable

import orjson
import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taonet.kit.rows import NULL, copy_rows, escape, escape_json, write_array

TEXTS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(TEXTS)
def test_every_text_comes_back_as_it_was(database: Callable[[str], str], texts: list[str]) -> None:
    with psycopg.connect(database("chain_service")) as conn:
        conn.execute("CREATE TEMPORARY TABLE told (place INTEGER, body TEXT, told TEXT)")
        bodies = [orjson.dumps({text: text}).decode() for text in texts]
        rows = (
            f"{n}\t{escape(text)}\t{escape_json(body)}\n"
            for n, (text, body) in enumerate(zip(texts, bodies, strict=True))
        )
        copy_rows(conn, "told (place, body, told)", rows)
        found = conn.execute("SELECT body, told FROM told ORDER BY place").fetchall()
    assert found == list(zip(texts, bodies, strict=True))


def test_nothing_and_arrays(database: Callable[[str], str]) -> None:
    with psycopg.connect(database("chain_service")) as conn:
        conn.execute("CREATE TEMPORARY TABLE told (place INTEGER, body TEXT)")
        copy_rows(conn, "told (place, body)", [f"{NULL}\t{NULL}\n"])
        assert conn.execute("SELECT * FROM told").fetchall() == [(None, None)]
        numbers, names = write_array([1, -2, 2**62]), write_array(["5Grw", "ff00"])
        row = conn.execute("SELECT %s::bigint[], %s::text[]", (numbers, names)).fetchone()
    assert row == ([1, -2, 2**62], ["5Grw", "ff00"])
    assert write_array([]) == "{}"

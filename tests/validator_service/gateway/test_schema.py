"""Whatever the OpenAPI allows, and much that it does not, is answered without a mistake of ours."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TAO = 10**9
EXAMPLES = int(os.environ.get("TAONET_SCHEMA_EXAMPLES", "4"))


def test_no_request_of_the_openapi_is_answered_by_a_mistake(
    make_server: Any, tokenizer: Any, consumer: Any, tmp_path: Path
) -> None:
    make_server(incentive=0.5, text=tokenizer.encode(" return first").ids)
    consumer.pay(1000 * TAO)
    command = [str(Path(sys.executable).with_name("schemathesis")), "run"]

    done = subprocess.run(
        [
            *command,
            f"{consumer.gateway.url}/openapi.json",
            *("--checks", "not_a_server_error"),
            *("--max-examples", str(EXAMPLES), "--seed", "1", "--workers", "1"),
            *("--phases", "examples,fuzzing", "--mode", "all"),
            *("--header", f"authorization: Bearer {consumer.key.api_key}"),
            *("--exclude-path", "/readyz", "--suppress-health-check", "all"),
            *("--no-color", "--request-timeout", "20"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "/v1/chat/completions" in done.stdout or "Tested" in done.stdout, done.stdout

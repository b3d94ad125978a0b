"""
Writes `docs/api/`, or another folder: what each service answers, from what its `/docs` shows.

A test holds the pages to the code. Nothing is started: an application describes itself without a
database.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI

TARGET = Path(__file__).parent.parent / "docs" / "api"
SERVICES = {
    "chain": "chain_service.app",
    "server": "server_service.app",
    "gateway": "validator_service.app",
    "exchange": "exchange_service.app",
    "explorer": "taonet.explorer.app",
}
NOWHERE = {
    "TAONET_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "TAONET_REDIS_URL": "redis://127.0.0.1:1/0",
    "TAONET_SERVER_MODEL": "none",
    "TAONET_EXCHANGE_SIGNER_TOKEN": "never-asked-for-anything",
}
"""What settings ask for and a description does not need."""
METHODS = ("get", "post", "put", "delete")


def main(target: Path) -> None:
    target.mkdir(exist_ok=True)
    for name, page in render().items():
        (target / f"{name}.md").write_text(page)


def render() -> dict[str, str]:
    """Return each service's page."""
    os.environ |= {name: os.environ.get(name, value) for name, value in NOWHERE.items()}
    return {
        name: render_page(application(importlib.import_module(module).create_app()))
        for name, module in SERVICES.items()
    }


def application(made: Any) -> FastAPI:
    """Return what describes itself; the exchange's stands behind a gate."""
    app: FastAPI = getattr(made, "app", made)
    return app


def render_page(app: FastAPI) -> str:
    described = app.openapi()
    rows = [
        row(path, method, operation)
        for path, operations in sorted(described["paths"].items())
        for method, operation in operations.items()
        if method in METHODS
    ]
    return "\n".join(
        [
            f"# {described['info']['title'].split(' of ')[0]}: what it answers",
            "",
            "From the service's own description; its `/docs` says more of each body, and lets you",
            "try it. Made by `make api-pages`.",
            "",
            "| | path | parameters | what |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def row(path: str, method: str, operation: dict[str, Any]) -> str:
    names = [parameter["name"] for parameter in operation.get("parameters", [])]
    asked = " ".join(f"`{name}`" for name in names)
    said = operation.get("description", "").strip().split("\n\n")[0]
    what = f"{operation['summary']}. {said}".strip().replace("\n", " ").replace("|", "\\|")
    return f"| {method.upper()} | `{path}` | {asked} | {what} |"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)

"""A Prometheus that has two series of whatever it is asked, and refuses what it can't read."""

import math
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse


def add_prometheus(app: FastAPI) -> None:
    @app.post("/api/v1/query_range")
    async def query_range(request: Request) -> Any:
        asked = dict(parse_qsl((await request.body()).decode()))
        if "$" in asked["query"]:
            return JSONResponse({"status": "error", "error": "unexpected character"}, 400)
        start, end, step = (int(asked[name]) for name in ("start", "end", "step"))
        series = [
            {
                "metric": {"uid": str(uid), "process": f"server-{uid}", "code": "ok"},
                "values": [
                    [time, str(2 + uid + math.sin(time / 300))]
                    for time in range(start + (end - start) // 3, end + 1, step)
                ],
            }
            for uid in range(2)
        ]
        return {"status": "success", "data": {"resultType": "matrix", "result": series}}

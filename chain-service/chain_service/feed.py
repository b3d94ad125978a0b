"""The feed of sealed blocks: everything that it takes to make the chain again, a line a block."""

from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool

from chain_service.stream import SILENCE_SECONDS, BlockWatch

MEDIA_TYPE = "application/x-ndjson"


async def read_feed(
    watch: BlockWatch, load: Callable[[int], list[str]], from_height: int, follow: bool
) -> AsyncIterator[str]:
    """Yield every sealed block from a height on; to one who follows, for ever, each as it comes."""
    following = from_height
    watch.readers += follow
    try:
        while True:
            lines = await run_in_threadpool(load, following)
            if lines:
                following += len(lines)
                yield "\n".join(lines) + "\n"
            elif not follow:
                return
            elif not await watch.wait_above(following - 1, SILENCE_SECONDS):
                yield "\n"
    finally:
        watch.readers -= follow

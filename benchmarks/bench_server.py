"""``vocalics serve`` under load over the loopback: many live streams, uploads one after the other, memory.

Streams send the example clips at the speed of speech, 100 ms at a time, and do not begin together. An event's latency
is from the moment when its window's last sample was sent to its arrival; it is late when that takes longer than a hop.
Server and clients share the machine: run it when nothing else does, or the figures are worse than they are. 100 streams
with a hop of 0.5 s ask for 200 windows a second, some 1.4 cores: two cores have nothing left beside the clients. Twice
as many cannot be served on them; with ``max_lag`` they get fewer predictions, which are still fresh.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from websockets.asyncio.client import connect

from vocalics import audio

CLIPS = sorted((Path(__file__).parents[1] / "examples" / "clips").glob("*.wav"))
RATE = 16_000
FRAME_SECONDS = 0.1
N_STREAMS, TOO_MANY = 100, 200
MAX_LAG = 0.0
STREAM_SECONDS = 20.0
UPLOADS, CLIENTS = 400, 4
SMALL_REQUESTS = 20_000
COMMAND = "from vocalics.cli.main import main; main()"


@contextmanager
def server(*options: str) -> Iterator[tuple[int, int]]:
    """Serve the default model for a while; yields port and process id."""
    command = [sys.executable, "-c", COMMAND, "serve", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        port = json.loads(process.stderr.readline())["port"]
        drain = threading.Thread(target=lambda log: [None for _ in log], args=(process.stderr,), daemon=True)
        drain.start()
        try:
            while _get(port, "/readyz") != 200:
                time.sleep(0.05)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(60)
            drain.join()


def _get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def megabytes(pid: int) -> float:
    """Return a process's resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def stream(
    port: int, hop: float, max_lag: float | None, offset: int, delay: float, latencies: list[float]
) -> tuple[int, int]:
    """Send one stream in real time; return how many of its events are missing, and how many were left out by rule."""
    voice = np.roll(np.concatenate([audio.read(clip, RATE).samples for clip in CLIPS]), -offset)
    voice = np.tile(voice, 1 + int(STREAM_SECONDS * RATE) // len(voice))[: int(STREAM_SECONDS * RATE)]
    data, n_frame = (voice * 32_767).astype("<i2").tobytes(), round(2 * RATE * FRAME_SECONDS)
    sent: dict[int, float] = {}
    n_found = n_skipped = 0

    await asyncio.sleep(delay)
    async with connect(f"ws://127.0.0.1:{port}/v1/stream", compression=None, ping_interval=None) as socket:
        await socket.send(json.dumps({"sample_rate": RATE, "window": 3.0, "hop": hop, "max_lag": max_lag}))
        await socket.recv()

        async def listen() -> None:
            nonlocal n_found, n_skipped
            async for text in socket:
                now, event = time.perf_counter(), json.loads(text)
                if event["type"] == "prediction":
                    n_found += 1
                    if (last := round(event["end"] / FRAME_SECONDS)) in sent:
                        latencies.append(now - sent[last])
                else:
                    n_skipped = event["skipped"]

        listener = asyncio.create_task(listen())
        start = time.perf_counter()
        for number, first in enumerate(range(0, len(data), n_frame), 1):
            await asyncio.sleep(max(0.0, start + number * FRAME_SECONDS - time.perf_counter()))
            sent[number] = time.perf_counter()
            await socket.send(data[first : first + n_frame])
        await socket.send('{"type": "end"}')
        await listener
    return 1 + int((STREAM_SECONDS - 3.0) / hop) - n_found - n_skipped, n_skipped


def streams(port: int, n: int, hop: float, max_lag: float | None) -> tuple[list[float], int, int]:
    """Send many streams at a time; return all latencies in seconds, the number of lost events and of those left out."""
    latencies: list[float] = []

    async def all_streams() -> list[tuple[int, int]]:
        # By itself each stream is regular; together they come at any time.
        delays = np.random.default_rng(0).uniform(0, 2.0, n)
        runs = [stream(port, hop, max_lag, 1_000 * i, float(delay), latencies) for i, delay in enumerate(delays)]
        return await asyncio.gather(*runs)

    lost, skipped = zip(*asyncio.run(all_streams()), strict=True)
    return latencies, sum(lost), sum(skipped)


def latency_row(latencies: list[float], what: str, told: str, target: int) -> dict[str, Any]:
    """Return the row of latencies in seconds: what was asked for, and what else is to be told of it."""
    p50, p95, p99 = (1e3 * float(np.percentile(latencies, q)) for q in (50, 95, 99))
    return {
        "name": f"{what}: last sample to prediction, p95 (p50 {p50:.0f}, p99 {p99:.0f}{told})",
        "value": f"{p95:.0f} ms",
        "ratio": round(p95),
        "target": f"at most {target}",
    }


def overload_rows(port: int) -> list[dict[str, Any]]:
    """Return the row of more streams than the machine can serve, which name a lag."""
    latencies, lost, skipped = streams(port, TOO_MANY, 0.5, MAX_LAG)
    share = skipped / (len(latencies) + lost + skipped)
    what = f"{TOO_MANY} live streams, a prediction every 0.5 s, max_lag {MAX_LAG:g} s"
    return [latency_row(latencies, what, f"; {share:.0%} of the windows left out, {lost} events lost", 1000)]


def stream_rows(port: int, hop: float) -> list[dict[str, Any]]:
    """Return the rows of many streams at a time."""
    latencies, lost, _ = streams(port, N_STREAMS, hop, None)
    late = sum(latency > hop for latency in latencies)
    what = f"{N_STREAMS} live streams, a prediction every {hop:g} s"
    return [
        latency_row(latencies, what, "", 300),
        {
            "name": f"{what}: events lost or late, of {len(latencies)}",
            "value": f"{lost} lost, {late} late",
            "ratio": lost + late,
            "target": "at most 0",
        },
    ]


def wav(seconds: float) -> bytes:
    """Return the beginning of a clip as a file."""
    file = io.BytesIO()
    clip = audio.read(CLIPS[0], RATE)
    soundfile.write(file, np.resize(clip.samples, int(seconds * RATE)), RATE, format="WAV")
    return file.getvalue()


def post(connection: http.client.HTTPConnection, body: bytes) -> int:
    """Upload a file; return the status."""
    connection.request("POST", "/v1/predict", body, {"Content-Type": "audio/wav"})
    answer = connection.getresponse()
    answer.read()
    if answer.will_close:
        connection.close()
    return answer.status


def upload_rows(port: int) -> list[dict[str, Any]]:
    """Return the row of uploads by a few clients, each one after the other."""
    body, taken = wav(3.0), []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(UPLOADS // CLIENTS):
            start = time.perf_counter()
            assert post(connection, body) == 200
            taken.append(1e3 * (time.perf_counter() - start))
        connection.close()

    start = time.perf_counter()
    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = UPLOADS / (time.perf_counter() - start)
    p50, p99 = (float(np.percentile(taken, q)) for q in (50, 99))
    return [
        {
            "name": f"{UPLOADS} uploads of 3 s by {CLIENTS} clients: p50 (p99 {p99:.0f} ms, {rate:.0f} a second)",
            "value": f"{p50:.1f} ms",
            "ratio": round(p50, 1),
            "target": "at most 60",
        }
    ]


def memory_rows(port: int, pid: int) -> list[dict[str, Any]]:
    """Return the row of many small requests, every tenth of them no sound."""
    body = wav(0.3)
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def many(n: int) -> float:
        for i in range(n):
            assert post(connection, body if i % 10 else body[:-100]) == (200 if i % 10 else 422)
        return megabytes(pid)

    before = many(SMALL_REQUESTS // 10)
    after = many(SMALL_REQUESTS)
    connection.close()
    return [
        {
            "name": f"memory that {SMALL_REQUESTS:,} small requests leave behind ({before:.0f} MB before)",
            "value": f"{after - before:.1f} MB",
            "ratio": round(after - before, 1),
            "target": "at most 10",
        }
    ]


def run() -> list[dict[str, Any]]:
    """Return all rows."""
    with server() as (port, pid):
        rows = upload_rows(port)
        for hop in (1.0, 0.5):
            rows += stream_rows(port, hop)
        rows += memory_rows(port, pid)
    with server("--max-streams", str(TOO_MANY)) as (port, _):
        return rows + overload_rows(port)


if __name__ == "__main__":
    for row in run():
        print(row)

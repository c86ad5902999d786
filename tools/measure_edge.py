"""Compile bundled models for every target, run the programs on real clips, and write the figures.

    python tools/measure_edge.py run MANIFEST... [--models default default-int8] [--clips 200] [--more 1000]
    python tools/measure_edge.py run MANIFEST... --front-end fixed [--cpu NAME]
    python tools/measure_edge.py frames MANIFEST... [--clips 200]
    python tools/measure_edge.py page

``run`` adds to docs/results/edge.json what it measured, ``frames`` how far the front end in fixed point is from that in
floats, ``page`` writes docs/results/edge.md and the table of docs/edge.md from it. Clips are of speakers that the
models were not trained on, drawn evenly over the emotions; programs of Linux judge them here or under qemu, boards
their first stretch under qemu.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import audio, metrics
from vocalics.edge import compilation, front_end, network, running, source, toolchain
from vocalics.edge.readme import in_kilobytes
from vocalics.edge.targets import TARGETS
from vocalics.manifest import Manifest
from vocalics.named_models import model_path
from vocalics.recognizer import load

RESULTS = Path("docs/results/edge.json")
PAGE = Path("docs/results/edge.md")
GUIDE = Path("docs/edge.md")
running.LONGEST_SECONDS = 6 * 3600  # others may work here too
ON_BOARDS = 4
"""Clips of a board, whose emulator counts every instruction."""
FLOAT, FIXED, FRAMES = "float", "fixed", "frames"


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("manifests", nargs="+", type=Path, help="clips of the models' corpora")
    run.add_argument("--models", nargs="+", default=["default", "default-int8"], help="bundled names or files")
    run.add_argument("--targets", nargs="+", default=list(TARGETS), choices=TARGETS)
    run.add_argument("--clips", type=int, default=200, help="that every program of Linux judges")
    run.add_argument("--more", type=int, default=1000, help="that this computer's program judges, for the UAR")
    run.add_argument("--front-end", default=FLOAT, choices=(FLOAT, FIXED))
    run.add_argument("--cpu", default="", help="another least processor, as of vocalics compile")
    frames = commands.add_parser(FRAMES)
    frames.add_argument("manifests", nargs="+", type=Path, help="clips of the model's corpora")
    frames.add_argument("--clips", type=int, default=200)
    frames.add_argument("--models", nargs=1, default=["default"], help="whose untrained speakers' clips are drawn")
    commands.add_parser("page")
    arguments = parser.parse_args()
    if arguments.command == FRAMES:
        _add(FRAMES, _frames(_drawn(arguments.manifests, arguments.models[0], arguments.clips)))
    if arguments.command == "run":
        drawn = _drawn(arguments.manifests, arguments.models[0], arguments.more)
        plain = (arguments.front_end, arguments.cpu) == (FLOAT, "")
        for model in arguments.models:
            for target in arguments.targets:
                found = _measured(model, target, drawn, arguments.clips, arguments.front_end, arguments.cpu)
                more = "" if plain else f" {arguments.front_end} {arguments.cpu}".rstrip()
                _add(f"{Path(model).stem} {target}{more}", found)
                print(json.dumps({k: v for k, v in found.items() if k != "layers"}), flush=True)
    _write()


def _drawn(manifests: list[Path], model: str, n: int) -> Manifest:
    """Clips of speakers that a model never heard (where it heard all: was not fitted to), evenly over its emotions."""
    card = load(model).card
    clips = Manifest(tuple(u for path in manifests for u in Manifest.read(path)))
    clips = clips.where(lambda u: u.emotion in card.emotions and u.speaker not in card.training_speakers)
    clips = clips.where(lambda u: u.speaker not in card.validation_speakers) or clips
    rng, each = np.random.default_rng(0), -(-n // len(card.emotions))
    rows = [u for e in card.emotions for u in clips.where(lambda u, e=e: u.emotion == e).drawn(each, rng)]
    return Manifest(tuple(rows[i] for i in rng.permutation(len(rows))[:n]))


def _measured(model: str, name: str, clips: Manifest, n: int, kind: str, cpu: str) -> dict[str, Any]:
    target, path = TARGETS[name], model_path(model)
    recognizer = load(path)
    # The same net in float32: beside the file, or bundled as it is.
    whole = load(path.with_name(path.name.replace("-int8", ""))) if path.stem.endswith("-int8") else recognizer
    is_board = target.board is not None
    with tempfile.TemporaryDirectory(prefix="vocalics-") as folder:
        output = Path(folder, "board" if is_board else f"emotion{target.suffix}")
        first = [Path(u.path) for u in clips][: ON_BOARDS if is_board else 1]
        made = compilation.compile(
            path, target, output, first, check=is_board, is_fixed=kind == FIXED, cpu=cpu, tell=print
        )
        found: dict[str, Any] = {
            "file": made.sizes.file,
            "flash": made.sizes.flash,
            "ram": made.sizes.ram,
            "weights": made.source.facts.weight_bytes,
            "arena": made.source.facts.arena_bytes,
            "macs_per_second": made.source.facts.macs / made.source.seconds,
            "clock_mhz": target.clock_mhz,
            "clock_of": target.clock_of,
        }
        if is_board:
            check = made.checks[-1]
            found |= {
                "stack": made.stack_bytes,
                "instructions_per_second": made.instructions,
                "on": target.board.machine if target.board else "",
                "clips": check.n_clips,
                "same": check.n_same,
                "largest": check.largest,
            }
            return found
        command, runs_on = running.runner(target)
        if not runs_on:
            return found
        native = runs_on == "this computer"
        judged = clips if native else Manifest(tuple(clips)[:n])
        files, truth, whole_truth = [], [], []
        for i, utterance in enumerate(judged):
            files.append(Path(folder, f"{i}.wav"))
            audio.write(files[-1], audio.read(utterance.path))
            truth.append(recognizer.predict(files[-1]))
            whole_truth.append(truth[-1] if whole is recognizer else whole.predict(files[-1]))
        said = running.said_by(target, [*command, str(output.resolve())], files)
        chances = np.array([[*line["probabilities"].values()] for line in said])
        expected = np.array([[*p.probabilities.values()] for p in truth])
        labels, right = [line["label"] for line in said], [p.label for p in truth]
        emotions = [u.emotion for u in judged]
        found |= {
            "on": runs_on,
            "clips": len(said),
            "same": sum(a == b for a, b in zip(labels, right, strict=True)),
            "largest": float(np.abs(chances - expected).max()),
            "same_as_float32": sum(a == p.label for a, p in zip(labels, whole_truth, strict=True)),
            "uar": _uar(emotions, labels),
            "uar_python": _uar(emotions, right),
            "uar_float32": _uar(emotions, [p.label for p in whole_truth]),
        }
        return found


def _frames(clips: Manifest) -> dict[str, Any]:
    """How far log-mel frames and voiced seconds in fixed point are from those in floats, on the same 16 bits."""
    rate, largest, means, equal = 16_000, [], [], []
    with tempfile.TemporaryDirectory(prefix="vocalics-") as folder:
        floats, fixed = (_library(Path(folder, kind), kind) for kind in (FLOAT, FIXED))
        for utterance in clips:
            steps = source.sixteen_bits(audio.read(utterance.path, rate).samples[: 10 * rate])
            truth, found = _front_end(floats, steps.astype(np.float32) / 32768), _front_end(fixed, steps)
            apart = np.abs(found[0] - truth[0])
            largest.append(float(apart.max()))
            means.append(float(apart.mean()))
            equal.append(abs(found[1] - truth[1]) < 1e-3)
    return {"clips": len(largest), "largest": max(largest), "mean": float(np.mean(means)), "same_gate": sum(equal)}


def _library(folder: Path, kind: str) -> ctypes.CDLL:
    """The bundled model's C as a library of this computer."""
    path = model_path("default")
    card = load(path).card
    texts = network.write(path, front_end.n_frames(card)) | front_end.write(card, is_fixed=kind == FIXED)
    texts |= source.copied([*network.KERNELS, *front_end.sources(card, kind == FIXED)], "c")
    folder.mkdir()
    for name, text in texts.items():
        Path(folder, name).write_text(text, encoding="utf-8")
    files = [name for name in texts if name.endswith(".c")]
    line = [sys.executable, "-m", "ziglang", "cc", *toolchain.WARNINGS, *toolchain.SPEED, "-O2", "-shared", "-fPIC"]
    subprocess.run([*line, *files, "-o", "library.so"], cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "library.so"))
    library.speech_finish.restype = ctypes.c_float
    library.network_input.restype = ctypes.POINTER(ctypes.c_float)
    return library


def _front_end(library: Any, samples: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float32], float]:
    """Frames and voiced seconds."""
    library.front_end_start()
    library.speech_start()
    for function in (library.front_end_feed, library.speech_feed):
        function(samples.ctypes.data_as(ctypes.c_void_p), len(samples))
    n = library.front_end_finish()
    return np.ctypeslib.as_array(library.network_input(), (n, 64)).copy(), float(library.speech_finish())


def _uar(truth: list[Any], labels: list[str]) -> float:
    numbers = {name: i for i, name in enumerate(dict.fromkeys([*truth, *labels]))}  # "no speech" is never right
    return metrics.unweighted_average_recall([numbers[e] for e in truth], [numbers[e] for e in labels])


def _add(key: str, found: dict[str, Any]) -> None:
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    known[key] = found
    RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _rows(kinds: bool = False) -> dict[tuple[str, ...], dict[str, Any]]:
    """What was measured by model and target; with kinds: by model, target, front end and processor."""
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    order = list(TARGETS)
    keys = [tuple(key.split(" ")) for key in known if key != FRAMES]
    chosen = sorted((k for k in keys if (len(k) > 2) == kinds), key=lambda k: (k[0], order.index(k[1]), *k[2:]))
    return {key: known[" ".join(key)] for key in chosen}


def _table() -> list[str]:
    lines = [
        "| model | target | file | flash | RAM | a second of sound | run on | clips | same emotion | "
        "probabilities within |",
        "|---|---|---:|---:|---:|---|---|---:|---:|---:|",
    ]
    for (model, target), row in _rows().items():
        board = "instructions_per_second" in row
        time = _time(row)
        checked = (
            [row["on"], f"{row['clips']}", f"{row['same']}", f"{row['largest']:.0e}"] if "on" in row else ["–"] * 4
        )
        flash = in_kilobytes(row["flash"]) if board else "–"
        ram = in_kilobytes(row["ram"]) if row["ram"] is not None else "–"
        lines.append(
            f"| {model} | {target} | {in_kilobytes(row['file'])} | {flash} | {ram} | {time} | {' | '.join(checked)} |"
        )
    return lines


def _time(row: dict[str, Any]) -> str:
    each = row.get("instructions_per_second")
    if not each:
        return "–"
    return f"{each / 1e6:,.0f} M instructions, {each / row['clock_mhz'] / 1e6:.2f} s at {row['clock_mhz']:g} MHz"


def _fixed() -> list[str]:
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    if FRAMES not in known:
        return []
    frames = known[FRAMES]
    lines = [
        "## In fixed point",
        "",
        "`--front-end fixed`: log-mel frames and the voicing gate in whole numbers, for processors without floating",
        f"point. On {frames['clips']} clips, in 16 bits, the bands' natural logarithms differ from those of the front",
        f"end in floats by {frames['mean']:.1e} on average and {frames['largest']:.1e} at most; the gate hears the",
        f"same voiced seconds in {frames['same_gate']} of them.",
        "",
        "| model | target | processor | front end | RAM | a second of sound | run on | clips | same emotion | "
        "probabilities within |",
        "|---|---|---|---|---:|---|---|---:|---:|---:|",
    ]
    for (model, target, kind, *cpu), row in _rows(kinds=True).items():
        checked = f"{row['on']} | {row['clips']} | {row['same']} | {row['largest']:.0e}"
        lines.append(
            f"| {model} | {target} | {cpu[0] if cpu else 'its least'} | {kind} | {in_kilobytes(row['ram'])} | "
            f"{_time(row)} | {checked} |"
        )
    return [*lines, ""]


def _eight() -> list[str]:
    lines = [
        "| model | run on | clips | the same as Python in eight bits | as float32 | UAR | UAR of float32 | lost |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for (model, target), row in _rows().items():
        if model.endswith("-int8") and "uar" in row:
            lost = row["uar_float32"] - row["uar"]
            lines.append(
                f"| {model} | {target} | {row['clips']:,} | {100 * row['same'] / row['clips']:.1f} % | "
                f"{100 * row['same_as_float32'] / row['clips']:.1f} % | {100 * row['uar']:.1f} | "
                f"{100 * row['uar_float32']:.1f} | {100 * lost + 0.0:.1f} |"
            )
    return lines


def _write() -> None:
    about = (
        "Clips are of speakers that the models were not trained on, drawn evenly over the emotions. Flash is code, "
        "tables and weights of a board, without the sound that its image holds to be tried on. RAM is variables and a "
        "board's whole stack; nothing is allocated. Instructions are counted by qemu, which knows no cycles: the time "
        "takes one for a cycle. A board judges 3 s of sound at a time, a program up to 10 s."
    )
    page = [
        "# Models on devices",
        "",
        "Written by `tools/measure_edge.py`. " + about,
        "",
        *_table(),
        "",
        "## In eight bits",
        "",
        "How often the program names the emotion that ONNX Runtime names with the same weights in eight bits, and that",
        "the model in float32 names; unweighted average recall in percent, lost in points.",
        "",
        *_eight(),
        "",
        *_fixed(),
    ]
    PAGE.write_text("\n".join(page), encoding="utf-8")
    guide = GUIDE.read_text(encoding="utf-8")
    block = "\n".join(["<!-- figures -->", about, "", *_table(), "<!-- /figures -->"])
    GUIDE.write_text(re.sub(r"<!-- figures -->.*<!-- /figures -->", lambda _: block, guide, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()

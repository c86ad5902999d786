"""What a folder of C says about itself: README.md, and a Makefile for compilers that are not ours."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from vocalics.edge import front_end, toolchain
from vocalics.edge.network import Facts, Layer
from vocalics.edge.targets import Target
from vocalics.modelfile import Card

PROGRAM = "emotion"
"""The name of the program, without a target's suffix."""

_SOUND = """\
    vocalics_start();
    while (samples come in)                /* mono, {rate:,} Hz, in pieces of any size */
        vocalics_feed(samples, n);         /* takes {seconds:g} s at most, and says how much it took */
    vocalics_finish(&result);              /* result.emotion: an index into vocalics_emotions; -1: no speech */
"""
_FEATURES = """\
    vocalics_start();
    vocalics_feed(features, n);            /* {features}, frame by frame */
    vocalics_finish(&result);              /* result.emotion: an index into vocalics_emotions */
"""


def in_kilobytes(size: float) -> str:
    """Return a size for people: in KB of 1,024 bytes.

    >>> in_kilobytes(2400 * 1024)
    '2,400 KB'
    """
    return f"{size / 1024:,.1f} KB" if size < 10 * 1024 else f"{size / 1024:,.0f} KB"


def layer_name(layer: Layer) -> str:
    """Return a layer's name for people: the graph's, without the modules that hold it.

    >>> layer_name(Layer("net_/module/blocks/blocks.6/Relu_1_output_0", 0, 0, 0))
    'blocks.6/Relu_1'
    """
    return "/".join(layer.name.removesuffix("_output_0").split("/")[-2:])


def page(
    card: Card,
    sha256: str,
    facts: Facts,
    seconds: float,
    files: Sequence[str],
    target: Target | None,
    command: str,
    cpu: str = "",
    compiler: str = toolchain.ZIG,
) -> str:
    """Return README.md: what the folder holds, what it takes, how it is built and called.

    Another processor than the target's, ``cpu``, is in the words of the ``compiler`` that it was given for: the other
    one's command is for the target's.
    """
    takes_sound = bool(front_end.kind(card))
    call = (_SOUND if takes_sound else _FEATURES).format(
        rate=card.sample_rate, seconds=seconds, features=f"the set {card.feature_set}"
    )
    per = f"{seconds:g} s" if takes_sound else "features"
    layers = sorted(facts.layers, key=lambda layer: -layer.weight_bytes)[:5]
    lines = [
        f"# {card.name} in C",
        "",
        f"The model {card.name} (SHA-256 {sha256})",
        f"as C99 without dependencies, written by `{command or 'vocalics'}`.",
        f"It tells {', '.join(card.emotions)}. {card.description}",
        "",
        *((f"Limits: {card.limits}", "") if card.limits else ()),
        "| | |",
        "|---|---|",
        f"| weights | {in_kilobytes(facts.weight_bytes)} |",
        f"| static memory of the network | {in_kilobytes(facts.arena_bytes)} |",
        f"| multiply-accumulate operations | {facts.macs / 1e6:,.2f} million for {per} |",
        "",
        "| layers with most weights | weights | memory while it runs | operations |",
        "|---|---|---|---|",
        *(
            f"| {layer_name(layer)} | {in_kilobytes(layer.weight_bytes)} | {in_kilobytes(layer.ram_bytes)} | "
            f"{layer.macs / 1e6:,.2f} million |"
            for layer in layers
        ),
        "",
        "## Build",
        "",
        *_build(files, target, cpu, compiler),
        "",
        "## Call",
        "",
        "Nothing is allocated, and the library prints nothing: `vocalics.h` is the whole interface.",
        "",
        "```c",
        *(line.removeprefix("    ") for line in call.splitlines()),
        "```",
        "",
        *_files(files),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _build(files: Sequence[str], target: Target | None, cpu: str, compiler: str) -> list[str]:
    if target is None or target.board is None:
        return [
            "`make`, or any compiler of C99:",
            "",
            "```sh",
            # By name: an earlier export may have left other files here.
            f"cc -std=c99 -O3 {' '.join(files)} -o {PROGRAM}",
            f"./{PROGRAM} --help",
            "```",
        ]
    image = f"{PROGRAM}{target.suffix}"
    for_make, for_zig = (_for(target, cpu, name == compiler) for name in (toolchain.GCC, toolchain.ZIG))
    return [
        f"`make` with `{target.gcc[0]}`{for_make}, or with Zig{for_zig}:",
        "",
        "```sh",
        _line(target, toolchain.ZIG, files, cpu if compiler == toolchain.ZIG else ""),
        "```",
        "",
        f"`board.ld` has the memory of {target.board.machine}, a board that qemu knows:",
        "",
        "```sh",
        shlex.join([*target.board.emulator, image]),
        "```",
        "",
        "For a board of your own, change MEMORY in `board.ld` and give `board_write` its UART; or take the library",
        "alone into your project: all `.c` but the program's (below).",
    ]


def _for(target: Target, cpu: str, is_its_word: bool) -> str:
    """For which processor a command is, where another one than the target's was asked for."""
    if not cpu:
        return ""
    return f" for {cpu}" if is_its_word else f" for the usual processor of {target.name}"


def _line(target: Target, compiler: str, files: Sequence[str], cpu: str) -> str:
    words = toolchain.command(target, compiler, files, f"{PROGRAM}{target.suffix}", cpu)
    if compiler == toolchain.ZIG:
        words = ["python", *words[1:]]
    return shlex.join(words)


def _files(files: Sequence[str]) -> list[str]:
    program = [f for f in files if f in _PROGRAM_FILES]
    library = [f for f in files if f not in _PROGRAM_FILES]
    return [
        f"Library: {', '.join(f'`{f}`' for f in library)}.",
        "",
        f"Program: {', '.join(f'`{f}`' for f in program)}.",
    ]


_PROGRAM_FILES = (
    *("main.c", "main_features.c", "report.c", "wav.c"),
    *("board_main.c", "cortex_m.c", "riscv.c", "memory.c", "semihosting.c", "sound.c"),
)


def makefile(files: Sequence[str], target: Target | None, cpu: str = "", compiler: str = toolchain.GCC) -> str:
    """Return a Makefile for any compiler of C99, or for a board's gcc; ``cpu`` and ``compiler`` as in :func:`page`."""
    sources = " ".join(files)
    if target is None or target.board is None:
        return (
            f"CC ?= cc\nCFLAGS ?= -O3\nFLAGS = {' '.join((*toolchain.WARNINGS, *toolchain.SPEED))}\n\n"
            f"{PROGRAM}: {sources}\n\t$(CC) $(FLAGS) $(CFLAGS) -o $@ {sources}\n\n"
            f".PHONY: clean\nclean:\n\trm -f {PROGRAM}\n"
        )
    image = f"{PROGRAM}{target.suffix}"
    is_its_word = compiler == toolchain.GCC
    note = f"# Compiles{_for(target, cpu, is_its_word)}.\n" if cpu else ""
    line = _line(target, toolchain.GCC, files, cpu if is_its_word else "")
    return f"{note}{image}: {sources} board.ld\n\t{line}\n\n.PHONY: clean\nclean:\n\trm -f {image}\n"

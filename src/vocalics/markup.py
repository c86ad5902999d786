"""Pieces of a page. Text from outside comes into it through :func:`text` alone."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile

import vocalics
from vocalics.audio import Clip
from vocalics.errors import VocalicsError


@dataclass(frozen=True)
class Markup:
    """HTML that may stand in a page as it is."""

    html: str


Cell = str | int | float | Markup


def text(value: object) -> str:
    """Return text as HTML shows it, whatever it holds; what no page can show is a replacement sign.

    >>> text('<script>"&')
    '&lt;script&gt;&quot;&amp;'
    """
    shown = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", str(value))
    # Marks that turn the direction of writing would make a name look like another one.
    return html.escape(re.sub(r"[\u202a-\u202e\u2066-\u2069]", "\ufffd", shown), quote=True)


def paragraph(words: str, kind: str = "") -> str:
    """Return a paragraph of plain words."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{text(words)}</p>"


def number(value: float, form: str = "{:,.0f}") -> str:
    """Return a number, or a dash where there is none."""
    if math.isnan(value):
        return "–"
    shown = form.format(value)
    return (shown[1:] if shown[:1] in "+-" and not re.search("[1-9]", shown) else shown).replace("-", "−")


def lasting(seconds: float) -> str:
    """Return a length of time as it is said: "48 s", "12.3 min", "1,203.5 h"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 2 * 3600 else f"{seconds / 3600:,.1f} h"


def counted(n: int, noun: str) -> str:
    """Return how many there are of what a regular noun names.

    >>> counted(1, "call"), counted(1_200, "call")
    ('1 call', '1,200 calls')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def listed(lines: Sequence[tuple[Sequence[str], str, Markup]]) -> str:
    """Return a list of clips: their files, what is said of them, and what plays them (or nothing)."""
    items = "".join(
        f'<li><span class="path">{"<br>".join(map(text, names))}</span><span>{text(said)}</span>{sound.html}</li>'
        for names, said, sound in lines
    )
    return f'<ol class="listed">{items}</ol>'


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]], caption: str, spoken: bool = False) -> str:
    """Return a table that scrolls by itself where it is too wide; numbers stand to the right.

    Args:
        head: The columns' names.
        rows: Their cells: words, whole numbers, numbers to two digits, or markup.
        caption: What the table holds.
        spoken: Whether the caption is for screen readers only, as where a heading has just said it.
    """
    right = [bool(rows) and all(isinstance(r[i], int | float) or r[i] == "–" or _is_number(r[i]) for r in rows)
             for i in range(len(head))]  # fmt: skip

    def cell(value: Cell, i: int) -> str:
        words = value.html if isinstance(value, Markup) else text(_shown(value))
        return f"<td class=n>{words}</td>" if right[i] else f"<td>{words}</td>"

    titles = "".join(
        f'<th scope="col"{" class=n" if right[i] else ""}>{text(name)}</th>' for i, name in enumerate(head)
    )
    lines = "".join(f"<tr>{''.join(cell(value, i) for i, value in enumerate(row))}</tr>" for row in rows)
    hidden = " class=spoken" if spoken else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}"><table><caption{hidden}>'
        f"{text(caption)}</caption><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def details(summary: str, inner: str) -> str:
    """Return what unfolds when it is asked for."""
    return f"<details><summary>{text(summary)}</summary>{inner}</details>"


def card(title: str, inner: str) -> str:
    """Return a framed part of a page with a heading."""
    heading = f"<h3>{text(title)}</h3>" if title else ""
    return f'<div class="card">{heading}{inner}</div>'


def data_uri(clip: Clip) -> str:
    """Return sound as a ``data:`` address: mp3, which every browser plays, or wav where libsndfile cannot write mp3.

    Raises:
        VocalicsError: When libsndfile can write neither.
    """
    file = io.BytesIO()
    samples = np.clip(clip.samples, -1, 1)
    for media, container, coding in (("audio/mpeg", "MP3", "MPEG_LAYER_III"), ("audio/wav", "WAV", "PCM_16")):
        try:
            soundfile.write(file, samples, clip.sample_rate, format=container, subtype=coding)
        except (ValueError, soundfile.LibsndfileError):  # no encoder, or none for this rate
            file = io.BytesIO()
            continue
        return f"data:{media};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
    raise VocalicsError("libsndfile can write neither mp3 nor wav; install a complete build of it")


def player(uri: str, what: str) -> Markup:
    """Return what plays a sound.

    Args:
        uri: A ``data:`` address of ours.
        what: What is heard, for a screen reader.
    """
    return Markup(f'<audio controls preload="metadata" aria-label="{text(f"play {what}")}" src="{text(uri)}"></audio>')


def _shown(value: str | int | float) -> str:
    if isinstance(value, float):
        return number(value, "{:,.2f}")
    return f"{value:,}" if isinstance(value, int) else value


def _is_number(value: Cell) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[+−-]?[\d,.]+( %)?", value))


def head(heading: str, style: str, script: str, sources: str) -> str:
    """Return a page's beginning, up to its body: it may run one script only, and load nothing from anywhere.

    Args:
        heading: The title, not escaped yet.
        style: The style sheet.
        script: The one script that the page may run, to the letter.
        sources: Further directives of its content policy, e.g. "img-src data:".
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; {sources}; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="vocalics {text(vocalics.__version__)}">\n'
        f"<title>{text(heading)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
    )

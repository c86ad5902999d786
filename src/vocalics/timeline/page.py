"""A timeline as one HTML page that needs no network: drawing, table and sound are all inside."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import vocalics
from vocalics import records
from vocalics.markup import head, text
from vocalics.recognizer import Prediction
from vocalics.timeline.analysis import Source
from vocalics.timeline.chart import chart, clock, colour
from vocalics.timeline.recording import Channel, Timeline
from vocalics.timeline.sound import data_uri

_CAUTION = (
    "The model learnt from acted speech. It tells how a voice sounds to it, not what somebody feels, and it can be "
    "wrong with high confidence. Do not base a decision about a person on it."
)
_HOW = (
    "Above: the waveform, each segment, judged as a whole, in the colour of its emotion. Below: the probabilities of "
    "the emotions, window by window; pale between the segments, where an echo or a noise may be heard. Click a "
    "segment to play it, or anything else to play from there; or focus the drawing and use the arrow keys (5 s), Home, "
    "End and space."
)
_ENCLOSED = " This page contains the recording itself: whoever has the page can hear it."


def page(timeline: Timeline, source: Source | None = None) -> str:
    """Return the page.

    It names no address outside itself, and tells the browser to load none. All text from outside is escaped.

    Args:
        timeline: What it shows.
        source: The recording, which then plays inside the page, up to ``sound.MOST_BYTES``. Otherwise the reader can
            pick the recording's file, which stays on the reader's machine.

    Raises:
        AudioError: When the source cannot be read.
    """
    stereo = [channel.name for channel in timeline.channels] == ["left", "right"]
    sound = None if source is None else data_uri(source, stereo)
    heading = Path(timeline.path).name if timeline.path not in ("", "-") else "Recording"
    spoken = _spoken(timeline)
    style, script = _file("page.css"), _file("page.js")
    return (
        head(heading, style, script, "media-src data: blob:")
        + f"<header><h1>{text(heading)}</h1>\n<p>{text(_facts(timeline))}</p></header>\n<main>\n"
        f'<section aria-label="Emotions over time">{_tools(timeline)}{chart(timeline)}'
        f'<p class="note">{text(_HOW)}</p></section>\n'
        f'<section class="cards" aria-label="Summary">{"".join(map(_summary, timeline.channels))}</section>\n'
        f'<section><h2 id="segments">Segments</h2>{_table(timeline, spoken)}</section>\n'
        f'<p class="warn">{text(_CAUTION if sound is None else _CAUTION + _ENCLOSED)}</p>\n</main>\n'
        f"<footer>Made by vocalics {text(vocalics.__version__)} with <code>vocalics timeline</code>.</footer>\n"
        f'<div class="player" role="region" aria-label="Player">{_player(sound)}</div>\n'
        f'<script type="application/json" id="timeline">{_data(timeline, spoken)}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _facts(timeline: Timeline) -> str:
    n = len(timeline.channels)
    names = " and ".join(channel.name for channel in timeline.channels) if n < 3 else f"{n} channels"
    return f"{clock(timeline.duration)} long, {names}, {timeline.sample_rate:,} Hz; judged by {timeline.model}"


def _spoken(timeline: Timeline) -> list[tuple[int, Prediction]]:
    """The segments of all channels by their start, each with its channel's number from 0."""
    found = [(i, segment) for i, channel in enumerate(timeline.channels) for segment in channel.segments]
    return sorted(found, key=lambda one: (one[1].start, one[0]))


def _tools(timeline: Timeline) -> str:
    chips = "".join(f"<li>{_chip(name)}{text(name)}</li>" for name in timeline.emotions)
    return (
        f'<div class="tools"><ul class="legend" aria-label="Colours">{chips}</ul>'
        '<div class="zoom" role="group" aria-label="Zoom"><button type="button" id="out" aria-label="Show more time">−'
        '</button><button type="button" id="in" aria-label="Show less time">+</button></div></div>'
    )


def _chip(label: str) -> str:
    return f'<i class="chip" style="background:{colour(label)}"></i>'


def _summary(channel: Channel) -> str:
    summary = channel.summary
    shares = "".join(
        f'<li><span>{_chip(label)}{text(label)}</span><span class="bar"><b style="width:{100 * share:.1f}%;'
        f'background:{colour(label)}"></b></span><span class="n">{_percent(share)}</span></li>'
        for label, share in summary.shares.items()
    )
    times = "once" if summary.changes == 1 else f"{summary.changes} times"
    seconds = summary.speech_seconds
    length = f"{seconds:.0f} s" if seconds < 60 else f"{clock(seconds)} {'min' if seconds < 3600 else 'h'}"
    spoken = f"{length} of speech; the emotion changes {times}."
    return (
        f'<div class="card"><h2>{text(channel.name)}</h2><p>{text(spoken if summary.shares else "Nobody speaks.")}</p>'
        f'<ul class="shares">{shares}</ul></div>'
    )


def _table(timeline: Timeline, spoken: list[tuple[int, Prediction]]) -> str:
    if not spoken:
        return "<p>Nobody speaks.</p>"
    head = ("time", "length", "channel", "emotion", "probability", "then")
    titles = "".join(f'<th scope="col"{_class(name)}>{name}</th>' for name in head)
    rows = "".join(_line(i, timeline.channels[channel].name, segment) for i, (channel, segment) in enumerate(spoken))
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="segments"><table><thead><tr>{titles}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _line(i: int, channel: str, segment: Prediction) -> str:
    ranked = sorted(segment.probabilities.items(), key=lambda item: -item[1])
    others = ", ".join(f"{name} {_percent(chance)}" for name, chance in ranked[1 if segment.emotion else 0 : 3])
    heard = segment.confidence > 0
    cells = (
        f'<button type="button" class="play" data-segment="{i}" disabled aria-label="Play {text(channel)}, '
        f'{text(segment.label)}, at {clock(segment.start)}">▶ {clock(segment.start)}</button>',
        f"{segment.end - segment.start:.1f} s",
        text(channel),
        f"{_chip(segment.label)}{text(segment.label)}",
        _percent(segment.confidence) if heard else "",
        text(others) if heard else "",
    )
    names = ("", "length", "", "", "probability", "then")
    return f'<tr id="s{i}">{"".join(f"<td{_class(n)}>{c}</td>" for n, c in zip(names, cells, strict=True))}</tr>'


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _class(column: str) -> str:
    kinds = {"length": "n length", "probability": "n", "then": "then"}
    return f' class="{kinds[column]}"' if column in kinds else ""


def _player(sound: str | None) -> str:
    if sound is not None:
        return f'<audio id="audio" controls preload="auto" src="{sound}"></audio><output id="now"></output>'
    return (
        '<label for="file">Pick the recording to hear it; it stays on this machine.</label> '
        '<input type="file" id="file" accept="audio/*"><audio id="audio" controls hidden></audio>'
        '<output id="now"></output>'
    )


def _data(timeline: Timeline, spoken: list[tuple[int, Prediction]]) -> str:
    """What the script needs, and a reader's program may want; no text of it can end the element."""
    told: dict[str, Any] = {
        "path": timeline.path,
        "duration": timeline.duration,
        "model": timeline.model,
        "emotions": list(timeline.emotions),
        "segments": [{"channel": timeline.channels[i].name, **records.part(segment)} for i, segment in spoken],
    }
    return json.dumps(told).replace("<", "\\u003c")


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")

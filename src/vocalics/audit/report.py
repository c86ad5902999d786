"""What an audit found, as values, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS: Mapping[str, str] = {
    "speakers": "their speaker is heard there too",
    "identical": "the same file, byte for byte",
    "near-identical": "the same recording, changed",
    "augmented": "made from one another, or from the same clip",
    "sentences": "the same sentence (no leak: acted corpora repeat sentences by design)",
}
"""Every kind of finding, and what it says of the clips that are counted."""

SHOWN = 10
"""Examples of a finding in a text; the dictionary is complete."""

WHOLE = "manifest"
"""What the only part of an undivided manifest is called."""


@dataclass(frozen=True)
class Finding:
    """What one part shares with another, of one kind.

    Attributes:
        kind: One of ``KINDS``.
        part: The part whose clips are counted.
        other: The part that they are looked for in; the same one for a manifest that is not divided.
        clips: Paths of the clips touched.
        n_clips: How many clips the part has.
        links: What they share, one line each: a speaker with counts, or two paths and how they are related.
        leaks: Whether it counts for the verdict.
    """

    kind: str
    part: str
    other: str
    clips: tuple[str, ...]
    n_clips: int
    links: tuple[str, ...]
    leaks: bool

    @property
    def share(self) -> float:
        """Clips touched, over all of the part."""
        return len(self.clips) / self.n_clips if self.n_clips else 0.0


@dataclass(frozen=True)
class DivisionAudit:
    """The findings on one division.

    Attributes:
        name: The fold's; empty where there is only one.
        parts: Clips by part.
        findings: In the order of ``SIDES`` and ``KINDS``; only those that touch a clip.
        nameless: Clips of unknown speaker by part.
        namesakes: Pairs of speakers of one name in two corpora of one's own, on both sides: they may be one person.
    """

    name: str
    parts: Mapping[str, int]
    findings: tuple[Finding, ...]
    nameless: Mapping[str, int]
    namesakes: tuple[tuple[str, str], ...] = ()

    @property
    def verdict(self) -> str:
        """ "leaks"; "unclear" where nothing was found, but speakers on both sides may be one; else "clean"."""
        if any(f.leaks for f in self.findings):
            return "leaks"
        return "unclear" if self.namesakes or sum(n > 0 for n in self.nameless.values()) > 1 else "clean"

    @property
    def touched(self) -> tuple[str, ...]:
        """Paths of the test clips (of all, where nothing is divided) that leak in any way."""
        part = "test" if "test" in self.parts else WHOLE
        return tuple(sorted({c for f in self.findings if f.leaks and f.part == part for c in f.clips}))

    def count(self, kind: str, part: str = "test") -> int:
        """Return how many clips of a part a kind touches, whichever part the other clip is in."""
        part = part if part in self.parts else WHOLE
        return len({c for f in self.findings if f.kind == kind and f.part == part for c in f.clips})


@dataclass(frozen=True)
class Estimate:
    """What a leak is worth to a small classifier: the same test clips, judged with and without it.

    Attributes:
        given: UAR of the probe trained on each fold's training part, over all test clips.
        apart: UAR on the same clips of probes that heard neither their speakers nor any clip related to them, trained
            on as many clips of the same pool.
        low: Lower end of the 95 % interval of ``given`` - ``apart``, as a fraction.
        high: Its upper end.
        unit: What was resampled, "speakers" or "clips".
        n_units: How many of them.
        n_clips: Test clips.
        touched: UAR (given) on the test clips that leak and their number; ``None`` where that is no clip.
        untouched: The same for the others.
        notes: What limits the figure.
    """

    given: float
    apart: float
    low: float
    high: float
    unit: str
    n_units: int
    n_clips: int
    touched: tuple[float, int] | None = None
    untouched: tuple[float, int] | None = None
    notes: tuple[str, ...] = ()

    @property
    def gain(self) -> float:
        """What the division flatters the probe by, as a fraction."""
        return self.given - self.apart

    def lines(self) -> list[str]:
        """The estimate in words."""
        said = [
            f"Estimate: a probe gains {100 * self.gain:+.1f} points of UAR from this division (95 % interval "
            f"{100 * self.low:+.1f} to {100 * self.high:+.1f}, over {self.n_units} {self.unit}): "
            f"{100 * self.given:.1f} % as divided, {100 * self.apart:.1f} % on the same {self.n_clips:,} test clips "
            "when it heard neither their speakers nor their copies.",
        ]
        if self.touched and self.untouched:
            said.append(
                f"As divided, {100 * self.touched[0]:.1f} % on the {self.touched[1]:,} clips that leak and "
                f"{100 * self.untouched[0]:.1f} % on the {self.untouched[1]:,} others, which may be easier or harder."
            )
        return [*said, *self.notes]


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes:
        subject: What was audited ("folds=emodb.csv").
        divisions: One per fold; one for given parts, and for a manifest that is not divided.
        notes: What could not be checked, and other things to know.
        estimate: What the leak is worth; ``None`` where that was not asked for.
    """

    subject: str
    divisions: tuple[DivisionAudit, ...]
    notes: tuple[str, ...] = ()
    estimate: Estimate | None = None

    @property
    def verdict(self) -> str:
        """ "leaks" where any division does, else "unclear" where any is, else "clean"."""
        verdicts = {d.verdict for d in self.divisions}
        return next(v for v in ("leaks", "unclear", "clean") if v in verdicts or v == "clean")

    @property
    def summary(self) -> str:
        """The verdict in one sentence."""
        if not self.divided:
            return f"{self.verdict}: {self.subject}"
        n_clips = sum(d.parts["test"] for d in self.divisions)
        n_touched = sum(len(d.touched) for d in self.divisions)
        folds = [d for d in self.divisions if d.verdict == "leaks"]
        of = f", in {len(folds)} of {len(self.divisions)} folds" if len(self.divisions) > 1 and folds else ""
        return f"{self.verdict}: {self.subject}; {n_touched:,} of {n_clips:,} test clips touched{of}"

    @property
    def divided(self) -> bool:
        """Whether there are parts at all."""
        return all("test" in d.parts for d in self.divisions)

    def table(self) -> tuple[list[str], list[list[str]]]:
        """The counts of clips touched: headings, and a row per fold and one in total."""
        heads = ["fold", "clips", *KINDS, "any leak", "verdict"]
        rows = []
        for d in self.divisions:
            n_clips = d.parts.get("test", d.parts.get(WHOLE, 0))
            counts = [n_clips, *(d.count(kind) for kind in KINDS), len(d.touched)]
            rows.append([d.name or "all", *(f"{n:,}" for n in counts), d.verdict])
        if len(rows) > 1:
            sums = [sum(int(row[i].replace(",", "")) for row in rows) for i in range(1, len(heads) - 1)]
            rows.append(["total", *(f"{n:,}" for n in sums), self.verdict])
        return heads, rows

    def details(self, shown: int = SHOWN) -> list[tuple[str, tuple[str, ...], int]]:
        """Every finding that leaks: a heading, its first links, and how many more there are."""
        found = []
        for d in self.divisions:
            for f in d.findings:
                if f.kind == "sentences":
                    continue
                where = f"fold {d.name}: " if len(self.divisions) > 1 else ""
                parts = f"{f.part} clips, {f.kind} with {f.other}" if f.part != f.other else f"clips, {f.kind}"
                said = f"{where}{len(f.clips):,} of {f.n_clips:,} {parts} ({KINDS[f.kind]})"
                found.append((said, f.links[:shown], max(0, len(f.links) - shown)))
        return found

    def to_markdown(self) -> str:
        """The report as Markdown; of long lists, the first entries."""
        heads, rows = self.table()
        lines = [f"# Audit of {self.subject}", "", f"**{self.summary[0].upper()}{self.summary[1:]}.**", ""]
        counted = "Test clips" if self.divided else "Clips"
        lines += [f"{counted} touched:", "", "| " + " | ".join(heads) + " |"]
        lines.append("|---|" + "---:|" * (len(heads) - 2) + "---|")
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        lines += ["", *(f"- {kind}: {said}" for kind, said in KINDS.items())]
        for said, links, more in self.details():
            lines += ["", f"## {said[0].upper()}{said[1:]}", "", *(f"- {link}" for link in links)]
            lines += [f"- and {more:,} more"] if more else []
        if self.estimate is not None:
            lines += ["", "## What it is worth", "", *self.estimate.lines()]
        lines += ["", "## Notes", "", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """The report, complete, as plain values for JSON."""
        estimate = None
        if self.estimate is not None:
            estimate = {
                **{k: getattr(self.estimate, k) for k in ("given", "apart", "gain", "low", "high", "unit", "n_units")},
                **{k: getattr(self.estimate, k) for k in ("n_clips", "touched", "untouched")},
                "notes": list(self.estimate.notes),
            }
        return {
            "subject": self.subject,
            "verdict": self.verdict,
            "divisions": [_plain(d) for d in self.divisions],
            "notes": list(self.notes),
            "estimate": estimate,
        }


def _plain(division: DivisionAudit) -> dict[str, Any]:
    return {
        "name": division.name,
        "verdict": division.verdict,
        "clips": dict(division.parts),
        "clips_of_unknown_speaker": dict(division.nameless),
        "speakers_of_one_name": [list(pair) for pair in division.namesakes],
        "n_touched": len(division.touched),
        "touched": list(division.touched),
        "findings": [
            {
                "kind": f.kind,
                "part": f.part,
                "other": f.other,
                "leaks": f.leaks,
                "n_touched": len(f.clips),
                "n_clips": f.n_clips,
                "share": round(f.share, 6),
                "touched": list(f.clips),
                "links": list(f.links),
            }
            for f in division.findings
        ],
    }

"""``vocalics explore``: what the clips of manifests are like, as one page, as figures and as numbers."""

from __future__ import annotations

import enum
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vocalics.cli.outputs import refuse_unwritable
from vocalics.cli.standard_output import keep_apart_from
from vocalics.errors import UsageError
from vocalics.files import write_text

if TYPE_CHECKING:
    from vocalics.explore import Exploration
    from vocalics.manifest import Manifest


SHOWN = 20
"""How many files that cannot be read are named on standard error; a report has them all."""


class Format(enum.StrEnum):
    """How the result is printed."""

    table = "table"
    json = "json"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explore")(_explore)


def _explore(
    manifests: Annotated[
        list[Path], typer.Argument(metavar="MANIFEST", help="One or more .csv or .parquet of vocalics scan.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write a page (.html) or all numbers (.json) there."),
    ] = None,
    clips: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Clips of every emotion that the page shows and plays. Some corpora do not allow their sound to be "
            "passed on: 0 leaves out all sound, and pictures of it.",
        ),
    ] = 3,
    png: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write every figure of the page as PNG there.")
    ] = None,
    near_duplicates: Annotated[
        bool,
        typer.Option(
            "--near-duplicates", help="Look for one recording in different files too; reads every file once more."
        ),
    ] = False,
    tsne: Annotated[
        bool, typer.Option("--tsne", help="Lay the clips out by t-SNE too, at most 2,000 of them.")
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep what is measured there; the next run starts from it.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes; by default up to one per core.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Decides which clips are drawn by chance.")] = 0,
    format: Annotated[
        Format, typer.Option("--format", help="How the summary is printed; json is complete.")
    ] = Format.table,
) -> None:
    """Show what the clips of a manifest are like.

    One page that needs no network: clips and seconds per emotion, corpus, speaker and sex; lengths, levels and silence;
    wave plots, spectrograms and sound of every emotion; what sets the emotions apart; the clips as points; agreement of
    listeners; copies; clipped, silent and other suspicious clips. A file that cannot be read is listed, not fatal.
    """
    import numpy as np

    from vocalics.explore import explore, require

    require()
    if output is not None and output.suffix not in (".html", ".json"):
        raise UsageError(f'{output}: cannot write a report with the ending "{output.suffix}"; use .html or .json')
    page_wanted = output is not None and output.suffix == ".html"
    if page_wanted or png is not None:
        from vocalics import plots

        plots.require()
    rows = _gathered(manifests)
    if output is not None:
        refuse_unwritable(output)
    if png is not None:
        png.mkdir(parents=True, exist_ok=True)

    from rich.console import Console

    from vocalics.cli.progress import counting

    keep_apart_from(output)  # decoders read every clip
    with counting(Console(stderr=True), transient=True) as bar:
        task = bar.add_task("measuring", total=len(rows))

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        found = explore(
            rows,
            np.random.default_rng(seed),
            cache_dir=cache,
            workers=workers,
            with_tsne=tsne,
            with_near_identical=near_duplicates,
            progress=show,
        )
        if output is not None and not page_wanted:
            write_text(output, json.dumps(found.as_dict(), indent=1), errors="replace")
        if page_wanted:
            assert output is not None
            _write_page(found, output, clips, seed)
        if png is not None:
            _write_figures(found, png, clips, seed)
    for error in [error for error in found.errors if error][:SHOWN]:
        typer.echo(f"vocalics: {error}", err=True)
    if format is Format.json:
        typer.echo(json.dumps(found.as_dict(), indent=1))
        return
    typer.echo("\n".join(_summary(found)))
    if output is not None:
        typer.echo(f"report      {output} ({output.stat().st_size / 1e6:.1f} MB)")
    if png is not None:
        typer.echo(f"figures     {png}")


def _gathered(manifests: list[Path]) -> Manifest:
    """The rows of all manifests, one after the other."""
    from vocalics.manifest import Manifest

    rows = Manifest(())
    for path in manifests:
        rows = rows + Manifest.read(path)
    return rows


def _write_page(found: Exploration, output: Path, clips: int, seed: int) -> None:
    import numpy as np

    from vocalics.explore import page

    # It holds the sound of some clips.
    write_text(output, page(found, np.random.default_rng(seed), clips), mode=0o600, errors="replace")


def _write_figures(found: Exploration, folder: Path, clips: int, seed: int) -> None:
    import numpy as np

    from vocalics.explore import drawings, examples, sound_drawing, write_png

    for drawing in drawings(found).values():
        write_png(drawing, folder)
    for example in examples(found, clips, np.random.default_rng(seed)):
        write_png(sound_drawing(found, example), folder)


def _summary(found: Exploration) -> list[str]:
    minutes, seconds = divmod(round(found.seconds), 60)
    lines = [
        f"corpora     {', '.join(f'{t.name} {t.n_clips}' for t in found.by_corpus)}",
        f"clips       {len(found.manifest)}",
        f"speakers    {len(found.manifest.speakers) or 'unknown'}",
        f"sex         {', '.join(f'{t.name} {t.n_clips}' for t in found.by_sex)}",
        f"length      {found.seconds:.1f} s ({minutes // 60}:{minutes % 60:02d}:{seconds:02d})",
        f"emotions    {', '.join(f'{t.name} {t.n_clips}' for t in found.by_emotion)}",
        f"rates       {', '.join(f'{t.name} {t.n_clips}' for t in found.by_sample_rate)}",
    ]
    if found.grouping is not None:
        shares = ", ".join(f"{name} {100 * s:.0f} %" for name, s in found.grouping.explained.items() if s == s)
        if shares:
            lines.append(f"variance    {shares}")
    lines += [
        f"listeners   {a.corpus}: {100 * a.acted_share:.1f} % of {a.n_votes} votes for the acted emotion, "
        f"kappa {a.kappa:.2f}"
        for a in found.agreement
    ]
    lines.append(f"identical   {len(found.identical)}")
    if found.near_identical is not None:
        lines.append(f"near        {len(found.near_identical)}")
    kinds = Counter(s.kind for s in found.suspicions)
    lines.append(f"suspicious  {', '.join(f'{kind} {n}' for kind, n in kinds.items()) or 'none'}")
    return lines

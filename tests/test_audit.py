"""Audit: everything that stands on two sides is listed, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import fakes
import numpy as np
import pytest
import soundfile
from test_fingerprint import talk

from vocalics import audio
from vocalics.audio import Clip
from vocalics.audit import audit, audit_divisions, audit_protocol, divide, groups, relations
from vocalics.augment import gain
from vocalics.corpora import ScanReport, canonical_name
from vocalics.errors import LeakageError, ManifestError
from vocalics.manifest import Manifest, Utterance
from vocalics.splits import Split, splits


def row(name: str, speaker: str = "1", statement: str = "", digest: str = "", parent: str = "") -> Utterance:
    return Utterance(
        f"/a/{name}.wav",
        "x",
        f"x/{speaker}" if speaker else "",
        "h",
        "happy",
        statement=statement,
        digest=digest or name,
        parent=f"/a/{parent}.wav" if parent else "",
    )


def rows(*utterances: Utterance) -> Manifest:
    return Manifest(utterances)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# --- without sound ----------------------------------------------------------------------------------------------


def test_a_copy_leaks_by_whatever_path_it_is_named() -> None:
    made = replace(row("up", "2", parent="a"), path="/m/../a/up.wav", parent="/m/../a/a.wav")
    report = audit(
        {"train": rows(made), "test": rows(replace(row("a", "1"), path="/n/../a/a.wav"))}, fingerprints=False
    )
    assert report.verdict == "leaks" and [f.kind for f in report.divisions[0].findings if f.leaks] == ["augmented"]


def test_speakers_on_both_sides_leak_and_sentences_do_not() -> None:
    train = rows(row("a", "1", "s1"), row("b", "2", "s2"))
    test = rows(row("c", "3", "s1"), row("d", "2", "s3"), row("e", "2", "s1"))
    report = audit({"train": train, "test": test}, fingerprints=False)
    (division,) = report.divisions
    assert report.verdict == division.verdict == "leaks"
    found = {f.kind: f for f in division.findings}
    assert set(found) == {"speakers", "sentences"}
    assert found["speakers"].clips == ("/a/d.wav", "/a/e.wav") == division.touched
    assert found["speakers"].links == ("x/2: 2 clips in test, 1 in train",)
    assert found["speakers"].share == pytest.approx(2 / 3)
    assert found["sentences"].clips == ("/a/c.wav", "/a/e.wav") and not found["sentences"].leaks
    clean = audit({"train": train, "test": test.take([0])}, fingerprints=False)
    assert clean.verdict == "clean" and clean.divisions[0].count("sentences") == 1


def test_validation_counts_on_both_of_its_sides() -> None:
    parts = {"train": rows(row("a", "1")), "dev": rows(row("b", "2")), "test": rows(row("c", "2"))}
    (division,) = audit(parts, fingerprints=False).divisions
    assert [(f.part, f.other) for f in division.findings] == [("test", "validation")]
    parts["test"] = rows(row("c", "3"))
    parts["train"] += rows(row("d", "2"))
    report = audit(parts, fingerprints=False)
    assert [(f.part, f.other, f.clips) for f in report.divisions[0].findings] == [
        ("validation", "train", ("/a/b.wav",))
    ]
    assert report.verdict == "leaks" and report.divisions[0].touched == ()


def test_identical_files_and_families_leak_across_speakers() -> None:
    train = rows(
        row("a", "1", digest="same"), row("child", "1", parent="origin"), row("grandchild", "1", parent="child")
    )
    test = rows(
        row("b", "2", digest="same"),
        row("great", "2", parent="grandchild"),
        row("sibling", "2", parent="origin"),
        row("free", "2", parent="elsewhere"),
        row("alone", "2"),
    )
    (division,) = audit({"train": train, "test": test}, fingerprints=False).divisions
    found = {f.kind: f for f in division.findings}
    assert set(found) == {"identical", "augmented"}
    assert found["identical"].links == ("/a/b.wav = /a/a.wav",)
    assert found["augmented"].clips == ("/a/great.wav", "/a/sibling.wav")
    assert found["augmented"].links[1] == "/a/sibling.wav and /a/child.wav were made from /a/origin.wav"
    assert set(division.touched) == {"/a/b.wav", "/a/great.wav", "/a/sibling.wav"}
    # The one that lies between need be in no part.
    manifest = train.take([1]) + rows(row("grandchild", "1", parent="child")) + test.take([1, 4])
    assert relations(manifest, False).families.keys() == {0, 1, 2}
    circle = rows(row("p", parent="q"), row("q", parent="p"), row("r"))
    assert len(set(relations(circle, False).families.values())) == 1


def test_an_original_on_both_sides_was_not_made_from_itself() -> None:
    """As where copies are written beside their originals, and audited against the corpus that these are of."""
    corpus = rows(row("a", "1"), row("b", "2"), row("c", "3"))
    copies = rows(row("a", "1"), row("a1", "1", parent="a"), row("b2", "2", parent="b"))
    (division,) = audit({"train": corpus, "test": copies}, fingerprints=False).divisions
    found = {f.kind: f for f in division.findings if f.part == "test"}
    assert found["identical"].links == ("/a/a.wav = /a/a.wav",)
    assert found["augmented"].links == ("/a/a1.wav was made from /a/a.wav", "/a/b2.wav was made from /a/b.wav")
    turned = audit({"train": copies, "test": corpus}, fingerprints=False).divisions[0].findings
    (own,) = (f for f in turned if (f.kind, f.part) == ("augmented", "test"))
    assert own.links == ("/a/a1.wav was made from /a/a.wav", "/a/b2.wav was made from /a/b.wav")


def test_unknown_speakers_on_both_sides_are_unclear() -> None:
    train, test = rows(row("a", ""), row("b", "1")), rows(row("c", ""), row("d", "2"))
    report = audit({"train": train, "test": test}, fingerprints=False)
    assert report.verdict == "unclear"
    assert "Clips of unknown speaker (1 in train, 1 in test)" in report.to_markdown()
    assert audit({"train": train, "test": test.take([1])}, fingerprints=False).verdict == "clean"


def test_speakers_of_one_name_in_two_corpora_of_ones_own_are_unclear() -> None:
    def of(corpus: str, *speakers: str) -> Manifest:
        return rows(*(replace(row(f"{corpus}{s}", s), corpus=corpus, speaker=f"{corpus}/{s}") for s in speakers))

    parts = {"train": of("train", "en01", "en02"), "test": of("test", "EN01", "en03")}
    report = audit(parts, fingerprints=False)
    assert report.verdict == report.divisions[0].verdict == "unclear"
    (note,) = (note for note in report.notes if "one name" in note)
    assert "may be the same people: test/EN01 = train/en01?. If" in note and "scan folder ROOT --name NAME" in note
    assert report.as_dict()["divisions"][0]["speakers_of_one_name"] == [["test/EN01", "train/en01"]]
    for apart in (of("test", "en03"), of("ravdess", "en01")):  # built-in corpora share no speakers with others
        clean = audit({**parts, "test": apart}, fingerprints=False)
        assert clean.verdict == "clean" and not any("one name" in note for note in clean.notes)
    both = parts["train"] + parts["test"]
    assert audit(both, fingerprints=False).verdict == "unclear"
    assert audit_protocol(both, "leave-one-corpus-out", rng(), False).verdict == "unclear"
    leaking = audit({**parts, "test": parts["test"] + parts["train"].take([1])}, fingerprints=False)
    assert leaking.verdict == "leaks" and any("one name" in note for note in leaking.notes)


def test_what_was_not_looked_for_is_said() -> None:
    train, test = rows(row("a", "1")), rows(replace(row("b", "2"), digest=""))
    text = audit({"train": train, "test": test}, fingerprints=False).to_markdown()
    assert "Changed copies were not looked for: the audio was not read." in text
    assert "1 clips state no digest" in text


def test_parts_are_checked() -> None:
    one = rows(row("a"))
    with pytest.raises(ManifestError, match=r'unknown part "tset"; did you mean "test"'):
        audit({"train": one, "tset": one}, fingerprints=False)
    with pytest.raises(ManifestError, match="test are missing or empty"):
        audit({"train": one, "test": rows()}, fingerprints=False)
    with pytest.raises(ManifestError, match="the manifest is empty"):
        audit(rows(), fingerprints=False)


def test_a_split_is_audited_and_a_clean_one_is_clean() -> None:
    manifest = rows(*(row(f"{s}{n}", str(s)) for s in range(5) for n in range(3)))
    for protocol, verdict in (("speaker", "clean"), ("leave-one-speaker-out", "clean"), ("random", "leaks")):
        for split in splits(manifest, protocol, rng()):
            assert audit(split, fingerprints=False).verdict == verdict
        assert audit_protocol(manifest, protocol, rng(), False).verdict == verdict
    named = Split("mine", (0,), (), (3,), manifest)
    assert audit(named, fingerprints=False).subject == "mine"


def test_folds_that_a_split_refuses_are_read(tmp_path: Path) -> None:
    manifest = rows(*(row(f"{s}{n}", str(s)) for s in range(4) for n in range(4)))
    file = tmp_path / "folds.csv"
    file.write_text("utterance,test_fold\n" + "".join(f"{u.name},{u.name[1]}\n" for u in manifest) + "gone,1\n")
    with pytest.raises(LeakageError):
        splits(manifest, f"folds={file}", rng())
    report = audit_protocol(manifest, f"folds={file}", rng(), False)
    assert [d.name for d in report.divisions] == ["0", "1", "2", "3"]
    assert all(d.count("speakers") == 4 == d.parts["test"] and d.parts["train"] == 12 for d in report.divisions)
    assert report.summary == "leaks: folds=folds.csv; 16 of 16 test clips touched, in 4 of 4 folds"
    assert "1 clips of folds.csv are not in the manifest: gone." in report.notes
    assert report.table()[1][-1] == ["total", "16", "16", "0", "0", "0", "0", "16", "leaks"]
    # One copy under another speaker's name: a protocol by speakers refuses it, the audit says where it is.
    copied = rows(*manifest[:-1], replace(manifest[-1], digest=manifest[0].digest))
    with pytest.raises(LeakageError):
        splits(copied, "leave-one-speaker-out", rng())
    report = audit_protocol(copied, "leave-one-speaker-out", rng(), False)
    assert [d.verdict for d in report.divisions] == ["leaks", "clean", "clean", "leaks"]
    assert len(divide(copied, "leave-one-speaker-out", rng())[0]) == 4


def test_a_manifest_leaks_where_copies_name_two_speakers() -> None:
    own = rows(row("a", "1", digest="same"), row("b", "1", digest="same"), row("c", "2"))
    report = audit(own, fingerprints=False)
    assert report.verdict == "clean" and not report.divided
    assert report.divisions[0].count("identical") == 2
    assert report.divisions[0].findings[0].links == ("/a/a.wav = /a/b.wav",), "a pair is listed once"
    assert "A division by speakers is possible: 2 speakers, no clip of one among another's." in report.notes
    other = rows(*own[:1], replace(own[1], speaker="x/3"), own[2])
    report = audit(other, fingerprints=False)
    assert report.verdict == "leaks"
    assert "3 speakers in 2 groups" in report.notes[-1]
    assert groups(relations(other, False)) == [0, 0, 1]
    assert "is not possible" in audit(own.take([0, 1]), fingerprints=False).notes[-1]


def test_texts_are_limited_and_the_dictionary_is_not() -> None:
    train = rows(*(row(f"a{n}", str(n)) for n in range(30)))
    test = rows(*(row(f"b{n}", str(n)) for n in range(30)))
    report = audit({"train": train, "test": test}, fingerprints=False, subject="mine")
    text, plain = report.to_markdown(), report.as_dict()
    assert text.startswith("# Audit of mine\n") and "and 20 more" in text and "x/29" not in text
    (finding,) = plain["divisions"][0]["findings"]
    assert len(finding["touched"]) == len(finding["links"]) == plain["divisions"][0]["n_touched"] == 30
    assert (plain["verdict"], finding["kind"], finding["share"]) == ("leaks", "speakers", 1.0)


# --- with sound -------------------------------------------------------------------------------------------------

STRENGTHS = range(4)
Change = Callable[[Path, Clip, int], None]


def _gain(path: Path, clip: Clip, n: int) -> None:
    audio.write(path.with_suffix(".wav"), gain(clip, (-20.0, -6.0, 3.0, 9.0)[n]), "FLOAT")


def _re_encoding(path: Path, clip: Clip, n: int) -> None:
    if n == 3:
        audio.write(path.with_suffix(".wav"), clip, "ULAW")
        return
    kind, subtype, level, ending = (
        ("MP3", "MPEG_LAYER_III", 0.7, ".mp3"),
        ("OGG", "OPUS", 0.88, ".opus"),
        ("OGG", "VORBIS", 0.8, ".ogg"),
    )[n]
    target = str(path.with_suffix(ending))
    soundfile.write(target, clip.samples, clip.sample_rate, format=kind, subtype=subtype, compression_level=level)


def _trimming(path: Path, clip: Clip, n: int) -> None:
    first, last = ((3_333, 0), (0, 4_567), (1_001, 6_007), (8_009, 8_011))[n]
    audio.write(path.with_suffix(".flac"), Clip(clip.samples[first : len(clip.samples) - last], clip.sample_rate))


def _resampling(path: Path, clip: Clip, n: int) -> None:
    audio.write(path.with_suffix(".wav"), audio.resample(clip, (8_000, 22_050, 44_100, 15_872)[n]))


def _copy(path: Path, clip: Clip, n: int) -> None:
    audio.write(path.with_suffix((".wav", ".flac", ".aiff", ".au")[n]), clip)


CHANGES: dict[str, Change] = {
    "gain": _gain,
    "re-encoding": _re_encoding,
    "trimming": _trimming,
    "resampling": _resampling,
    "copy": _copy,
}


def plant(originals: Sequence[Utterance], folder: Path) -> Manifest:
    """Changed copies of 20 clips, four of each kind, as rows of another corpus and other speakers."""
    planted = []
    for n, original in enumerate(originals):
        kind = list(CHANGES)[n // 4]
        CHANGES[kind](folder / f"planted{n:02d}", audio.read(original.path), n % 4)
        (path,) = folder.glob(f"planted{n:02d}.*")
        planted.append(replace(original, path=str(path), corpus="y", speaker=f"y/{n}", digest="", label=kind))
    assert len(planted) == 20
    return Manifest(tuple(planted))


def check(clean: Manifest, originals: Sequence[Utterance], folder: Path, known: set[frozenset[str]]) -> None:
    """Hold that all planted copies are found, each as what it is, and nothing but them and the known pairs."""
    planted = plant(originals, folder)
    report = audit(clean + planted)
    links = {f.kind: f.links for f in report.divisions[0].findings}
    assert set(links) <= {"identical", "near-identical"} and report.verdict == "leaks"
    found = {frozenset(link.split(" (")[0].split(" = ")): link for kind in links for link in links[kind]}
    expected = {frozenset((a.path, b.path)): b.label for a, b in zip(originals, planted, strict=True)}
    assert len(found) == sum(map(len, links.values()))
    assert set(found) == set(expected) | known
    for pair, kind in expected.items():
        assert kind in found[pair] or (kind == "copy" and found[pair] in links["identical"]), found[pair]


def test_twenty_planted_copies_are_found_and_no_take(tmp_path: Path) -> None:
    clean = []
    for sentence in range(20):
        for take in range(2):
            path = tmp_path / f"{sentence:02d}-{take}.wav"
            audio.write(path, talk(sentence, take, n_syllables=7))
            clean.append(Utterance(str(path), "x", f"x/{sentence % 5}", "h", "happy", statement=str(sentence)))
    check(Manifest(tuple(clean)), clean[::2], tmp_path, set())


def test_a_file_that_is_there_twice_and_a_changed_copy_of_it(tmp_path: Path) -> None:
    """Whichever of them stands first: what is said of the copy holds for the file that is the same."""
    clip = fakes.voice(1.0)
    for name, level in {"a": 0.5, "b": 0.25, "c": 0.5}.items():
        audio.write(tmp_path / f"{name}.wav", Clip(clip.samples * np.float32(level), clip.sample_rate))
    manifest = Manifest(tuple(Utterance(str(tmp_path / f"{n}.wav"), "x", "x/1", "h", "happy") for n in "abc"))
    found = {(p.first, p.second): p for p in relations(manifest).pairs}
    assert set(found) == {(0, 1), (1, 2)}
    assert found[0, 1].gain_db == pytest.approx(-6.02, abs=0.1) and found[1, 2].gain_db == -found[0, 1].gain_db
    (division,) = audit({"train": manifest.take([0, 1]), "test": manifest.take([2])}).divisions
    (link,) = next(f.links for f in division.findings if f.kind == "near-identical")
    assert "c.wav = " in link and "b.wav (gain; correlation 1.000; gain +6.0 dB)" in link


def test_a_file_that_cannot_be_fingerprinted_is_a_note(tmp_path: Path) -> None:
    for name in ("a", "b"):
        audio.write(tmp_path / f"{name}.wav", talk(1))
    (tmp_path / "broken.wav").write_text("no sound")
    made = [Utterance(str(tmp_path / f"{n}.wav"), "x", f"x/{n}", "h", "happy") for n in ("a", "b", "broken")]
    report, related, placed = audit_divisions(Manifest(tuple(made)), [], "nothing")
    assert (len(related.manifest), placed, report.verdict) == (0, [], "clean")
    report = audit({"train": Manifest(tuple(made[::2])), "test": Manifest(tuple(made[1:2]))})
    assert [f.kind for f in report.divisions[0].findings] == ["identical"]
    assert any("1 clips have no fingerprint" in note and "broken.wav" in note for note in report.notes)
    (tmp_path / "broken.wav").unlink()
    with pytest.raises(ManifestError, match=r"broken\.wav: cannot be read"):
        audit(Manifest(tuple(made)))


@pytest.mark.corpus
@pytest.mark.slow
def test_twenty_leaks_planted_in_ravdess_are_found_and_no_clean_pair(
    scanned: Callable[[str], ScanReport], tmp_path: Path
) -> None:
    clean = scanned("ravdess").manifest
    twins = {"03-01-03-01-02-01-07", "03-01-03-01-02-02-07"}
    known = {frozenset(u.path for u in clean if canonical_name(u) in twins)}
    chosen = [
        [u for u in clean if u.speaker == f"ravdess/{n + 1:02d}" and u.name not in twins][3 * n] for n in range(20)
    ]
    check(clean, chosen, tmp_path, known)


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("corpus", "protocol", "touched", "clips"),
    [
        ("emodb", "emodb_emobox", 535, 535),
        ("crema_d", "crema_d_emobox", 1852, 1852),
        ("tess", "tess_emobox", 700, 700),
        ("ravdess", "ravdess_emobox", 0, 1440),
        ("ravdess", "ravdess_luna", 0, 1440),
        ("savee", "savee_emobox", 0, 480),
        ("crema_d", "crema_d_tfds", 0, 1549),
    ],
)
def test_published_protocols_that_share_speakers_are_told_from_those_that_do_not(
    shared: Path, scanned: Callable[[str], ScanReport], corpus: str, protocol: str, touched: int, clips: int
) -> None:
    manifest = scanned(corpus).manifest
    report = audit_protocol(manifest, f"folds={shared / 'protocols' / protocol}.csv", rng(), fingerprints=False)
    assert sum(d.count("speakers") for d in report.divisions) == touched
    assert sum(d.parts["test"] for d in report.divisions) == clips
    assert report.verdict == ("leaks" if touched else "clean")
    assert sum(d.count("identical") for d in report.divisions) == 0, "the twins of RAVDESS stand on one side"

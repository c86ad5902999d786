"""Splits: nothing leaks unless the protocol's name says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocalics.corpora import ScanReport
from vocalics.errors import LeakageError, ManifestError, VocalicsError
from vocalics.manifest import Manifest, Utterance
from vocalics.published_folds import DIVISIONS
from vocalics.splits import Split, absent, hold_out, leaks, splits, tested, train_validation

CLEAN = ("speaker", "leave-one-speaker-out", "leave-one-corpus-out")


def utterance(corpus: str, speaker: str, n: int, emotion: str = "happy") -> Utterance:
    name = f"{corpus}-{speaker or 'unknown'}-{n}"
    sex = "female" if speaker > "s05" else "male"
    return Utterance(
        f"/a/{name}.wav", corpus, f"{corpus}/{speaker}" if speaker else "", emotion, emotion, sex=sex, digest=name
    )


def made(**n_speakers: int) -> Manifest:
    return Manifest(
        tuple(
            utterance(corpus, f"s{s:02d}", n, emotion)
            for corpus, count in n_speakers.items()
            for s in range(count)
            for n, emotion in enumerate(("happy", "sad", "angry", "sad"))
        )
    )


def speakers(manifest: Manifest, indices: tuple[int, ...]) -> set[str]:
    return {manifest[i].speaker for i in indices}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- what a split refuses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [((0,), (), (1,)), ((0,), (1,), (4,)), ((4,), (0,), (1,))])
def test_a_speaker_on_two_sides_cannot_be_built(parts: tuple[tuple[int, ...], ...]) -> None:
    manifest = made(a=2)
    with pytest.raises(LeakageError, match=r"share the speaker\(s\) a/s00"):
        Split("speaker", *parts, manifest)
    assert Split("random", *parts, manifest).title == "random (leaks speakers)"
    assert Split("speaker", (0, 1), (), (4, 5), manifest).title == "speaker"


def test_a_copy_of_a_clip_on_two_sides_cannot_be_built() -> None:
    manifest = made(a=2)
    copy = replace(manifest[4], digest=manifest[0].digest)
    with pytest.raises(LeakageError, match=r"copies of one clip: /a/a-s00-0\.wav, /a/a-s01-0\.wav"):
        Split("speaker", (0,), (), (1,), Manifest((manifest[0], copy)))
    changed = replace(manifest[4], parent=manifest[0].path)
    with pytest.raises(LeakageError, match="copies of one clip"):
        Split("speaker", (0,), (), (1,), Manifest((manifest[0], changed)))
    unknown = [replace(manifest[i], digest="") for i in (0, 4)]
    assert Split("speaker", (0,), (), (1,), Manifest(tuple(unknown))), "no digest is no copy"


def test_a_row_stands_on_one_side_whatever_the_name() -> None:
    with pytest.raises(LeakageError, match="has one part only"):
        Split("random", (0, 1), (), (1,), made(a=1))


def test_unknown_speakers_of_one_corpus_are_taken_for_one() -> None:
    manifest = Manifest((utterance("a", "", 0), utterance("a", "", 1), utterance("b", "", 0)))
    with pytest.raises(LeakageError, match="a/\\(unknown\\)"):
        Split("mine", (0,), (), (1,), manifest)
    assert Split("mine", (0,), (), (2,), manifest)


@pytest.mark.parametrize(
    ("protocol", "said"),
    [("random", True), ("random-80-20", True), ("folds-leaky=x.csv", True), ("folds=random.csv", False), ("my", False)],
)
def test_the_name_says_whether_it_leaks(protocol: str, said: bool) -> None:
    assert leaks(protocol) is said


# --- protocols --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(2, 12), min_size=2),
    st.sampled_from(CLEAN),
    st.integers(0, 2**16),
    st.floats(0, 0.5),
)
def test_clean_protocols_keep_speakers_apart(
    n_speakers: dict[str, int], protocol: str, seed: int, validation: float
) -> None:
    manifest = made(**n_speakers)
    found = splits(manifest, protocol, rng(seed), validation)
    assert len(found) == {"speaker": 1, "leave-one-speaker-out": sum(n_speakers.values())}.get(
        protocol, len(n_speakers)
    )
    for split in found:
        parts = [split.train, split.validation, split.test]
        assert sorted(i for part in parts for i in part) == list(range(len(manifest)))
        sides = [speakers(manifest, part) for part in parts]
        assert sum(map(len, sides)) == len(set.union(*sides)) == sum(n_speakers.values())
        assert split.train and split.test
        assert bool(split.validation) <= (validation > 0)
    assert found == splits(manifest, protocol, rng(seed), validation), "the same rng draws the same"


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**16))
def test_random_covers_every_clip_once_in_proportion(seed: int) -> None:
    manifest = made(a=20, b=10)
    (split,) = splits(manifest, "random", rng(seed))
    assert sorted(split.train + split.validation + split.test) == list(range(len(manifest)))
    assert len(split.test) == 24 and speakers(manifest, split.test) & speakers(manifest, split.train)
    assert {manifest[i].emotion for i in split.test} == {"happy", "sad", "angry"}


def test_the_draw_depends_on_the_rng() -> None:
    manifest = made(a=20)
    assert splits(manifest, "speaker", rng(1))[0].test != splits(manifest, "speaker", rng(2))[0].test


def test_speaker_tests_a_fifth_of_every_corpus_and_both_sexes() -> None:
    manifest = made(a=10, b=20, c=2)
    (split,) = splits(manifest, "speaker", rng())
    tested = speakers(manifest, split.test)
    assert {c: sum(s.startswith(c) for s in tested) for c in "abc"} == {"a": 2, "b": 4, "c": 1}
    for corpus in "ab":
        assert {u.sex for u in manifest.take(split.test) if u.corpus == corpus} == {"female", "male"}


def test_corpora_of_few_speakers_give_none_to_validation_among_others() -> None:
    manifest = made(large=10, small=7)
    left_out = {s.name: s for s in splits(manifest, "leave-one-speaker-out", rng())}
    validation = speakers(manifest, left_out["large/s00"].validation)
    assert len(validation) == 1 and next(iter(validation)).startswith("large/")
    alone = {s.name: s for s in splits(made(small=4), "leave-one-speaker-out", rng())}
    assert len(alone["small/s00"].validation) == 4, "alone, it gives one speaker"
    pair = splits(made(pair=2), "leave-one-speaker-out", rng())[0]
    assert pair.validation == () and len(pair.train) == len(pair.test) == 4


def test_what_is_missing_is_said() -> None:
    nameless = Manifest((utterance("a", "", 0), utterance("a", "s1", 1)))
    with pytest.raises(ManifestError, match=r"1 of 2 clips have none: /a/a-unknown-0\.wav; add the column speaker"):
        splits(nameless, "speaker", rng())
    assert splits(nameless + Manifest((utterance("a", "", 2),)), "random", rng())[0].test
    with pytest.raises(ManifestError, match="none has three clips or more"):
        splits(nameless, "random", rng())
    with pytest.raises(ManifestError, match="at least two speakers"):
        splits(made(a=1), "leave-one-speaker-out", rng())
    with pytest.raises(ManifestError, match="at least two speakers"):
        splits(made(a=1), "speaker", rng())
    with pytest.raises(ManifestError, match="at least two corpora"):
        splits(made(a=3), "leave-one-corpus-out", rng())
    with pytest.raises(VocalicsError, match='did you mean "speaker"'):
        splits(made(a=3), "speakers", rng())
    with pytest.raises(VocalicsError, match='did you mean "folds=FILE"'):
        splits(made(a=3), "folds", rng())
    with pytest.raises(VocalicsError, match="out of range"):
        splits(made(a=3), "speaker", rng(), validation=1.0)
    with pytest.raises(ManifestError, match="empty"):
        splits(Manifest(()), "speaker", rng())


def test_leaving_a_corpus_out_needs_no_speakers() -> None:
    manifest = made(a=3) + Manifest((utterance("b", "", 0), utterance("b", "", 1)))
    found = {s.name: s for s in splits(manifest, "leave-one-corpus-out", rng())}
    assert len(found["b"].test) == 2 and len(found["a"].train) == 2 and found["a"].validation == ()


# --- published folds --------------------------------------------------------------------------------------------


def write_folds(path: Path, rows: dict[str, object], column: str) -> Path:
    path.write_text(f"utterance,{column}\n" + "".join(f"{name},{fold}\n" for name, fold in rows.items()))
    return path


def test_folds_of_a_file_are_tested_in_turn(tmp_path: Path) -> None:
    manifest = made(a=4, b=3)
    rows = {u.name: int(u.speaker[-1]) + 9 for u in manifest if u.corpus == "a"} | {"a-gone-0": 9}
    file = write_folds(tmp_path / "f.csv", rows, "test_fold")
    found = splits(manifest, f"folds={file}", rng())
    assert [s.name for s in found] == ["9", "10", "11", "12"]
    assert found[0].absent == ("a-gone-0",)
    for split in found:
        assert speakers(manifest, split.test) == {f"a/s0{int(split.name) - 9}"}
        assert len(split.train) + len(split.validation) + len(split.test) == 16, "only what the file lists"
        assert len(speakers(manifest, split.validation)) == 1


def test_parts_of_a_file_are_taken_as_they_are(tmp_path: Path) -> None:
    manifest = made(a=4)
    part = {"0": "train", "1": "train", "2": "valid", "3": "test"}
    file = write_folds(tmp_path / "f.csv", {u.name: part[u.speaker[-1]] for u in manifest}, "part")
    (split,) = splits(manifest, f"folds={file}", rng())
    assert (split.train, split.validation, split.test) == (tuple(range(8)), (8, 9, 10, 11), (12, 13, 14, 15))
    part["2"] = "train"
    write_folds(file, {u.name: part[u.speaker[-1]] for u in manifest}, "part")
    (drawn,) = splits(manifest, f"folds={file}", rng())
    assert len(speakers(manifest, drawn.validation)) == 1 and drawn.test == split.test


def test_folds_that_share_speakers_must_say_so(tmp_path: Path) -> None:
    manifest = made(a=4)
    file = write_folds(tmp_path / "f.csv", {u.name: u.name[-1] for u in manifest}, "test_fold")
    with pytest.raises(LeakageError, match="folds-leaky=FILE"):
        splits(manifest, f"folds={file}", rng())
    found = splits(manifest, f"folds-leaky={file}", rng(), 0.25)
    assert len(found) == 4 and all(s.title.endswith("(leaks speakers)") and s.validation for s in found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,fold\nx,1\n", "expected the columns utterance and test_fold"),
        ("utterance,part\na-s00-0,tset\n", 'line 2.*"tset"; did you mean "test"'),
        ("utterance,test_fold\na-s00-0,1\na-s00-0,2\n", ":3: .* was listed on line 2 already"),
        ("utterance,test_fold\na-s00-0,\n", ":2: utterance or test_fold is empty"),
        ("utterance,test_fold\nx,1\n", "holds none of its 1 utterances"),
        ("utterance,test_fold\na-s00-0,1\n", "one fold only"),
        ("utterance,part\na-s00-0,train\n", "no clip of its part train or test"),
        ("utterance,test_fold\ntwice,1\n", 'f.csv:2: "twice" names 2 clips'),
    ],
)
def test_a_bad_file_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "f.csv").write_text(text)
    twice = [replace(utterance(c, "s1", 0), path=f"/{c}/twice.wav") for c in "xy"]
    with pytest.raises(ManifestError, match=message):
        splits(made(a=2) + Manifest(tuple(twice)), f"folds={tmp_path / 'f.csv'}", rng())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such file"):
        splits(made(a=2), f"folds={tmp_path / 'none.csv'}", rng())


def test_names_match_in_every_layout(tmp_path: Path) -> None:
    nested = [Utterance(f"/x/{s}/a01.wav", "savee", f"savee/{s}", "a", "angry") for s in ("DC", "JE", "JK")]
    file = write_folds(tmp_path / "f.csv", {"DC_a01": 1, "JE_a01": 2, "JK_a01": 3}, "test_fold")
    assert [s.test for s in splits(Manifest(tuple(nested)), f"folds={file}", rng())] == [(0,), (1,), (2,)]


# --- several test sets for one model ----------------------------------------------------------------------------


def test_hold_out_takes_every_tested_speaker_and_copy_out_of_training(tmp_path: Path) -> None:
    manifest = made(a=10, b=10, c=3)
    copy = replace(manifest[4 * 5], digest=manifest[-1].digest)
    manifest = Manifest((*manifest[:20], copy, *manifest[21:]))
    file = write_folds(tmp_path / "f.csv", {"a-s00-0": 1, "a-s01-0": 2}, "test_fold")
    specs = [f"folds={file}#1", "speaker=b/s03", "corpus=c"]
    train, validation, tests = hold_out(manifest, specs, rng())
    assert {s: len(t) for s, t in tests.items()} == dict(zip(specs, (1, 4, 12), strict=True))
    tested = {"a/s00", "b/s03", "c/s00", "c/s01", "c/s02"}
    sides = speakers(manifest, train), speakers(manifest, validation)
    assert not (sides[0] | sides[1]) & tested and not sides[0] & sides[1] and sides[1]
    assert len(train) + len(validation) == len(manifest) - 5 * 4 - 1, "the copy goes, and nothing else"
    assert 20 not in train + validation


def test_hold_out_says_what_is_wrong(tmp_path: Path) -> None:
    manifest = made(a=3, b=3)
    file = write_folds(tmp_path / "f.csv", {"a-s00-0": 1, "a-s01-0": 2}, "test_fold")
    for spec, message in {
        "speaker=a/s09": 'no speaker "a/s09"; did you mean "a/s0',
        "corpus=aa": 'no corpus "aa"; did you mean "a"',
        f"folds={file}#3": 'fold of .* "3". Known: 1, 2',
        "test": "expected speaker=NAME, corpus=NAME or folds=FILE#FOLD",
    }.items():
        with pytest.raises(VocalicsError, match=message):
            hold_out(manifest, [spec], rng())
    with pytest.raises(ManifestError, match="nothing is left"):
        hold_out(manifest, ["corpus=a", "corpus=b"], rng())
    with pytest.raises(VocalicsError, match="no test set"):
        hold_out(manifest, [], rng())


# --- the published protocols ------------------------------------------------------------------------------------


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("corpus", "protocol", "tested"),
    [
        ("ravdess", "ravdess_emobox", [240] * 6),
        ("ravdess", "ravdess_luna", [300] * 4 + [240]),
        ("savee", "savee_emobox", [120] * 4),
        ("crema_d", "crema_d_tfds", [1549]),
        ("emodb", "emodb_emobox", None),
        ("tess", "tess_emobox", None),
        ("crema_d", "crema_d_emobox", None),
    ],
)
def test_published_protocols(
    shared: Path, scanned: Callable[[str], ScanReport], corpus: str, protocol: str, tested: list[int] | None
) -> None:
    manifest = scanned(corpus).manifest
    file = shared / "protocols" / f"{protocol}.csv"
    if tested is None:
        with pytest.raises(LeakageError, match="share the speaker"):
            splits(manifest, f"folds={file}", rng())
        found = splits(manifest, f"folds-leaky={file}", rng())
    else:
        found = splits(manifest, f"folds={file}", rng())
        assert [len(s.test) for s in found] == tested
    assert {len(s.absent) for s in found} == ({10} if corpus == "crema_d" else {0})
    assert all(s.validation for s in found)


def test_a_model_that_is_to_know_everything_still_validates_on_speakers_apart() -> None:
    manifest = made(a=10) + Manifest(tuple(utterance("mine", "", n) for n in range(20)))
    train, validation = train_validation(manifest, rng())
    assert sorted(train + validation) == list(range(len(manifest)))
    known = [speakers(manifest, part) - {""} for part in (train, validation)]
    assert known[1] and not known[0] & known[1]
    assert sum(manifest[i].corpus == "mine" for i in validation) == 2


def test_copies_of_validation_clips_are_not_trained_on() -> None:
    clips = [replace(utterance("mine", "", n), speaker="", digest=f"{n // 2:064x}") for n in range(40)]
    train, validation = train_validation(Manifest(tuple(clips)), rng(), 0.2)
    assert len(validation) == 8 and len(train) > 20
    assert not {clips[i].digest for i in train} & {clips[i].digest for i in validation}


# --- folds of speakers ------------------------------------------------------------------------------------------


@given(st.integers(2, 6), st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_speaker_folds_test_every_clip_once_and_deal_women_and_men_evenly(n_folds: int, seed: int) -> None:
    manifest = made(a=12, b=7)
    found = splits(manifest, f"speaker-folds={n_folds}", rng(seed))
    assert sorted(i for s in found for i in s.test) == list(range(len(manifest)))
    assert [s.name for s in found] == [str(k) for k in range(1, n_folds + 1)]
    for corpus in ("a", "b"):
        for sex in ("female", "male"):
            counts = [
                len({manifest[i].speaker for i in s.test if (manifest[i].corpus, manifest[i].sex) == (corpus, sex)})
                for s in found
            ]
            assert max(counts) - min(counts) <= 1
    sizes = [len(speakers(manifest, s.test)) for s in found]
    assert max(sizes) - min(sizes) <= 1
    for s in found:
        assert s.validation
        assert not speakers(manifest, s.test) & speakers(manifest, (*s.train, *s.validation))


def test_speaker_folds_follow_from_the_seed() -> None:
    manifest = made(a=12)
    first, again, other = ([s.test for s in splits(manifest, "speaker-folds=3", rng(seed))] for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("text", ["", "1", "x", "-2", "2.5"])
def test_speaker_folds_need_a_number(text: str) -> None:
    with pytest.raises(VocalicsError, match="expected speaker-folds=N with N at least 2"):
        splits(made(a=4), f"speaker-folds={text}", rng())


def test_more_folds_than_speakers_are_refused() -> None:
    with pytest.raises(ManifestError, match="needs as many speakers; there are 4: ask for fewer folds"):
        splits(made(a=4), "speaker-folds=5", rng())


# --- copies -----------------------------------------------------------------------------------------------------


def with_copies(manifest: Manifest) -> Manifest:
    """Every clip, a copy of it, and a copy of the copy."""
    first = [replace(u, path=f"/b/{u.name}_1.wav", parent=u.path, digest=f"{u.digest}_1") for u in manifest]
    second = [replace(u, path=f"/c/{u.name}_1.wav", parent=u.path, digest=f"{u.digest}_1") for u in first]
    return Manifest((*manifest, *first, *second))


def sides(split: Split) -> dict[str, set[str]]:
    """The parts in which a clip or any copy of it stands, by the original's name."""
    found: dict[str, set[str]] = {}
    for part in ("train", "validation", "test"):
        for i in getattr(split, part):
            found.setdefault(split.manifest[i].name.split("_")[0], set()).add(part)
    return found


@pytest.mark.parametrize("protocol", [*CLEAN, "speaker-folds=3"])
def test_a_copy_of_a_copy_stands_where_the_clip_does(protocol: str) -> None:
    manifest = with_copies(made(a=5, b=9))
    for split in splits(manifest, protocol, rng(), 0.2):
        found = sides(split)
        assert len(found) == len(manifest) / 3 and all(len(parts) == 1 for parts in found.values())
        assert len(split.train) + len(split.validation) + len(split.test) == len(manifest)
        assert len(set.union(*found.values())) > 1


def test_a_copy_of_a_copy_on_another_side_cannot_be_built() -> None:
    manifest = with_copies(made(a=2))
    strangers = Manifest(tuple(replace(u, speaker=f"a/{i}") for i, u in enumerate(manifest)))
    grandchild = manifest.utterances.index(next(u for u in manifest if u.path == f"/c/{manifest[0].name}_1_1.wav"))
    with pytest.raises(LeakageError, match=r"copies of one clip: /a/a-s00-0\.wav, /c/a-s00-0_1_1\.wav"):
        Split("speaker", (0,), (), (grandchild,), strangers)
    assert Split("speaker", (0,), (), (grandchild + 1,), strangers)
    # The one between is not in the manifest: it is taken for the original, unless the row names the first itself.
    apart = Manifest((strangers[0], strangers[grandchild]))
    assert Split("speaker", (0,), (), (1,), apart)
    named = Manifest((strangers[0], replace(strangers[grandchild], parent="/a/x/../a-s00-0.wav")))
    with pytest.raises(LeakageError, match="copies of one clip"):
        Split("speaker", (0,), (), (1,), named)


def test_rows_that_name_each_other_as_parents_end() -> None:
    one, two = (utterance("a", f"s{i}", i) for i in range(2))
    manifest = Manifest((replace(one, parent=two.path), replace(two, parent=one.path)))
    with pytest.raises(LeakageError, match="copies of one clip"):
        Split("speaker", (0,), (), (1,), manifest)


def test_copies_of_a_published_test_set_are_in_no_part_and_the_others_are_trained_on(tmp_path: Path) -> None:
    originals = made(a=4)
    manifest = with_copies(originals)
    file = write_folds(tmp_path / "f.csv", {u.name: u.speaker[-1] for u in originals}, "test_fold")
    plain = splits(originals, f"folds={file}", rng())
    for split, before in zip(splits(manifest, f"folds={file}", rng()), plain, strict=True):
        assert split.test == before.test
        assert len(split.train) == 3 * len(before.train) and len(split.validation) == 3 * len(before.validation)
        assert all(len(parts) == 1 for parts in sides(split).values())
    part = {"0": "train", "1": "train", "2": "valid", "3": "test"}
    write_folds(file, {u.name: part[u.speaker[-1]] for u in originals}, "part")
    (split,) = splits(manifest, f"folds={file}", rng())
    assert (len(split.train), len(split.validation), split.test) == (24, 12, (12, 13, 14, 15))
    leaky = write_folds(tmp_path / "l.csv", {u.name: u.name[-1] for u in originals}, "test_fold")
    for split in splits(manifest, f"folds-leaky={leaky}", rng(), 0.0):
        assert len(split.test) == 4 and len(split.train) == 36
        assert all(len(parts) == 1 for parts in sides(split).values())


def test_copies_of_what_is_held_out_or_validated_are_not_trained_on() -> None:
    manifest = with_copies(made(a=9))
    strangers = Manifest(tuple(replace(u, speaker=f"{u.speaker}{u.path[1]}") for u in manifest))
    train, chosen, tests = hold_out(strangers, ["speaker=a/s00a"], rng(), 0.0)
    assert chosen == () and {strangers[i].path[1] for i in tests["speaker=a/s00a"]} == {"a"}
    assert not [i for i in train if strangers[i].name.startswith("a-s00")] and len(train) == 96
    nameless = Manifest(tuple(replace(u, speaker="") for u in manifest))
    train, chosen = train_validation(nameless, rng(), 0.1)
    names = [{nameless[i].name.split("_")[0] for i in part} for part in (train, chosen)]
    assert names[1] and not names[0] & names[1]


# --- published divisions that are known without a file -------------------------------------------------------------


def test_a_published_division_needs_no_file() -> None:
    rows = [utterance("ravdess", f"{k:02d}", n) for k in range(1, 25) for n in range(2)]
    child = replace(utterance("ravdess", "01", 9), parent=rows[0].path)
    manifest = Manifest((*rows, child, *made(savee=2)))
    found = splits(manifest, "folds=ravdess_emobox", rng())
    assert [split.name for split in found] == ["1", "2", "3", "4", "5", "6"]
    assert len(found[0].absent) == 1440 and "03-01-01-01-01-01-07" in found[0].absent  # these have other names
    assert speakers(manifest, found[0].test) == {f"ravdess/{k}" for k in ("01", "11", "20", "21")}
    child_at = len(rows)
    assert child_at not in found[0].test and child_at in (*found[1].train, *found[1].validation)
    assert not any(manifest[i].corpus == "savee" for split in found for i in (*split.train, *split.test))
    # The published file's name stands for it too, wherever the file would be.
    assert tested(manifest, "folds=protocols/ravdess_emobox.csv#1") == found[0].test
    assert len(splits(manifest, "folds=ravdess_luna", rng())) == 5
    parts = Manifest(tuple(utterance("crema_d", str(k), 0) for k in range(1001, 1092)))
    (split,) = splits(parts, "folds=crema_d_tfds", rng())
    assert (len(split.train), len(split.validation), len(split.test)) == (63, 9, 19)
    assert tested(parts, "folds=crema_d_tfds#valid") == split.validation


def test_a_division_of_another_corpus_is_said() -> None:
    with pytest.raises(ManifestError, match="ravdess_luna: the manifest holds no clip of ravdess"):
        splits(made(savee=2), "folds=ravdess_luna", rng())
    with pytest.raises(ManifestError, match=r"no such file; .* without a file are known ravdess_emobox, ravdess_luna"):
        splits(made(savee=2), "folds=ravdes_luna.csv", rng())


@pytest.mark.corpus
@pytest.mark.parametrize("name", DIVISIONS)
def test_published_divisions_are_those_of_the_files(
    name: str, shared: Path, scanned: Callable[[str], ScanReport]
) -> None:
    clips = scanned(DIVISIONS[name].corpus).manifest
    for ours, theirs in zip(
        splits(clips, f"folds={name}", rng()),
        splits(clips, f"folds={shared / 'protocols' / name}.csv", rng()),
        strict=True,
    ):
        for part in ("train", "validation", "test", "name"):
            assert getattr(ours, part) == getattr(theirs, part)


def test_a_clip_that_was_prepared_stands_in_its_place_in_a_published_division() -> None:
    rows = [utterance("ravdess", f"{k:02d}", n) for k in range(1, 25) for n in range(2)]
    whole = splits(Manifest(tuple(rows)), "folds=ravdess_emobox", rng())
    prepared = [replace(u, path=f"/prepared/{u.name}.flac", parent=u.path, digest=f"p{u.digest}") for u in rows]
    others = [
        replace(u, path=f"/made/{u.name}{ending}.wav", parent=u.path, digest=f"{u.digest}{ending}")
        for u in rows[:4]
        for ending in ("_1", "-0000")
    ]
    manifest = Manifest((*prepared, *others))
    found = splits(manifest, "folds=ravdess_emobox", rng())
    assert [s.test for s in found] == [s.test for s in whole]
    assert not {i for s in found for i in s.test} & set(range(len(prepared), len(manifest)))
    # Beside the originals they are copies of these, as every other clip that was made from one.
    both = splits(Manifest((*rows, *prepared)), "folds=ravdess_emobox", rng())
    assert [s.test for s in both] == [s.test for s in whole]
    twice = [replace(u, path=f"/again/{u.name}.flac", digest=f"a{u.digest}") for u in prepared]
    assert [s.test for s in splits(Manifest((*prepared, *twice)), "folds=ravdess_emobox", rng())] == [
        s.test for s in whole
    ]


def test_a_copy_under_another_name_is_in_training_or_in_validation() -> None:
    """Whichever speakers are drawn: the copy of a validation clip does not train."""
    rows = list(made(a=12))
    of_1 = next(i for i, u in enumerate(rows) if u.speaker.endswith("s01"))
    of_2 = next(i for i, u in enumerate(rows) if u.speaker.endswith("s02"))
    rows[of_2] = replace(rows[of_2], digest=rows[of_1].digest)
    manifest, sides = Manifest(tuple(rows)), set()
    for seed in range(12):
        train, chosen, _ = hold_out(manifest, ["speaker=a/s11"], np.random.default_rng(seed), 0.3)
        sides.add((of_1 in train, of_2 in train))
        assert not {manifest[i].digest for i in train} & {manifest[i].digest for i in chosen}
    assert len(sides) > 1


def test_a_published_division_looks_into_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "tabulatedVotes.csv").write_text("a,b\n1,2\n")  # somebody else's
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "rglob", lambda *_: pytest.fail("searched"))
    names = [f"{speaker}_IEO_ANG_HI" for speaker in (1001, 1002, 1009)]
    manifest = Manifest(
        tuple(Utterance(f"/c/{name}.wav", "crema_d", f"crema_d/{name[:4]}", "ANG", "angry") for name in names)
    )
    (split,) = splits(manifest, "folds=crema_d_tfds", np.random.default_rng(0))
    assert (split.test, split.validation, split.train) == ((0,), (2,), (1,)) and split.absent == ()


def test_absent_clips_are_counted_also_where_their_names_are_not_known() -> None:
    names = ("1001_DFA_ANG_XX", "1001_IEO_ANG_HI", "1009_DFA_ANG_XX", "1006_TIE_NEU_XX", "1001_DFA_ANG_X")
    rows = [
        Utterance(f"/{'x' * n}/{name}.wav", "crema_d", f"crema_d/{name[:4]}", "ANG", "angry")
        for n, name in enumerate(names, start=1)
    ]
    manifest = Manifest((*rows, *made(savee=2)))
    listed = 7442 - 4  # as the published file lists
    assert absent(manifest, "folds=crema_d_tfds#test") == listed - 3  # one is in no part, one is there in two spellings
    assert absent(manifest, "speaker=crema_d/1001") == 0

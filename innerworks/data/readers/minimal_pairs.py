"""Minimal pairs of sentences in the layout of BLiMP."""

from __future__ import annotations

import os
from pathlib import Path

from innerworks.data.draft import Draft, Marked
from innerworks.data.dropped import Dropped
from innerworks.data.gathering import short_of
from innerworks.data.readers.json_records import Record, records
from innerworks.data.sources import Given
from innerworks.data.task import Task
from innerworks.errors import FileError

__all__ = ["read_blimp"]


def read_blimp(path: str | os.PathLike[str]) -> Task:
    """A task from a file in the layout of BLiMP, for those pairs that differ in what one next word may be.

    One prefix, two words (`one_prefix_method`): target and foil after one prompt, without a corrupt one. Two prefixes,
    one word (`two_prefix_method`): the word is the target, and its probability should be higher after the clean prefix
    than after the corrupt one. Pairs that can only be compared as whole sentences are left out and counted. Groups:
    UIDs. Warstadt et al. 2020, arXiv:1912.00582.
    """
    dropped, drafts = Dropped(), []
    for record in records(path):
        draft = _draft(record)
        if draft is None:
            dropped.add("record", "the sentences can only be compared whole", repr(record.text("sentence_good")))
        else:
            drafts.append(draft)
    name = Path(path).stem
    if not drafts:
        raise short_of(name, None, 0, dropped)
    has_foils = all(draft.foils for draft in drafts)
    source = Given(name, tuple(drafts), "logit_diff" if has_foils else "log_prob", dropped=tuple(dropped.rows()))
    return Task(source)


def _draft(record: Record) -> Draft | None:
    for name in ("sentence_good", "sentence_bad"):
        record.text(name)
    about = {name: record.text(name) for name in ("UID", "field", "linguistics_term") if name in record}
    group = about.get("UID", "")
    if record.truth("one_prefix_method"):
        prefix = record.text("one_prefix_prefix")
        good, bad = record.text("one_prefix_word_good"), record.text("one_prefix_word_bad")
        if good == bad:
            raise FileError(f"{record.where}: the good word and the bad one are both {good!r}.")
        return Draft(Marked(prefix), None, (f" {good}",), (f" {bad}",), group=group, about=about)
    if record.truth("two_prefix_method"):
        good, bad = record.text("two_prefix_prefix_good"), record.text("two_prefix_prefix_bad")
        if good == bad:
            raise FileError(f"{record.where}: the good prefix and the bad one are both {good!r}.")
        word = f" {record.text('two_prefix_word')}"
        return Draft(Marked(good), Marked(bad), (word,), group=group, about=about, align="role")
    return None

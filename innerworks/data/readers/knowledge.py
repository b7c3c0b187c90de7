"""Facts in the layouts of CounterFact and of the known facts used for causal tracing."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from innerworks.data.draft import Draft, Marked
from innerworks.data.dropped import Dropped
from innerworks.data.gathering import short_of
from innerworks.data.readers.json_records import Record, records
from innerworks.data.sources import Given
from innerworks.data.task import Task
from innerworks.errors import FileError

__all__ = ["read_counterfact", "read_known_facts"]


@dataclass(frozen=True)
class _Fact:
    """A sentence up to its answer, around its subject."""

    before: str
    subject: str
    after: str
    true: str
    foil: str | None
    relation: str

    def about(self, subject: str) -> Marked:
        """The sentence about a subject."""
        start = len(self.before)
        return Marked(f"{self.before}{subject}{self.after}", (("subject", ((start, start + len(subject)),)),))


def read_counterfact(path: str | os.PathLike[str], *, seed: int = 0, corrupt: bool = True) -> Task:
    """A task from a file in the layout of CounterFact: what is true is the target, the counterfact the foil.

    Reads `requested_rewrite` (prompt with {}, subject, target_true, target_new, relation_id). The corrupt prompt has
    another subject of the same relation in the same sentence, one whose truth is the foil where there is such a one;
    records without any are left out and counted, or all have none with `corrupt=False`. Groups: relations.
    Meng et al. 2022, arXiv:2202.05262.
    """
    return _task(path, [_counterfact(record) for record in records(path)], seed, corrupt)


def read_known_facts(path: str | os.PathLike[str], *, seed: int = 0, corrupt: bool = True) -> Task:
    """A task from a file in the layout of known_1000.json: the attribute is the target.

    Reads subject, attribute, prompt and relation_id. The corrupt prompt has another subject of the same relation, and
    the foil is that one's attribute; records without any are left out and counted. With `corrupt=False` there are
    neither corrupt prompts nor foils. Groups: relations. Meng et al. 2022, arXiv:2202.05262.
    """
    return _task(path, [_known(record) for record in records(path)], seed, corrupt)


def _counterfact(record: Record) -> _Fact:
    rewrite = record.inner("requested_rewrite")
    prompt = rewrite.text("prompt")
    if prompt.count("{}") != 1:
        raise FileError(f"{rewrite.where}: the prompt {prompt!r} should have one {{}} for its subject.")
    before, after = prompt.split("{}")
    true, new = (rewrite.inner(name).text("str").strip() for name in ("target_true", "target_new"))
    relation = rewrite.text("relation_id") if "relation_id" in rewrite else ""
    return _Fact(before, rewrite.text("subject"), after.rstrip(), true, new, relation)


def _known(record: Record) -> _Fact:
    prompt, subject = record.text("prompt").rstrip(), record.text("subject")
    if subject not in prompt:
        raise FileError(f"{record.where}: the subject {subject!r} is not in the prompt {prompt!r}.")
    before, _, after = prompt.partition(subject)
    relation = record.text("relation_id") if "relation_id" in record else ""
    return _Fact(before, subject, after, record.text("attribute").strip(), None, relation)


def _task(path: str | os.PathLike[str], facts: Sequence[_Fact], seed: int, corrupt: bool) -> Task:
    name = Path(path).stem
    by_relation: dict[str, list[_Fact]] = defaultdict(list)
    for fact in facts:
        by_relation[fact.relation].append(fact)
    dropped, drafts = Dropped(), []
    for number, fact in enumerate(facts):
        others = [one for one in by_relation[fact.relation] if one.true != fact.true and one.subject != fact.subject]
        fitting = [one for one in others if one.true == fact.foil] or others
        if corrupt and not fitting:
            dropped.add("record", "no other subject of the relation", repr(fact.subject))
            continue
        other = Random(f"{seed} {number}").choice(fitting) if corrupt else None
        drafts.append(_draft(fact, other))
    if not drafts:
        raise short_of(name, None, 0, dropped)
    has_foils = all(draft.foils for draft in drafts)
    source = Given(name, tuple(drafts), "logit_diff" if has_foils else "log_prob", dropped=tuple(dropped.rows()))
    return Task(source)


def _draft(fact: _Fact, other: _Fact | None) -> Draft:
    foil = fact.foil or (other.true if other else None)
    return Draft(
        fact.about(fact.subject),
        None if other is None else fact.about(other.subject),
        (f" {fact.true}",),
        (f" {foil}",) if foil else (),
        (f" {other.true}",) if other else (),
        fact.relation,
        {"relation": fact.relation, "subject": fact.subject},
        "role",
    )

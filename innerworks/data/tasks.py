"""`iw.tasks`: tasks with an answer key, made without a model.

`iw.tasks.ioi(n=64, seed=0).on(model)` gives prompts, pairs, targets and foils for that model's tokenizer. The same
seed gives the same examples on the same tokenizer everywhere, and the first examples of a larger task are those of a
smaller one. Texts are given to the tokenizer as they are, also for chat models: no chat template is used.
"""

from __future__ import annotations

from innerworks.data.csv_rows import read_csv
from innerworks.data.generators.agreement import agreement
from innerworks.data.generators.arithmetic import arithmetic
from innerworks.data.generators.conflict import conflict
from innerworks.data.generators.docstring import docstring
from innerworks.data.generators.facts import facts, relations
from innerworks.data.generators.greater_than import greater_than
from innerworks.data.generators.in_context import functions, in_context
from innerworks.data.generators.indirect_object import ioi
from innerworks.data.generators.pronoun import pronoun
from innerworks.data.generators.repeated import repeated_tokens
from innerworks.data.generators.sequences import orders, sequences
from innerworks.data.given import pairs
from innerworks.data.readers.knowledge import read_counterfact, read_known_facts
from innerworks.data.readers.minimal_pairs import read_blimp

__all__ = [
    "agreement",
    "arithmetic",
    "conflict",
    "docstring",
    "facts",
    "functions",
    "greater_than",
    "in_context",
    "ioi",
    "orders",
    "pairs",
    "pronoun",
    "read_blimp",
    "read_counterfact",
    "read_csv",
    "read_known_facts",
    "relations",
    "repeated_tokens",
    "sequences",
]

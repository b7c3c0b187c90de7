"""Whatever a prompt is given as, it is the same rows; padding, masks and positions are stated, never guessed."""

from __future__ import annotations

import pytest
import torch
from families import module_of

from innerworks.model.anatomy import FAMILIES, Anatomy
from innerworks.model.model import Model
from innerworks.model.tokens import Prompt

ROWS = [[5, 17, 33], [12, 3, 66]]


@pytest.fixture(scope="module")
def model():
    module = module_of("gpt2")
    return Model(module, anatomy=Anatomy(module, FAMILIES["gpt2"]))


@pytest.mark.parametrize(
    "given",
    [
        ROWS,
        torch.tensor(ROWS),
        [torch.tensor(row) for row in ROWS],
        [torch.tensor([row]) for row in ROWS],
        [Prompt.from_ids(row) for row in ROWS],
        [Prompt.from_ids(ROWS[0]), ROWS[1]],
        tuple(map(tuple, ROWS)),
        {"input_ids": torch.tensor(ROWS)},
        {"input_ids": torch.tensor([[0, *ROWS[0]], [0, *ROWS[1]]]), "attention_mask": torch.tensor([[0, 1, 1, 1]] * 2)},
    ],
    ids=str,
)
def test_all_forms_of_a_prompt(model, given):
    batch = model.batch(given)
    assert batch.ids.tolist() == ROWS
    assert batch.mask.tolist() == [[1, 1, 1]] * 2
    assert model.batch(batch) is batch


@pytest.mark.parametrize(
    "given", [ROWS[0], torch.tensor(ROWS[0]), [torch.tensor(5), torch.tensor(17), 33], Prompt.from_ids(ROWS[0])]
)
def test_all_forms_of_one_prompt(model, given):
    assert model.batch(given).ids.tolist() == ROWS[:1]


def test_padding_masks_and_positions(model):
    rows = [[5, 17, 33, 60], [12, 3]]
    right, left = model.batch(rows), model.batch(rows, padding="left")
    assert right.mask.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert left.mask.tolist() == [[1, 1, 1, 1], [0, 0, 1, 1]]
    assert left.positions.tolist() == [[0, 1, 2, 3], [0, 0, 0, 1]]
    assert right.positions[1, :2].tolist() == [0, 1]
    assert (right.starts, left.starts, left.lengths) == ((0, 0), (0, 2), (4, 2))
    assert left.last_columns == [3, 3] and right.last_columns == [3, 1]
    assert right.padded and not model.batch(ROWS).padded
    again = left.repeated(2)
    assert again.ids.tolist() == left.ids.tolist() * 2 and again.starts == (0, 2, 0, 2)

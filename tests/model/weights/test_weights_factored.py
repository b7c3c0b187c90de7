"""Factored matrices do what the dense ones do."""

from __future__ import annotations

import pytest
import torch
from opened import close

from innerworks.errors import InnerworksError
from innerworks.model.weights import Factored


def random(rows, columns, rank, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(rows, rank, generator=generator, dtype=torch.float64)
    right = torch.randn(rank, columns, generator=generator, dtype=torch.float64)
    return Factored(left.to(dtype), right.to(dtype))


def sorted_by_size(values):
    return sorted(values.tolist(), key=lambda v: (round(abs(v), 6), round(v.real, 6), round(v.imag, 6)))


@pytest.mark.parametrize("rank", [1, 5, 20])
def test_eigenvalues_are_the_dense_ones(rank):
    m = random(20, 20, rank)
    dense = torch.linalg.eigvals(m.dense())
    largest = dense[dense.abs().argsort(descending=True)][:rank]
    assert m.eigenvalues().shape == (rank,)
    for found, expected in zip(sorted_by_size(m.eigenvalues()), sorted_by_size(largest), strict=True):
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("rows", "columns", "rank"), [(20, 12, 5), (12, 20, 5), (9, 9, 9), (4, 20, 7), (20, 3, 7)])
def test_svd_is_the_dense_one(rows, columns, rank):
    m = random(rows, columns, rank)
    found, size = m.svd(), min(rows, columns, rank)
    assert [list(part.shape) for part in found] == [[rows, size], [size], [size, columns]]
    close(found.S, torch.linalg.svdvals(m.dense())[:size])
    close(found.U @ found.S.diag() @ found.Vh, m.dense())
    close(found.U.T @ found.U, torch.eye(size))
    close(found.Vh @ found.Vh.T, torch.eye(size))


def test_norm_and_trace_are_the_dense_ones():
    for m in (random(20, 20, 5), random(20, 20, 30)):
        assert m.norm().item() == pytest.approx(m.dense().norm().item(), rel=1e-12)
        assert m.trace().item() == pytest.approx(m.dense().trace().item(), rel=1e-10)
    assert random(20, 12, 5).norm().item() == pytest.approx(random(20, 12, 5).dense().norm().item(), rel=1e-12)


def test_a_product_that_cancels_has_no_norm_to_speak_of():
    m = random(20, 20, 5)
    both = Factored(torch.cat([m.left, m.left], 1), torch.cat([m.right, -m.right]))
    assert both.norm().item() < 1e-12 * m.norm().item()


def test_products_stay_factored_and_keep_the_smaller_rank():
    a, b, dense = random(20, 12, 5), random(12, 30, 3, seed=1), torch.randn(12, 40, dtype=torch.float64)
    for product, expected, rank in [
        (a @ b, a.dense() @ b.dense(), 3),
        (b.T @ a.T, b.dense().T @ a.dense().T, 3),
        (a @ dense, a.dense() @ dense, 5),
        (dense.T @ a.T, dense.T @ a.dense().T, 5),
        (a @ dense[:, :2], a.dense() @ dense[:, :2], 2),
        (dense.T[:2] @ a.T, dense.T[:2] @ a.dense().T, 2),
        (-2.0 * a, a.dense() * -2, 5),
        (-a, -a.dense(), 5),
    ]:
        assert isinstance(product, Factored)
        assert (product.rank, product.shape) == (rank, tuple(expected.shape))
        close(product.dense(), expected)


def test_vectors_and_stacks_of_them_give_tensors():
    m, x = random(20, 12, 5), torch.randn(2, 7, 20, dtype=torch.float64)
    close(x @ m, x @ m.dense())
    close(x[0, 0] @ m, x[0, 0] @ m.dense())
    close(m.T @ x[0, 0], m.dense().T @ x[0, 0])


def test_selection_is_that_of_the_dense_matrix():
    m, dense = random(20, 12, 5), random(20, 12, 5).dense()
    rows, columns = [3, 1, 3], torch.tensor([0, 11])
    for found, expected in [
        (m[rows], dense[rows]),
        (m[:, columns], dense[:, columns]),
        (m[2:5, columns], dense[2:5][:, columns]),
        (m[rows, columns], dense[rows][:, columns]),
    ]:
        assert isinstance(found, Factored)
        close(found.dense(), expected)
    close(m[4], dense[4])
    close(m[:, 4], dense[:, 4])
    close(m[4, 5], dense[4, 5])


def test_half_precision_computes_in_float32():
    m = random(20, 20, 5, dtype=torch.bfloat16)
    assert m.dtype == torch.float32
    close(m.dense(), m.left @ m.right)
    assert m.svd().S.dtype == torch.float32


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InnerworksError, match=r"\[20, 5\] and \[4, 20\]"):
        Factored(torch.zeros(20, 5), torch.zeros(4, 20))
    with pytest.raises(InnerworksError, match=r"square.*\[20, 12\]"):
        random(20, 12, 5).eigenvalues()

"""The folded table beside a picture: the same numbers exactly, for eyes and tools that need them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from innerworks.results.numbers import exact_number
from innerworks.results.render.markup import escape
from innerworks.results.views import View

__all__ = ["folded", "grid_twin", "plain_table"]

_STRONGEST = 200


def folded(summary: str, body: str) -> str:
    """A part that opens on a click."""
    return f'<details><summary>{escape(summary)}</summary><div class="iw-scroll">{body}</div></details>'


def plain_table(head: Sequence[object], rows: Sequence[Sequence[object]], *, labelled_rows: bool) -> str:
    """A table of texts that are already fit to show; the first column may be the rows' labels."""
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    lines = []
    for row in rows:
        cells = [f"<td>{escape(cell)}</td>" for cell in row]
        if labelled_rows:
            cells[0] = f'<th scope="row">{escape(row[0])}</th>'
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def grid_twin(view: View, is_dense: bool) -> str:
    """All values of a grid, or of a dense one the strongest with a sentence about the rest."""
    values, rows, columns = (view.arrays[name] for name in ("values", "rows", "columns"))
    if not is_dense:
        lines = [[rows[row], *map(exact_number, values[row])] for row in range(len(rows))]
        return folded("Exact values", plain_table(["", *columns], lines, labelled_rows=True))
    magnitudes = np.abs(values.astype(float)).ravel()
    magnitudes[np.isnan(magnitudes)] = -1
    order = np.argpartition(-magnitudes, _STRONGEST)[:_STRONGEST]
    order = order[np.lexsort((order, -magnitudes[order]))]
    order = order[magnitudes[order] >= 0]
    lines = [
        [rows[flat // len(columns)], columns[flat % len(columns)], exact_number(values.ravel()[flat])]
        for flat in order.tolist()
    ]
    head = [view.state.get("row_title") or "row", view.state.get("column_title") or "column", "value"]
    hidden = values.size - len(lines)
    note = f'<p class="iw-note">The strongest {len(lines)} values; {hidden:,} are hidden here.</p>'
    return folded(
        f"Strongest values ({len(lines)} of {values.size:,})",
        note + plain_table(head, lines, labelled_rows=False),
    )

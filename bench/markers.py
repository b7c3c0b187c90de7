"""Tables between markers: what the commands write into RESULTS.md, and nothing else of it."""

from __future__ import annotations

from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


def put(name: str, table: str, page: Path = RESULTS) -> None:
    """Exchange what stands between the markers of that name; at the page's end if they are not there."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = page.read_text() if page.exists() else "# Measured\n"
    if begin not in text:
        text = f"{text.rstrip()}\n\n{begin}\n{end}\n"
    before, _, rest = text.partition(begin)
    page.write_text(f"{before}{begin}\n{table.strip()}\n{end}{rest.partition(end)[2]}")

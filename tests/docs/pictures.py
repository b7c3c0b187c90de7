"""`python -m tests.docs.pictures [PAGE …]`: make the images of pages anew from the pages' own code; needs Chromium."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from pages import PAGES, blocks, pictures

from innerworks.results import View
from innerworks.results.render.html import view_html
from innerworks.results.render.interactive import live_view_html, script, style
from innerworks.results.render.style import STYLE

WIDTH = 860
NARROWEST = 500
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars")

# A page that is only dumped may be laid out in a window of no width, so the width is the page's own.
_ALONE = f"""
html{{width:{WIDTH}px;overflow:hidden}} .iw{{margin:0;max-width:none}}
main,main>section,main>section>h2{{margin-top:0!important;padding-top:0!important}} details{{display:none}}
"""
_MEASURE = (
    f"""
<script>const WIDTH = {WIDTH}, NARROWEST = {NARROWEST};</script>
"""
    + """
<script>
const charts = [...document.querySelectorAll("main svg")].map(svg => svg.getBoundingClientRect().width);
const width = charts.length ? Math.max(NARROWEST, Math.ceil(Math.max(...charts)) + 48) : WIDTH;
document.documentElement.style.width = width + "px";
const bottom = document.querySelector("main").getBoundingClientRect().bottom;
document.title = width + "," + Math.ceil(bottom + 16);
</script>
"""
)


_DRAWN_BY_SCRIPT = ("attention", "graph", "compare")
_WAIT = "--virtual-time-budget=5000"
"""Kinds that have no static picture are drawn by the script of interactive pages, which takes a moment."""


def _html(view: View) -> str:
    head = f'<!doctype html><meta charset="utf-8"><style>{STYLE}{_ALONE}'
    if view.kind not in _DRAWN_BY_SCRIPT:
        return f'{head}</style><body class="iw"><main>{view_html(view)}</main>{_MEASURE}'
    hidden = ".iw-tools,.iw-controls{display:none!important} .iw .iw-view{margin-top:0}"
    later = _MEASURE.replace("const charts", "setTimeout(() => {const charts").replace("16);", "16);}, 2000);")
    return (
        f'{head}{style()}{hidden}</style><body class="iw"><main>{live_view_html(view)}</main>'
        f"<script>{script()}</script>{later}"
    )


def names_of(page: str) -> dict[str, Any]:
    """What the page's code leaves behind, without what takes minutes."""
    names: dict[str, Any] = {"__name__": "page"}
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        try:
            for block in blocks(page):
                if block.runs and not block.slow:
                    exec(block.code, names)
        finally:
            os.chdir(here)
    return names


def photograph(view: View, path: Path, browser: str) -> None:
    """A view as a PNG, as wide and as high as it needs to be."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "view.html"
        source.write_text(_html(view), encoding="utf-8")
        found = subprocess.run(
            [browser, *_QUIET, _WAIT, "--dump-dom", source.as_uri()], capture_output=True, text=True, check=True
        )
        size = re.search(r"<title>(\d+,\d+)</title>", found.stdout)
        assert size is not None, found.stdout[:500]
        shot = [f"--window-size={size[1]}", "--force-device-scale-factor=1.5"]
        subprocess.run(
            [browser, *_QUIET, _WAIT, *shot, f"--screenshot={path}", source.as_uri()], capture_output=True, check=True
        )


def main() -> None:
    """Make the images of the pages named, or of all."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        sys.exit("the pictures are taken with Chromium, which is not installed: `apt install chromium`")
    for page in sys.argv[1:] or PAGES:
        wanted = pictures(page)
        names = names_of(page) if wanted else {}
        for picture in wanted:
            photograph(eval(picture.view, names), picture.path, browser)
            print(picture.path)


if __name__ == "__main__":
    main()

"""Whether what docs/coming-from.md says of a peer runs there: `python -m bench.field --documented` runs this in each.

Every line of code in the left column of that peer's table is run, in the page's order, on a random GPT-2.
"""

from __future__ import annotations

import importlib.util
import re
import runpy
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "coming-from.md"
HEADINGS = {"transformer_lens": "TransformerLens", "nnsight": "nnsight", "tuned_lens": "tuned-lens"}
OPENED = {
    "transformer_lens": """
from transformer_lens import patching
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.tools.analysis.attribution_patching import attribution_patch
from transformer_lens.tools.analysis.direct_logit_attribution import direct_logit_attribution
open_model = TransformerBridge.boot_transformers
TransformerBridge.boot_transformers = lambda name: open_model(str(FOLDER), hf_model=MODULE, tokenizer=TOKENIZER)
""",
    "nnsight": """
import nnsight
class TransformersModel(nnsight.TransformersModel):
    def __init__(self, name):
        super().__init__(MODULE, tokenizer=TOKENIZER)
""",
    "tuned_lens": """
import os
from tuned_lens.nn.lenses import LogitLens, TunedLens
from tuned_lens.plotting import PredictionTrajectory
os.chdir(Path(__file__).parent)
hf, ids, following = MODULE, [464, 3797, 3332, 319], [3797, 3332, 319, 262]
""",
}
FRAGMENTS = {
    "FactoredMatrix": "import transformer_lens; transformer_lens.FactoredMatrix",
    "with model.trace(text):": "",
    "x = model.transformer.h[5].output.save()": (
        "with model.trace(text):\n    x = model.transformer.h[5].output.save()\nassert x.shape[-1] == 48"
    ),
    "model.transformer.h[5].mlp.output": "with model.trace(text):\n    model.transformer.h[5].mlp.output.save()",
    "model.transformer.h[5].mlp.output[:] = 0": (
        "with model.trace(text):\n    model.transformer.h[5].mlp.output[:] = 0\n    y = model.output.logits.save()"
    ),
    "with tracer.invoke(a): … with tracer.invoke(b): …": (
        "with model.trace() as tracer:\n"
        "    with tracer.invoke(a):\n        x = model.output.logits.save()\n"
        "    with tracer.invoke(b):\n        y = model.output.logits.save()"
    ),
    "x.grad": (
        "with model.trace(text):\n    x = model.transformer.h[5].output\n"
        "    with model.output.logits.sum().backward():\n        g = x.grad.save()"
    ),
    "model.generate(…)": (
        "with model.generate(text, max_new_tokens=2) as tracer:\n    kept = list().save()\n"
        "    for step in tracer.iter[:]:\n        kept.append(model.transformer.h[5].output)"
    ),
    "tracer.iter": "",
    "model.edit()": "with model.edit() as edited:\n    model.transformer.h[5].mlp.output[:] = 0",
}
"""What the page only hints at, written out."""
BEFORE = """
import sys, torch, transformers
from pathlib import Path
FOLDER = Path(sys.argv[1])
torch.manual_seed(0)
TOKENIZER = transformers.AutoTokenizer.from_pretrained(FOLDER)
CONFIG = transformers.GPT2Config(n_embd=48, n_layer=12, attn_implementation="eager")
MODULE = transformers.GPT2LMHeadModel(CONFIG).eval()
MODULE.config.architectures = ["GPT2LMHeadModel"]
text, a, b = "The cat sat on the", "The cat sat on the", "The dog ran to the"
f = lambda value, hook: None
"""


def lines_of(heading: str) -> list[str]:
    """The code of the left column under a heading; a line that continues in another cell is not code."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


def _module(peer: str) -> str:
    """One program with a try around each line, so that all of them are tried."""
    parts = [BEFORE, OPENED[peer], "failed = []"]
    for line in lines_of(HEADINGS[peer]):
        body = "\n    ".join(FRAGMENTS.get(line, line).replace("…", "...").splitlines() or ["pass"])
        parts.append(f"try:\n    {body}\nexcept BaseException as error:\n    failed.append(({line!r}, repr(error)))")
    return "\n".join(parts)


def main() -> None:
    """Run one peer's lines, and say which of them failed."""
    peer = next(name for name in HEADINGS if importlib.util.find_spec(name))
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "documented_lines.py"
        program.write_text(_module(peer))
        failed = runpy.run_path(str(program))["failed"]
    for line, reason in failed:
        print(f"{line}\n    {reason}")
    print(f"{HEADINGS[peer]}: {len(lines_of(HEADINGS[peer]))} lines, {len(failed)} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()

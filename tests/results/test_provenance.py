from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from innerworks.errors import InnerworksError
from innerworks.results import Cost, Provenance, library_versions


def test_versions_match_the_libraries_in_use():
    import torch
    import transformers

    versions = library_versions()
    assert versions["numpy"] == np.__version__
    assert versions["torch"] == torch.__version__.split("+")[0] or versions["torch"] == torch.__version__
    assert versions["transformers"] == transformers.__version__
    assert versions["python"] == sys.version.split()[0]


def test_importing_and_asking_for_versions_loads_nothing_heavy():
    code = (
        "import sys, innerworks.results as r; r.library_versions(); r.View.card('a', {'b': 1}); "
        "print([m for m in ('torch', 'transformers', 'xarray', 'pandas', 'rich', 'safetensors') "
        "if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=Path.cwd())
    assert found.stdout.strip() == "[]", found.stderr


def test_options_become_plain_values_and_do_not_alias():
    options = {
        "k": np.int64(3),
        "lr": np.float32(0.5),
        "sites": ("a", "b"),
        "path": Path("x/y"),
        "n": {"m": []},
    }
    provenance = Provenance("t", options)
    options["n"]["m"].append(1)
    assert provenance.options == {"k": 3, "lr": 0.5, "sites": ["a", "b"], "path": "x/y", "n": {"m": []}}
    assert type(provenance.options["k"]) is int


def test_what_json_cannot_hold_is_named():
    with pytest.raises(InnerworksError, match=r"options\.metric\[1\] is a object"):
        Provenance("t", {"metric": [1, object()]})
    with pytest.raises(InnerworksError, match="keys must be text"):
        Provenance("t", {"layers": {1: 2}})
    loop: dict = {}
    loop["self"] = loop
    with pytest.raises(InnerworksError, match="holds itself"):
        Provenance("t", loop)


def test_created_is_now_with_a_time_zone():
    created = datetime.fromisoformat(Provenance().created)
    assert abs((datetime.now(created.tzinfo) - created).total_seconds()) < 60


def test_costs_add_up_and_peaks_do_not():
    total = Cost(1, 2, 3.0, 500) + Cost(10, 0, 0.5, 200) + Cost(1)
    assert total == Cost(12, 2, 3.5, 500)
    assert str(total) == "12 forwards, 2 backwards, 3.50 s, peak 500 bytes"

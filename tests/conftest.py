"""Its presence puts this folder on the path, so that every test can import `families`."""

import os

# The models here are tiny: a second thread costs more than it does, and many times more where it spins on a busy core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the default run leaves out: families close to others, but for the tests that say `each_family`."""
    for item in items:
        if _is_of_a_close_family(item) and item.get_closest_marker("each_family") is None:
            item.add_marker(pytest.mark.families)


def _is_of_a_close_family(item: pytest.Item) -> bool:
    given = getattr(item, "callspec", None)
    if given is None:
        return False
    from families import CLOSE

    names = [value[0] if isinstance(value, tuple) else value for value in given.params.values()]
    return any(isinstance(name, str) and name in CLOSE for name in names)

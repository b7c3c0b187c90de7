"""Results: what a technique found, how far it can be trusted, and where it came from.

Nothing heavy is imported here; xarray, pandas, torch and rich load when first needed.
"""

from __future__ import annotations

from innerworks.results.arrays import labelled
from innerworks.results.artifact import Artifact
from innerworks.results.artifact_files import open_artifact
from innerworks.results.checks import Check
from innerworks.results.graphs import Edge, Graph, Node
from innerworks.results.opening import open
from innerworks.results.provenance import Cost, Provenance, library_versions
from innerworks.results.result import Result
from innerworks.results.result_files import open_result
from innerworks.results.tables import Table
from innerworks.results.views import View

__all__ = [
    "Artifact",
    "Check",
    "Cost",
    "Edge",
    "Graph",
    "Node",
    "Provenance",
    "Result",
    "Table",
    "View",
    "labelled",
    "library_versions",
    "open",
    "open_artifact",
    "open_result",
]

"""What a run, gradients, generation or a sweep would cost, worked out without weights and without running."""

from innerworks.model.estimate.costs import estimate
from innerworks.model.estimate.result import Estimate

__all__ = ["Estimate", "estimate"]

"""What a module's parameters hold, wherever they are kept (offloaded, on the meta device) and however (quantised)."""

from innerworks.model.stored.differentiable import differentiable
from innerworks.model.stored.offloaded import device_of, kept, reloaded_left_behind, without_values
from innerworks.model.stored.quantised import features, rows_share_rounding, stored

__all__ = [
    "device_of",
    "differentiable",
    "features",
    "kept",
    "reloaded_left_behind",
    "rows_share_rounding",
    "stored",
    "without_values",
]

"""What a module's parameters hold, wherever they are kept (offloaded, on the meta device) and however (quantised)."""

from innerworks.model.stored.differentiable import differentiable, is_quantised
from innerworks.model.stored.finite import no_numbers
from innerworks.model.stored.offloaded import device_of, kept, reloaded_left_behind, without_values
from innerworks.model.stored.quantised import features, plain_parts, rows_share_rounding, stored, stored_bytes

__all__ = [
    "device_of",
    "differentiable",
    "features",
    "is_quantised",
    "kept",
    "no_numbers",
    "plain_parts",
    "reloaded_left_behind",
    "rows_share_rounding",
    "stored",
    "stored_bytes",
    "without_values",
]

"""What a module's parameters hold, wherever they are kept (offloaded, on the meta device) and however (quantised)."""

from innerworks.model.stored.offloaded import device_of, kept, reloaded_left_behind, without_values
from innerworks.model.stored.quantised import features, stored

__all__ = ["device_of", "features", "kept", "reloaded_left_behind", "stored", "without_values"]

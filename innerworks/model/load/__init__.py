"""Opening a model: a hub id, a folder, a GGUF file, a bundled name or a live module."""

from innerworks.model.load.bundled_models import AVAILABLE, Bundled, bundled
from innerworks.model.load.cache import cache_dir
from innerworks.model.load.fingerprint import fingerprint
from innerworks.model.load.kept_models import KeptModel, kept_models
from innerworks.model.load.opened import Opened, open_model

__all__ = [
    "AVAILABLE",
    "Bundled",
    "KeptModel",
    "Opened",
    "bundled",
    "cache_dir",
    "fingerprint",
    "kept_models",
    "open_model",
]

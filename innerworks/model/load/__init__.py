"""Opening a model: a hub id, a folder, a GGUF file, a bundled name or a live module."""

from innerworks.model.load.bundled_models import AVAILABLE, Bundled, bundled
from innerworks.model.load.cache import cache_dir
from innerworks.model.load.fingerprint import fingerprint
from innerworks.model.load.opened import Opened, open_model

__all__ = ["AVAILABLE", "Bundled", "Opened", "bundled", "cache_dir", "fingerprint", "open_model"]

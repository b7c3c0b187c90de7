"""A user's own text, in contexts of equally many tokens: what lenses are fitted on and units are looked for in."""

from innerworks.data.corpus.contexts import Contexts
from innerworks.data.corpus.corpus import Corpus

__all__ = ["Contexts", "Corpus"]

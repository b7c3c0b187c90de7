"""How a target or foil is written on a command line: `target: Annotated[Any, TargetText, "what is measured"]`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from innerworks.errors import InnerworksError
from innerworks.model.tokens.several import first_token, whole
from innerworks.registry.written import call_from, literal

__all__ = ["TargetText"]

_OF_SEVERAL: dict[str, Callable[[str], Any]] = {"first_token": first_token, "whole": whole}


class TargetText:
    """Reads a token's text, leading space included, or its id; sets, lists and weights of them in Python's notation."""

    @classmethod
    def parse(cls, text: str, model: Any = None) -> Any:
        """` Paris`, `7` (an id), `'7'` (a text), `{' a', ' b'}` (any of), `[' a', ' b']` (one for each prompt).

        `whole(' New York')` and `first_token(' New York')` are texts of several tokens.
        """
        call = call_from(text)
        if call is not None and call.name in _OF_SEVERAL:
            return call.of(_OF_SEVERAL[call.name])
        try:
            value = literal(text)
        except InnerworksError:
            return cls._checked(text, text)
        return cls._checked(value, text)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """JSON schema of a target."""
        return {
            "type": ["string", "integer", "array", "object"],
            "format": "token",
            "description": "a token with its leading space, its id, one for each prompt, or tokens with weights",
            "examples": [" Paris", 7, "whole(' New York')"],
        }

    @staticmethod
    def _checked(value: Any, text: str) -> Any:
        members = value if isinstance(value, (list, set, dict)) else [value]
        if not members or any(isinstance(one, bool) or not isinstance(one, (str, int, set)) for one in members):
            raise InnerworksError(f"takes a token, such as ' Paris' with its leading space, or its id, not {text!r}.")
        return value

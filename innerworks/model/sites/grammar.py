"""`at`: how sites are named in Python and in text, and TransformerLens' names for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from innerworks.errors import SiteError
from innerworks.model.sites.kinds import KINDS, UnknownSite, kind_named
from innerworks.model.sites.selectors import ALL, Selector, Span
from innerworks.model.sites.site import Site
from innerworks.registry.written import split

if TYPE_CHECKING:
    from innerworks.model.sites.basis import Basis

__all__ = ["Places", "at", "listed_sites"]

_TRANSFORMER_LENS = {
    "hook_embed": "token_embed",
    "hook_pos_embed": "pos_embed",
    "ln_final.hook_scale": "norm_scale.final",
    "hook_resid_pre": "resid_pre",
    "hook_resid_mid": "resid_mid",
    "hook_resid_post": "resid_post",
    "hook_attn_out": "attn_out",
    "hook_mlp_out": "mlp_out",
    "ln1.hook_scale": "norm_scale.attn",
    "ln2.hook_scale": "norm_scale.mlp",
    "attn.hook_q": "q",
    "attn.hook_k": "k",
    "attn.hook_v": "v",
    "attn.hook_rot_q": "q_rot",
    "attn.hook_rot_k": "k_rot",
    "attn.hook_attn_scores": "scores",
    "attn.hook_pattern": "pattern",
    "attn.hook_z": "z",
    "attn.hook_result": "head_out",
    "mlp.hook_post": "neurons",
}
_DIFFERENT = {
    "mlp.hook_pre": "at.neuron_pre on a plain MLP, at.gate on a gated one",
    "mlp.hook_pre_linear": "at.neuron_pre",
    "ln1.hook_normalized": "at.attn_in, which is after the norm's weight and bias",
    "ln2.hook_normalized": "at.mlp_in, which is after the norm's weight and bias",
    "ln_final.hook_normalized": "at.final_norm, which is after the norm's weight and bias",
}

_SITE = re.compile(
    r"(?P<name>[a-z_]+(?:\.(?:attn|mlp|final)(?![\w]))?)"
    r"(?:\.(?P<layer>[-\d:,]+))?(?:\.(?P<unit>[-\d:,]+))?"
    r'(?:@(?P<pos>(?:"[^"]*"|[^|"])+))?'
    r"(?:\|(?P<basis>[^:]+)(?::(?P<feature>[-\d:,]+))?)?"
)
_MODULE = re.compile(
    r"module\((?P<path>[^)]*)\)(?:\.(?P<end>output|input))?"
    r'(?:@(?P<pos>(?:"[^"]*"|[^|"])+))?'
    r"(?:\|(?P<basis>[^:]+)(?::(?P<feature>[-\d:,]+))?)?"
)


_PYTHON = re.compile(r"(?:at\.)?(?P<name>[a-z_]+)\[(?P<index>.+?)\](?:\s*@\s*(?P<pos>.+))?")


class _Norms:
    """`at.norm_scale["attn", 5]`, `at.norm_scale["final"]`."""

    def __init__(self, check: Callable[[Site], Site]) -> None:
        self._check = check

    def __getitem__(self, index: Any) -> Site:
        parts = index if isinstance(index, tuple) else (index,)
        if f"norm_scale.{parts[0]}" not in KINDS:
            raise SiteError('norm_scale takes which norm first: at.norm_scale["attn", 5], ["mlp", 5] or ["final"].')
        site = Site(f"norm_scale.{parts[0]}")
        return self._check(site[parts[1:]] if len(parts) > 1 else site)


class _Layered:
    """A kind of site in a particular model, waiting for its layer: the finished site is checked at once."""

    def __init__(self, name: str, check: Callable[[Site], Site]) -> None:
        self._name = name
        self._check = check

    def __getitem__(self, index: Any) -> Site:
        return self._check(Site(self._name)[index])

    def __repr__(self) -> str:
        return f"at.{self._name}[layer]"


class Places:
    """Names places: `at.z[5, 3] @ -1`, `at("z.5.3@-1")`, `at.module("transformer.h.0.mlp").output`.

    `model.at` is the same, and refuses at once what that model does not have.
    """

    def __init__(self, check: Callable[[Site], Site] | None = None) -> None:
        self._check = check or (lambda site: site)
        self._bound = check is not None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "module":
            raise UnknownSite("at.module takes a path: at.module('model.layers.5.mlp').output.")
        site = self._check(Site(kind_named(name).name))
        return _Layered(name, self._check) if self._bound and site.kind.layered else site

    def __dir__(self) -> list[str]:
        names = {name.partition(".")[0] for name in KINDS}
        return sorted(n for n in names if not self._bound or n in ("module", "norm_scale") or self._has(n))

    def _has(self, name: str) -> bool:
        try:
            self._check(Site(name))
        except SiteError:
            return False
        return True

    @property
    def norm_scale(self) -> _Norms:
        """The denominators of the norms: `at.norm_scale["attn" | "mlp", layer]` and `at.norm_scale["final"]`."""
        return _Norms(self._check)

    def module(self, path: str) -> Site:
        """Any module of any model by its path: `.output` (default) or `.input`."""
        return self._check(Site("module", path=path))

    def __call__(self, text: str | Site, bases: Mapping[str, Basis] | None = None) -> Site:
        """The site a text names: ours (`z.5.3@-1`) or TransformerLens' (`blocks.5.attn.hook_z`)."""
        return self._check(text if isinstance(text, Site) else _parse(text, bases or {}))


def _parse(text: str, bases: Mapping[str, Basis]) -> Site:
    if "hook_" in text:
        return _from_transformer_lens(text)
    python = _PYTHON.fullmatch(text)
    text = text if python is None else _as_written(python["name"], python["index"], python["pos"])
    module = _MODULE.fullmatch(text)
    found = module or _SITE.fullmatch(text)
    if found is None:
        raise SiteError(f"cannot read {text!r} as a site. Examples: z.5.3@-1, resid_post.:@subject, pattern.5.3@(4,2).")
    if module is not None:
        site = Site("module", path=module["path"], end=module["end"] or "output")
    else:
        site = Site(kind_named(found["name"]).name)
        if found["layer"] is not None:
            indices = [_selector(found[g]) for g in ("layer", "unit") if found[g] is not None]
            site = site[tuple(indices)]
    if found["pos"] is not None:
        site = site @ _position(found["pos"])
    if found["basis"] is not None:
        if found["basis"] not in bases:
            raise SiteError(f"{text!r} needs the basis {found['basis']!r}: pass it as at(text, bases={{name: basis}}).")
        feature = None if found["feature"] is None else _selector(found["feature"])
        site = site.via(bases[found["basis"]], feature)
    return site


def _as_written(name: str, index: str, pos: str | None) -> str:
    """The text of what Python writes in brackets: `z[5, 3] @ -1` is `z.5.3@-1`, `z[(1, 2)]` is `z.1,2`."""
    found = ".".join([name, *map(_bare, split(index))])
    if pos is None:
        return found
    pos = re.sub(r"slice\(([^,)]*),([^,)]*)\)", r"\1:\2", pos).replace("None:", ":").replace(": None", ":")
    edges = name in KINDS and len(KINDS[name].positional) == 2
    quoted = pos[:1] in "'\"" and pos[:1] == pos[-1:]
    return (
        f'{found}@"{pos[1:-1]}"'
        if quoted
        else f"{found}@{pos.replace(' ', '').replace('None', ':') if edges else _bare(pos)}"
    )


def _bare(text: str) -> str:
    """Without the brackets, quotes and spaces of Python's notation."""
    found = text.strip("()[]'\" ").replace(" ", "")
    return f"{found}," if text.strip().startswith("[") and "," not in found else found


def listed_sites(text: str) -> list[str]:
    """The texts of sites that have commas between them.

    Commas stand inside of sites too (`z.1,3`, `pattern.5@(4,2)`), before numbers; a site begins with a name.
    """
    found: list[str] = []
    for part in split(text):
        if found and not re.match(r"\s*[A-Za-z_]", part):
            found[-1] += f",{part}"
        else:
            found.append(part)
    return found


def _from_transformer_lens(text: str) -> Site:
    found = re.fullmatch(r"(?:blocks\.(?P<layer>\d+)\.)?(?P<rest>.+)", text)
    assert found is not None
    rest = found["rest"]
    if rest in _DIFFERENT:
        raise SiteError(f"TransformerLens' {text!r} depends on the architecture: use {_DIFFERENT[rest]}.")
    name = _TRANSFORMER_LENS.get(rest)
    if name is None or KINDS[name].layered != (found["layer"] is not None):
        known = ", ".join(sorted(_TRANSFORMER_LENS))
        raise SiteError(f"{text!r} is not a TransformerLens name we know. Known: {known}.")
    site = Site(name)
    return site if found["layer"] is None else site[int(found["layer"])]


def _selector(text: str) -> Selector:
    try:
        if ":" in text:
            ends = [int(part) if part else None for part in text.split(":")]
            return ALL if ends == [None, None] else Span(*ends)
        numbers = tuple(int(part) for part in text.removesuffix(",").split(","))
    except (ValueError, TypeError):
        raise SiteError(f"cannot read {text!r} as an index: write 5, 1,3, 2:5 or : for all.") from None
    return numbers[0] if len(numbers) == 1 and not text.endswith(",") else numbers


def _position(text: str) -> Any:
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        ends = re.fullmatch(r'((?:"[^"]*"|[^,"])+),((?:"[^"]*"|[^,"])+)', text[1:-1])
        if ends is None:
            raise SiteError(f"cannot read {text!r} as positions: write (query,key), such as (4,2) or (:,subject).")
        return (_end(ends[1]), _end(ends[2]))
    return _end(text, ",")


def _end(text: str, separator: str = "+") -> Any:
    text = text.strip()
    if text.startswith('"') and text.endswith('"'):
        return text[1:-1]
    if re.fullmatch(r"[-\d:,+]+", text):
        return _selector(text.replace(separator, ","))
    return text


at = Places()

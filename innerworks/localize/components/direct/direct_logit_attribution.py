"""Direct logit attribution: what each part of the model adds to a logit by what it writes where the logit is read."""

from __future__ import annotations

from typing import Annotated, Any

import torch

from innerworks.data.lifting import Prompts
from innerworks.errors import SiteError
from innerworks.localize.components.direct.effects import Effects, sites_for_effects
from innerworks.localize.components.direct.expert_neurons import effects_of_expert_neurons
from innerworks.localize.components.direct.reading import in_order, read_logits, said
from innerworks.localize.components.direct.views import with_views
from innerworks.localize.components.direct.writes import check_sums
from innerworks.model.model import Model
from innerworks.model.sites import at, pick
from innerworks.model.tokens.target_text import TargetText
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, labelled

__all__ = ["direct_logit_attribution"]


@technique(
    title="Direct logit attribution",
    section="3.2.1",
    question="Which parts of the model write the answer?",
    references=("Elhage 2021", "Wang 2023", "Primer 3.2.1"),
    cost=Cost(forwards=1.5),
    finish=with_views,
)
def direct_logit_attribution(
    model: Model,
    prompts: Prompts,
    *,
    target: Annotated[
        Any, TargetText, "a token, a set of them, {token: weight}; by default the most likely one"
    ] = None,
    foil: Annotated[Any, TargetText, 'what to compare with: a token, "average" (of all tokens) or "prediction"'] = None,
    position: Annotated[int, "where the logits are read"] = -1,
    sources: Annotated[bool, "split each head by the token it reads from"] = True,
    neurons: Annotated[int, "how many neurons to list"] = 20,
) -> Result:
    """How much each component, head, expert, neuron and source token adds directly to a logit or a difference of two.

    What adds c to the stream adds (c / σ) · W_U[:, target] to the target's logit, with σ the final norm's own
    denominator in this run and W_U with the norm's weight folded in. What was added to the stream adds up to the logit.
    A head's effect is a sum over source tokens j of (a_j v_j W_O / σ) · W_U, an MLP's over neurons of
    (n w_out / σ) · W_U. `accumulated` reads the stream between the parts through the same σ. Elhage 2021; Wang 2023.

    What misleads: it sees direct effects only. A part that later ones depend on may have none, and one with a large
    effect may be made up for by later ones when it is removed. What raises all logits alike raises the target's too:
    compare with a foil, or with "average". With a soft cap on the logits, effects are on the logit before it.
    """
    check_sums(model)
    if neurons < 0:
        raise SiteError(f"neurons={neurons}: say how many to list, 0 for none.")
    position = pick(position, prompts.width, "position")[0]
    targets = in_order(model, target, len(prompts))
    positions = tuple(range(position - len(targets) + 1, position + 1))
    capture = sites_for_effects(model, positions, sources=sources, neurons=neurons > 0)
    run = model.run(list(prompts), capture=capture, logits=list(positions))
    readings = [read_logits(model, run.logits[:, read], one, foil) for read, one in enumerate(targets)]
    effects = Effects(model, run, positions, readings)
    arrays = {
        "component": effects.components(),
        "head": effects.heads(),
        "expert": effects.experts(),
        "source": effects.sources() if sources else None,
        "neuron": effects.neurons() if neurons else None,
        "neuron_of_expert": effects_of_expert_neurons(effects) if neurons else None,
        "accumulated": effects.accumulated(),
    }
    data = {name: array for name, array in arrays.items() if array is not None}
    title = said(model, target, foil, run.logits[:, -1].argmax(-1).tolist())
    for name in {"neuron", "neuron_of_expert"} & data.keys():
        data[name].attrs |= {"listed": neurons, "no_interval": True}
    data["value"] = labelled(effects.read(run.logits), ("example",))
    return Result(data=data, checks=_checks(effects, data), title=f"Direct effects on the {title}")


_MADE_OF = (
    ("head", "heads", "attention"),
    ("neuron", "neurons", "MLP"),
    ("neuron_of_expert", "neurons of experts", "expert"),
)


def _checks(effects: Effects, data: dict[str, Any]) -> list[Check]:
    """Parts against the model's own logit, and what parts are made of against the parts."""
    model, found = effects.model, []
    total = data["component"].sum("component").values
    value = data["value"].values
    tolerance = 32 * model.rounding * float(abs(data["component"]).sum("component").max())
    cap = model.weights.logit_softcap
    if cap is None:
        found.append(Check("components sum to the model's own value", abs(total - value).max(), tolerance))
    else:
        normed = effects.run[at.final_norm @ effects.positions]
        with torch.no_grad():
            before = model.weights.logit_scale * model.anatomy.unembedding(normed).to(effects.directions)
        uncapped = effects.read(before).cpu().numpy()
        found.append(Check("components sum to the value before the soft cap", abs(total - uncapped).max(), tolerance))
        found.append(Check("what the soft cap takes off", abs(uncapped - value).max(), note="effects are before it"))
    neurons = [data[name].sizes["layer"] for name in ("neuron", "neuron_of_expert") if name in data]
    if neurons and sum(neurons) < len(model.layers_with("mlp_out")):
        note = "the others' stand behind multipliers that are in no matrix, or behind an edit"
        found.append(Check("layers whose neurons are attributed", sum(neurons), note=note))
    for name, what, whole in _MADE_OF:
        if name in data:
            found.append(Check(f"{what}, and biases, sum to their {whole}", data[name].attrs.pop("off"), tolerance))
    if "source" in data:
        heads = data["head"].sel(layer=data["source"]["layer"]).values
        off = abs(data["source"].sum("source").values - heads).max()
        found.append(Check("source tokens sum to their head", off, tolerance))
    return found

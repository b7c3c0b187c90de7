"""The matrices of MLPs, and of the experts of a mixture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from innerworks.errors import AnatomyError, SiteError
from innerworks.model.anatomy.record import Part
from innerworks.model.stored import stored
from innerworks.model.weights.projections import bias_of, matrix_of
from innerworks.model.weights.views import Views

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Neuron", "Neurons"]


class Neuron(NamedTuple):
    """One neuron: the directions [d] it reads and writes, and its biases; `gate` is None without a gate."""

    read: Tensor
    write: Tensor
    gate: Tensor | None
    read_bias: Tensor
    gate_bias: Tensor | None

    def __repr__(self) -> str:
        gated = ", gated" if self.gate is not None else ""
        lengths = f"reads {float(self.read.norm()):.3g}, writes {float(self.write.norm()):.3g}"
        return f"Neuron(d={self.read.shape[0]}, {lengths}{gated})"


class Neurons(Views):
    """What each neuron reads, is gated by, and writes, as the model stores it or with the norms folded in.

    Folding is that of the heads: from stream to stream, less the divisions by the norms' scales. In a
    mixture of experts every method needs `expert`; the router's weight on an expert depends on the data and
    stays out.
    """

    def neuron_in(self, layer: int, *, expert: int | None = None, folded: bool = False) -> Tensor:
        """What the neurons read, [d, d_mlp]; in a gated MLP the linear branch."""
        return self._branch("up", layer, expert, folded)[0]

    def neuron_in_bias(self, layer: int, *, expert: int | None = None, folded: bool = False) -> Tensor:
        """The bias of `neuron_in`, [d_mlp]; zeros where there is none."""
        return self._branch("up", layer, expert, folded)[1]

    def gate(self, layer: int, *, expert: int | None = None, folded: bool = False) -> Tensor:
        """What the gates read, [d, d_mlp]."""
        return self._branch("gate", layer, expert, folded)[0]

    def gate_bias(self, layer: int, *, expert: int | None = None, folded: bool = False) -> Tensor:
        """The bias of `gate`, [d_mlp]; zeros where there is none."""
        return self._branch("gate", layer, expert, folded)[1]

    def neuron_out(self, layer: int, *, expert: int | None = None, folded: bool = False) -> Tensor:
        """What the neurons write, [d_mlp, d]."""
        return self._down(layer, expert, folded)[0]

    def neuron_out_bias(self, layer: int, *, expert: int | None = None, folded: bool = False) -> Tensor:
        """The bias of `neuron_out`, [d], which is no neuron's; zeros where there is none."""
        return self._down(layer, expert, folded)[1]

    def shared_neuron_out(self, layer: int) -> tuple[Tensor, Tensor]:
        """What the neurons of the expert that every token goes through write, [neurons, d], and the bias, [d]."""
        layer = self._layer_with(layer, "shared_neurons")
        record = self.anatomy.family.experts
        assert record is not None and record.shared is not None
        module = self.anatomy.part(layer, f"{record.shared.path}.{record.shared.down}")
        return matrix_of(module), bias_of(module)

    def neuron(self, layer: int, neuron: int, *, expert: int | None = None, folded: bool = False) -> Neuron:
        """One neuron's directions and biases."""
        layer = self._layer_with(layer, "mlp_in")
        mixture = layer in self.anatomy.mixture_layers
        neuron = self._neuron(neuron, self.anatomy.d_expert if mixture else self.anatomy.d_mlp)
        # Folding costs as much as there are columns, so one column is cut out before and not after.
        read, read_bias = self._branch("up", layer, expert, folded, neuron)
        gate, gate_bias = None, None
        gated = (
            getattr(self._experts(layer, expert)[0], "has_gate", True)
            if mixture
            else self.anatomy.in_layer(layer).gate is not None
        )
        if gated:
            gate, gate_bias = self._branch("gate", layer, expert, folded, neuron)
            gate, gate_bias = gate[:, 0], gate_bias[0]
        write = self._down(layer, expert, folded, neuron)[0][0]
        return Neuron(read[:, 0], write, gate, read_bias[0], gate_bias)

    def router(self, layer: int, *, folded: bool = False) -> Tensor:
        """What the router reads for each expert, [d, experts]."""
        layer, module = self._router(layer)
        return self._reading(matrix_of(module), self.mlp_norm(layer), folded)

    def router_bias(self, layer: int, *, folded: bool = False) -> Tensor:
        """The router's bias, [experts]; zeros where there is none."""
        layer, module = self._router(layer)
        return self._reading_bias(matrix_of(module), bias_of(module), self.mlp_norm(layer), folded)

    def _router(self, layer: int) -> tuple[int, Any]:
        layer, record = self._layer(layer), self.anatomy.family.experts
        if record is None or layer not in self.anatomy.mixture_layers:
            name = self.anatomy.family.model_type
            raise SiteError(f"{name} has no router in layer {layer}: it is not a mixture of experts.")
        return layer, self.anatomy.part(layer, record.router)

    def _branch(
        self, which: str, layer: int, expert: int | None, folded: bool, neuron: int | None = None
    ) -> tuple[Tensor, Tensor]:
        layer = self._layer_with(layer, "mlp_in")
        weight, bias = self._stored_branch(which, layer, expert)
        if neuron is not None:
            weight, bias = weight[:, neuron : neuron + 1], bias[neuron : neuron + 1]
        norm = self.mlp_norm(layer)
        return self._reading(weight, norm, folded), self._reading_bias(weight, bias, norm, folded)

    def _stored_branch(self, which: str, layer: int, expert: int | None) -> tuple[Tensor, Tensor]:
        if layer in self.anatomy.mixture_layers:
            return self._expert_branch(which, layer, expert)
        family = self.anatomy.in_layer(layer)
        path = {"up": family.up, "gate": family.gate}[which]
        module = self._dense(layer, path.path if isinstance(path, Part) else path, which, expert)
        weight, bias = matrix_of(module), bias_of(module)
        if not isinstance(path, Part):
            return weight, bias
        return weight.chunk(2, -1)[path.half], bias.chunk(2, -1)[path.half]

    def _down(self, layer: int, expert: int | None, folded: bool, neuron: int | None = None) -> tuple[Tensor, Tensor]:
        layer = self._layer_with(layer, "mlp_in", *("mlp_out",) * folded)
        if layer in self.anatomy.mixture_layers:
            weight, bias = self._expert_down(layer, expert)
        else:
            module = self._dense(layer, self.anatomy.in_layer(layer).down, "down", expert)
            weight, bias = matrix_of(module), bias_of(module)
        weight = weight if neuron is None else weight[neuron : neuron + 1]
        post = self.mlp_post(layer)
        return self._writing(weight, post, folded), self._writing(bias, post, folded)

    def _dense(self, layer: int, path: str | None, which: str, expert: int | None) -> Any:
        name = self.anatomy.family.model_type
        if expert is not None:
            raise SiteError(f"{name} has no expert {expert!r}: it is not a mixture of experts.")
        if path is None:
            why = "its MLP is not gated" if which == "gate" else "its MLP's neurons are not known"
            raise SiteError(f"{name} has no weights {which!r}: {why}.")
        return self.anatomy.part(layer, path)

    def _expert_branch(self, which: str, layer: int, expert: int | None) -> tuple[Tensor, Tensor]:
        experts, chosen = self._experts(layer, expert)
        record = self.anatomy.family.experts
        assert record is not None
        if not hasattr(experts, "gate_up_proj"):
            return self._expert_without_gate(which, experts, chosen)
        both = _of_expert(experts, "gate_up_proj", chosen)
        both = both if record.transposed else both.T
        second, half = which == "up", both.shape[1] // 2
        columns = slice(int(second), None, 2) if record.interleaved else slice(half * second, half * (second + 1))
        bias = stored(experts, "gate_up_proj_bias")
        own = both.new_zeros(both.shape[1]) if bias is None else bias[chosen]
        return both[:, columns], own[columns]

    def _expert_without_gate(self, which: str, experts: Any, chosen: int) -> tuple[Tensor, Tensor]:
        if which == "gate":
            raise SiteError(f"{self.anatomy.family.model_type} has no weights 'gate': its experts are not gated.")
        record = self.anatomy.family.experts
        assert record is not None
        up, bias = _of_expert(experts, "up_proj", chosen), stored(experts, "up_proj_bias")
        up = up if record.transposed else up.T
        return up, up.new_zeros(up.shape[1]) if bias is None else bias[chosen]

    def _expert_down(self, layer: int, expert: int | None) -> tuple[Tensor, Tensor]:
        experts, chosen = self._experts(layer, expert)
        record = self.anatomy.family.experts
        assert record is not None
        down = _of_expert(experts, "down_proj", chosen)
        down = down if record.transposed else down.T
        bias = stored(experts, "down_proj_bias")
        return down, down.new_zeros(down.shape[1]) if bias is None else bias[chosen]

    def _experts(self, layer: int, expert: int | None) -> tuple[Any, int]:
        record = self.anatomy.family.experts
        assert record is not None
        if self.anatomy.family.guessed:
            raise AnatomyError(
                f"the record of {self.anatomy.family.model_type!r} was guessed, and a guess does not know how its "
                "experts' weights lie: pass a record of your own with load(..., family=...)."
            )
        if expert is None:
            raise SiteError(
                f"{self.anatomy.family.model_type} is a mixture of {self.anatomy.n_experts} experts: "
                "say which one, with expert=0."
            )
        return self.anatomy.part(layer, record.experts), self._expert(expert)


def _of_expert(experts: Any, name: str, expert: int) -> Tensor:
    every = stored(experts, name)
    assert every is not None
    return every[expert]

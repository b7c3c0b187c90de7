"""A model's weights as lazy, factored, virtually folded views; the weights themselves are never changed."""

from innerworks.model.weights.composition import Composition, Null
from innerworks.model.weights.factored import SVD, Factored
from innerworks.model.weights.neurons import Neuron
from innerworks.model.weights.norm import Norm
from innerworks.model.weights.vocabulary import ReadOut
from innerworks.model.weights.weights import QueryKeyBias, Weights

__all__ = ["SVD", "Composition", "Factored", "Neuron", "Norm", "Null", "QueryKeyBias", "ReadOut", "Weights"]

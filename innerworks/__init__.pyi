"""What `innerworks` offers, for type checkers: at run time each name is imported when it is first used."""

from innerworks import errors
from innerworks.data import tasks
from innerworks.data.corpus import Contexts, Corpus
from innerworks.data.examples import Examples
from innerworks.data.lifting.served import Interrupted
from innerworks.data.task import Task
from innerworks.decode.vocabulary.translators.checkpoint import read_tuned_lens, write_tuned_lens
from innerworks.decode.vocabulary.units.views import unit_views
from innerworks.errors import InnerworksError
from innerworks.model import edits as edit
from innerworks.model import metrics, reduce
from innerworks.model.anatomy import Family
from innerworks.model.engine.run import Run
from innerworks.model.estimate import Estimate
from innerworks.model.explain import explain_in as explain
from innerworks.model.load import bundled, cache_dir, kept_models
from innerworks.model.metrics import (
    accuracy,
    custom,
    kl,
    log_prob,
    log_prob_diff,
    logit,
    logit_diff,
    nll,
    normalised,
    prob,
    prob_diff,
    rank,
)
from innerworks.model.model import Model
from innerworks.model.open import load
from innerworks.model.sites import Site, at, direction, rotation, subspace
from innerworks.model.sweep import SweepInterrupted, SweepResult
from innerworks.model.tokens import Pair, Prompt, first_token, whole
from innerworks.registry import techniques
from innerworks.results import Artifact, Check, Result, View, open

__all__ = [
    "Artifact",
    "Check",
    "Contexts",
    "Corpus",
    "Estimate",
    "Examples",
    "Family",
    "InnerworksError",
    "Interrupted",
    "Model",
    "Pair",
    "Prompt",
    "Result",
    "Run",
    "Site",
    "SweepInterrupted",
    "SweepResult",
    "Task",
    "View",
    "accuracy",
    "at",
    "bundled",
    "cache_dir",
    "custom",
    "direction",
    "edit",
    "errors",
    "explain",
    "first_token",
    "kept_models",
    "kl",
    "load",
    "log_prob",
    "log_prob_diff",
    "logit",
    "logit_diff",
    "metrics",
    "nll",
    "normalised",
    "open",
    "prob",
    "prob_diff",
    "rank",
    "read_tuned_lens",
    "reduce",
    "rotation",
    "subspace",
    "tasks",
    "techniques",
    "unit_views",
    "whole",
    "write_tuned_lens",
]

__version__: str

# isort: split
# The techniques, by python -m innerworks.registry.index:
from innerworks.data.evaluate import evaluate
from innerworks.decode.vocabulary.backward.backward_lens import backward_lens
from innerworks.decode.vocabulary.lenses.logit_lens import logit_lens
from innerworks.decode.vocabulary.patchscopes.patchscope import patchscope
from innerworks.decode.vocabulary.patchscopes.self_interpretation import self_interpretation
from innerworks.decode.vocabulary.spectroscopy.corpus_spectroscopy import corpus_spectroscopy
from innerworks.decode.vocabulary.spectroscopy.logit_spectroscopy import logit_spectroscopy
from innerworks.decode.vocabulary.translators.attention_lens import fit_attention_lens
from innerworks.decode.vocabulary.translators.future_lens import future_lens
from innerworks.decode.vocabulary.translators.future_quality import future_quality
from innerworks.decode.vocabulary.translators.learned_prompt import fit_learned_prompt
from innerworks.decode.vocabulary.translators.lens_quality import lens_quality
from innerworks.decode.vocabulary.translators.state_map import fit_state_map
from innerworks.decode.vocabulary.translators.tuned_lens import fit_tuned_lens
from innerworks.decode.vocabulary.translators.vocabulary_lens import fit_vocabulary_lens
from innerworks.decode.vocabulary.units.maximally_activating import maximally_activating
from innerworks.decode.vocabulary.weights.copying_scores import copying_scores
from innerworks.decode.vocabulary.weights.effective_embedding import effective_embedding
from innerworks.decode.vocabulary.weights.low_rank_truncation import low_rank_truncation
from innerworks.decode.vocabulary.weights.neuron_words import neuron_words
from innerworks.decode.vocabulary.weights.qk_words import qk_words
from innerworks.decode.vocabulary.weights.singular_words import singular_words
from innerworks.decode.vocabulary.weights.vector_words import vector_words
from innerworks.localize.components.ablation.ablation import ablation
from innerworks.localize.components.ablation.component_modelling import component_modelling
from innerworks.localize.components.ablation.joint_ablation import joint_ablation
from innerworks.localize.components.approximation.attribution_patching import attribution_patching
from innerworks.localize.components.direct.direct_logit_attribution import direct_logit_attribution
from innerworks.localize.components.patching.activation_patching import activation_patching
from innerworks.localize.components.patching.subspace_patching import subspace_patching
from innerworks.localize.components.paths.path_patching import path_patching
from innerworks.localize.components.tracing.attention_knockout import attention_knockout
from innerworks.localize.components.tracing.causal_tracing import causal_tracing
from innerworks.localize.components.weights.composition import composition
from innerworks.localize.components.weights.direct_path import direct_path
from innerworks.localize.components.weights.full_ov_circuit import full_ov_circuit
from innerworks.localize.components.weights.virtual_heads import virtual_heads

__all__ += [
    "ablation",
    "activation_patching",
    "attention_knockout",
    "attribution_patching",
    "backward_lens",
    "causal_tracing",
    "component_modelling",
    "composition",
    "copying_scores",
    "corpus_spectroscopy",
    "direct_logit_attribution",
    "direct_path",
    "effective_embedding",
    "evaluate",
    "fit_attention_lens",
    "fit_learned_prompt",
    "fit_state_map",
    "fit_tuned_lens",
    "fit_vocabulary_lens",
    "full_ov_circuit",
    "future_lens",
    "future_quality",
    "joint_ablation",
    "lens_quality",
    "logit_lens",
    "logit_spectroscopy",
    "low_rank_truncation",
    "maximally_activating",
    "neuron_words",
    "patchscope",
    "path_patching",
    "qk_words",
    "self_interpretation",
    "singular_words",
    "subspace_patching",
    "vector_words",
    "virtual_heads",
]

# isort: split
# (the end of the techniques)

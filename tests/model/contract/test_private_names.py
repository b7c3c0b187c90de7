"""The names of transformers and torch that are not public and that the taps stand on: what to look at when one goes."""

import copy

import torch
import transformers
from families import MOE, module_of
from transformers import AttentionInterface, DynamicCache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


def test_a_config_copy_can_name_another_attention():
    config = copy.copy(module_of("llama").config)
    config._attn_implementation_internal = "something"
    assert config._attn_implementation == "something", (
        "taps/attention.py switches one layer by `_attn_implementation_internal` on a copy of its config"
    )
    assert module_of("llama").config._attn_implementation == "eager"


def test_attention_functions_are_registered_for_all():
    assert isinstance(AttentionInterface._global_mapping, dict), (
        "taps/attention.py looks into `AttentionInterface._global_mapping` so as to register itself once"
    )
    assert "sdpa" in ALL_ATTENTION_FUNCTIONS, "taps/attention.py calls the layer's own backend through this table"


def test_families_keep_their_eager_function_in_their_module():
    import sys

    for family in ("gpt2", "llama", "gemma2", "gpt_oss"):
        module = sys.modules[type(module_of(family)).__module__]
        assert hasattr(module, "eager_attention_forward"), f"taps/attention.py calls it to look into {family}"


def test_experts_pass_through_one_gate():
    for family in MOE:
        experts = [m for m in module_of(family).modules() if hasattr(m, "_apply_gate")]
        assert experts, f"taps/expert_hooks.py reads the neurons of {family}'s experts in `_apply_gate`"
        for one in experts:
            known = {"grouped_mm", "batched_mm", "eager", None}
            assert one.config._experts_implementation in known, "taps/expert_hooks.py knows the order of these"


def test_a_cache_can_be_filled_with_keys_and_values():
    keys = torch.zeros(1, 2, 3, 4)
    cache = DynamicCache(ddp_cache_data=[(keys, keys)])
    assert cache.get_seq_length() == 3 and cache.layers[0].keys.shape == keys.shape, (
        "sweep/packed.py shares a prompt's keys through `ddp_cache_data`, and sweep/baseline.py reads `layers`"
    )


def test_a_mode_sees_the_functional_softmax():
    from torch.overrides import TorchFunctionMode

    seen = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    with Watch():
        torch.nn.functional.softmax(torch.zeros(2), dim=-1)
    assert torch.nn.functional.softmax in seen, "taps/attention.py finds the pattern by watching for it"


def test_the_version_is_one_that_was_tried():
    from packaging.version import Version

    assert Version(transformers.__version__).major == 5, "the taps were only tried on transformers 5"


def test_a_tapped_layers_backend_has_its_own_name_and_our_function():
    from innerworks.model.taps.tapped_backend import REGISTERED, TappedBackend

    def ours():
        pass

    mapping, before = AttentionInterface._global_mapping, AttentionInterface._global_mapping.get(REGISTERED)
    AttentionInterface.register(REGISTERED, ours)
    try:
        for name in ("eager", "sdpa"):
            tapped = TappedBackend(name)
            assert tapped in ("eager", "sdpa") and tapped == name and (tapped != name) is False and tapped != "other"
            assert f"{tapped}" == name and tapped not in ("other",)
            assert ALL_ATTENTION_FUNCTIONS.get_interface(tapped, None) is ours, (
                "taps/tapped_backend.py is looked up by its hash in transformers' table of attention functions"
            )
            assert ALL_ATTENTION_FUNCTIONS.get_interface(name, None) is not ours
    finally:
        if before is None:
            del mapping[REGISTERED]
        else:
            mapping[REGISTERED] = before

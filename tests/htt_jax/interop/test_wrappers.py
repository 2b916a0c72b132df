"""Names of HTT and of ResNets within the wrappers that people use."""

import itertools

import pytest

from htt_jax.interop import names, wrappers
from htt_jax.support.errors import InputError

HTT = [x.name for x in names.htt_entries({"transformer_pose": 2, "transformer_action": 1})]
RESNET = [x.name for x in names.backbone_entries()] + ["fc.weight", "fc.bias"]
MODELS = pytest.mark.parametrize("model", [HTT, RESNET], ids=["htt", "resnet"])
WRAPPERS = [
    "_orig_mod.",  # torch.compile
    "module.",  # DataParallel, DeepSpeed, AveragedModel
    "model.",  # Lightning, and what people call it there
    "net.",
    "_fsdp_wrapped_module.",
    "_fpw_module.",  # FairScale
    "_forward_module.",  # Fabric
    "my_model.",
]


def unwrapped(tensors):
    found, others = wrappers.unwrapped("a.pth", dict.fromkeys(tensors, 0))
    return list(found), others


@MODELS
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_wrappers_in_any_order_are_taken_off(model, depth):
    for nested in itertools.permutations(WRAPPERS, depth):
        prefix = "".join(nested)
        assert unwrapped(prefix + name for name in model) == (model, ()), prefix


@MODELS
@pytest.mark.parametrize("prefix", ["module.", "model.module._orig_mod.", "ema_model.module."])
def test_the_counter_of_an_averaged_model_is_left_out(model, prefix):
    counter = prefix.partition("module.")[0] + "n_averaged"
    assert unwrapped([counter, *(prefix + name for name in model)]) == (model, ())


@pytest.mark.parametrize(
    ("part", "wrapped"),
    [
        ("meshregnet.base_net.", "meshregnet.base_net.module."),
        ("layers.1.", "layers.1._checkpoint_wrapped_module."),
        ("transformer_pose.", "transformer_pose._orig_mod."),
        ("transformer_action.encoder.", "transformer_action.encoder._fsdp_wrapped_module."),
    ],
)
def test_wrapped_parts_of_the_model_are_unwrapped(part, wrapped):
    for prefix in ("", "model."):
        found = [prefix + name.replace(part, wrapped) for name in HTT]
        assert sum(wrapped in name for name in found) > 3
        assert unwrapped(found) == (HTT, ())


def test_what_lies_beside_a_whole_htt_in_its_wrapper_is_left_out():
    inside = [f"model.{name}" for name in HTT]
    assert unwrapped([*inside, "criterion.weight", "n_averaged"]) == (HTT, ())
    assert unwrapped([*inside, "model.decoder.weight"]) == ([*HTT, "decoder.weight"], ())
    assert unwrapped([*HTT, "decoder.weight"]) == ([*HTT, "decoder.weight"], ())


def test_a_resnet_within_another_model_stays_that_models_part():
    detector = [*(f"backbone.{name}" for name in RESNET), "head.weight"]
    assert unwrapped(detector) == (detector, ())


@pytest.mark.parametrize("missing", ["action_token", "transformer_action.encoder.norm.weight"])
def test_an_htt_with_a_tensor_missing_is_still_unwrapped(missing):
    rest = [name for name in HTT if name != missing]
    assert unwrapped(f"net.module.{name}" for name in rest) == (rest, ())


@MODELS
@pytest.mark.parametrize("averaged", ["ema_model.", "model_ema.module.", "averaged.", "swa."])
@pytest.mark.parametrize("plain", ["", "model.", "online_model."])
def test_of_a_model_and_its_average_the_model_is_taken(model, plain, averaged):
    both = [prefix + name for prefix in (averaged, plain) for name in model]
    assert unwrapped(both) == (model, (averaged.replace("module.", ""),))


def test_of_two_models_none_is_guessed():
    both = [prefix + name for prefix in ("student.", "teacher.") for name in HTT]
    with pytest.raises(InputError, match=r"a.pth holds several models, under 'student.', 'teach"):
        unwrapped(both)


@pytest.mark.parametrize(
    "tensors",
    [
        ["n_averaged"],
        ["module.weight", "scale"],
        ["module.0.weight", "module.0.bias"],
        ["module.a.weight", "a.weight"],
        ["model.encoder.layers.0.weight", "model.decoder.fc.bias", "n_averaged"],
    ],
)
def test_names_of_other_models_stay_as_they_are(tensors):
    assert unwrapped(tensors) == (tensors, ())

"""Where the weights and the optimizer's state are in checkpoints as people save them."""

import numpy as np
import pytest

from htt_jax.interop import contents, plain_pickle
from htt_jax.support.errors import InputError

OPTIMIZER = {"state": {0: {"step": 1}}, "param_groups": [{"params": [0]}]}
RNG = {"cpu": np.zeros(4, np.uint8), "cuda": np.zeros(4, np.uint8)}


def weights(value=0.0):
    return {"conv1.weight": np.full((2, 2), value), "bn1.bias": np.zeros(2)}


@pytest.mark.parametrize(
    "key",
    [
        "state_dict",
        "model_state_dict",
        "model_state",
        "model",
        "net",
        "module",
        "weights",
        "ema",
        "model_ema",
        "ema_state_dict",
        "generator",
        "Whatever it is",
    ],
)
def test_a_state_dict_alone_is_found_under_any_key(key):
    content = {"epoch": 3, key: weights(), "optimizer": OPTIMIZER, "rng": RNG, "best": 0.1}
    found = contents.find("a.pth", content)
    assert found == contents.Contents(found.tensors, f"[{key!r}]", (), OPTIMIZER)
    assert list(found.tensors) == list(weights())


def test_weights_and_optimizer_that_are_saved_as_a_pair_are_found():
    found = contents.find("a.pth", (weights(), OPTIMIZER, 3))
    assert list(found.tensors) == list(weights())
    assert (found.key, found.optimizer) == ("[0]", OPTIMIZER)


def test_a_bare_state_dict_is_found_with_what_people_put_beside_it():
    content = weights() | {"epoch": 3, "bn1._extra_state": None}
    found = contents.find("a.pth", content)
    assert list(found.tensors) == list(weights())
    assert (found.key, found.others) == ("", ())


@pytest.mark.parametrize(
    "averaged", ["ema", "model_ema", "state_dict_ema", "ema_state_dict", "swa"]
)
@pytest.mark.parametrize("plain", ["state_dict", "model_state_dict", "model", "net", "htt"])
def test_the_plain_weights_are_taken_and_averaged_ones_named(plain, averaged):
    content = {averaged: weights(1), plain: weights(2)}
    found = contents.find("a.pth", content)
    assert found.tensors["conv1.weight"][0, 0] == 2
    assert (found.key, found.others) == (f"[{plain!r}]", (f"[{averaged!r}]",))


@pytest.mark.parametrize("name", ["schema", "seamount", "model", "swap", "avgs"])
def test_a_name_is_no_average_for_its_letters(name):
    assert not contents.is_averaged(name)


def test_the_usual_key_is_taken_of_several():
    content = {"discriminator": weights(1), "model": weights(2), "state_dict": weights(3)}
    found = contents.find("a.pth", content)
    assert found.key == "['state_dict']"
    assert found.others == ("['discriminator']", "['model']")


def test_a_measure_beside_the_state_dict_is_none():
    content = {"val.loss": np.ones(()), "epoch": 3, "hyper": {}, "net": weights()}
    assert contents.find("a.pth", content).key == "['net']"


def test_fields_within_fields_are_found():
    content = {"model": {"config": {"lr": 1}, "state_dict": weights(1), "ema": weights(2)}}
    found = contents.find("a.pth", content)
    assert (found.key, found.others) == ("['model']['state_dict']", ("['model']['ema']",))


def test_one_state_dict_in_several_fields_is_one():
    same = weights()
    content = {"best": {"net": same}, "last": same}
    content["itself"] = content
    found = contents.find("a.pth", content)
    assert (found.key, found.others) == ("['best']['net']", ())


@pytest.mark.parametrize(
    "content", [{"left": weights(), "right": weights()}, [weights(), weights()]]
)
def test_between_equals_nothing_is_guessed(content):
    with pytest.raises(InputError) as refused:
        contents.find("a.pth", content)
    first, second = ("['left']", "['right']") if isinstance(content, dict) else ("[0]", "[1]")
    assert str(refused.value) == (
        f"a.pth holds several state dicts, in {first}, {second}; save the right one alone: "
        f"{contents.to_save_alone('a.pth', first)}"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": OPTIMIZER},
        {"optimizer_state_dict": OPTIMIZER},
        {"optim": {"adam": OPTIMIZER}},
        {"optimizer_states": [OPTIMIZER], "lr_schedulers": [{"last_epoch": 3}]},
    ],
)
def test_the_optimizers_state_is_found_under_any_key(fields):
    assert contents.find("a.pth", {"state_dict": weights()} | fields).optimizer == OPTIMIZER


def test_of_several_optimizers_none_is_taken():
    content = {"state_dict": weights(), "optimizer_states": [OPTIMIZER, OPTIMIZER]}
    assert contents.find("a.pth", content).optimizer is None


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"rng": RNG, "lr": 0.1}, "found rng (dict), lr (float)"),
        ({"model": plain_pickle.stand_in("meshreg.HTT")()}, "found model (meshreg.HTT)"),
        (plain_pickle.stand_in("meshreg.HTT")(), "found only one meshreg.HTT"),
        ({"state_dict": [1, 2]}, "found state_dict (list)"),
        (np.ones(2), "found only one ndarray"),
        ({}, "found nothing"),
        ([1], "found only one list"),
        (dict.fromkeys("abcdefg", 0), "d (int), e (int) and 2 more"),
    ],
)
def test_without_a_state_dict_it_is_said_what_is_there(content, found):
    with pytest.raises(InputError) as refused:
        contents.find("a.pth", content)
    assert str(refused.value) == (
        "a.pth holds no state dict: expected tensors by name, alone or in a field such as "
        f"'state_dict', found {str(refused.value).partition('found ')[2]}"
    )
    assert found in str(refused.value)


def test_tensors_that_cannot_be_read_are_named():
    sparse = plain_pickle.stand_in("sparse tensor")()
    content = {"state_dict": weights() | {"a.weight": sparse, "a._extra_state": sparse}}
    with pytest.raises(InputError, match=r"a.pth holds what is no plain tensor: a.weight \(sparse"):
        contents.find("a.pth", content)

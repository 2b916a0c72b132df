"""Pickles of all protocols: what is read of them, and that nothing in them happens."""

import argparse
import builtins
import collections
import configparser
import contextlib
import datetime
import decimal
import enum
import functools
import inspect
import io
import math
import optparse
import pathlib
import pickle
import platform
import random
import types
import uuid

import numpy as np
import pytest
import torch

from htt_jax.interop import plain_pickle


class Mode(enum.Enum):
    FAST = "fast"


class Attributes(dict):
    """A dictionary like those of configs, with a state beside its items."""

    def __init__(self, **items):
        super().__init__(items)
        self.frozen = True


class Items(list):
    pass


class Slots:
    __slots__ = ("value",)


class Config:
    """A tree of objects that points back to its root."""

    def __init__(self):
        self.parts = Attributes(parts=Items([1, 2]), root=self)


def load(data):
    def no_storage(written):
        raise AssertionError(f"no storage: {written}")

    return plain_pickle.Unpickler(io.BytesIO(data), {}, no_storage).load()


def slots():
    found = Slots()
    found.value = 1
    return found


HARMLESS = {
    "namespace": argparse.Namespace(lr=np.float64(0.1), out=pathlib.Path("out")),
    "simple namespace": types.SimpleNamespace(a=1),
    "path": pathlib.PurePosixPath("/data"),
    "date": datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC),
    "duration": datetime.timedelta(seconds=1),
    "enumeration": Mode.FAST,
    "class": Config,
    "config": Config(),
    "attributes": Attributes(a=Attributes(b=1)),
    "list of a class": Items([1, Items()]),
    "slots": slots(),
    "deque": collections.deque([1]),
    "counter": collections.Counter("aab"),
    "set": {1, 2},
    "frozen set": frozenset({1}),
    "complex": 1 + 2j,
    "range": range(3),
    "ellipsis": ...,
    "decimal": decimal.Decimal("1.5"),
    "uuid": uuid.UUID(int=1),
    "old options": optparse.Values({"lr": 0.1}),
    "old config": configparser.ConfigParser(),
    "machine": platform.uname(),
    "parameter": inspect.signature(len).parameters["obj"],
    "function": math.sqrt,
    "partial": functools.partial(pow, 2),
    "device": torch.device("cuda:0"),
    "type": torch.float16,
    "size": torch.Size([1, 2]),
    "random": random.Random(0),
    "generator": np.random.default_rng(0),
    "array": np.arange(3),
    "numpy type": np.dtype(np.float32),
    "numpy date": np.datetime64("2024-02-29"),
    "numpy function": np.mean,
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_harmless_objects_are_read_past(kind):
    content = {"before": 1, "object": HARMLESS[kind], "key": {HARMLESS["path"]: 2}, "after": [3]}
    for protocol in range(2 if kind == "slots" else 0, pickle.HIGHEST_PROTOCOL + 1):
        found = load(pickle.dumps(content, protocol))
        assert (found["before"], found["after"]) == (1, [3])
        assert list(found["key"].values()) == [2]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_and_numpys_numbers_are_what_they_were(protocol):
    content = {
        "nothing": None,
        "yes": True,
        "numbers": (1, -2, 10**40, 0.1),
        "texts": ["a\u0308", b"\x00\xff"],
        "ordered": dict(collections.OrderedDict(b=1, a=2)),
        3: {},
    }
    numpys = {
        "ordered": collections.OrderedDict(b=1, a=2),
        "default": collections.defaultdict(list, {1: [2]}),
        "scalars": [np.float64(0.1), np.float32(0.5), np.int64(-3), np.bool(True)],
        "swapped": np.dtype(">i4").type(7),
    }
    found = load(pickle.dumps(content | numpys, protocol))
    expected = content | {
        "ordered": {"b": 1, "a": 2},
        "default": {1: [2]},
        "scalars": [0.1, 0.5, -3, True],
        "swapped": 7,
    }
    assert found == expected
    assert list(found) == list(expected)


def test_state_dicts_keep_no_attributes():
    state_dict = torch.nn.Linear(1, 1).state_dict()
    state_dict.clear()
    assert hasattr(state_dict, "_metadata")
    assert load(pickle.dumps(state_dict, 2)) == {}


def named(name, argument="x", protocol=2):
    """A pickle that calls what it names."""
    module, function = name.rsplit(".", 1)
    if protocol < 4:
        return b"c%s\n%s\n(S'%s'\ntR." % (module.encode(), function.encode(), argument.encode())
    texts = (b"\x8c%c%s" % (len(x), x.encode()) for x in (module, function))
    return b"\x80\x04" + b"".join(texts) + b"\x93\x8c\x01x\x85R."


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("os.system", "os.system"),
        ("posix.system", "posix.system"),
        ("nt.system", "nt.system"),
        ("subprocess.Popen", "subprocess.Popen"),
        ("commands.getoutput", "subprocess.getoutput"),  # as Python 2 called it
        ("__builtin__.eval", "builtins.eval"),
        ("builtins.exec", "builtins.exec"),
        ("builtins.__import__", "builtins.__import__"),
        ("builtins.open", "builtins.open"),
        ("importlib.import_module", "importlib.import_module"),
        ("runpy.run_path", "runpy.run_path"),
        ("shutil.rmtree", "shutil.rmtree"),
        ("socket.socket", "socket.socket"),
        ("pickle.loads", "pickle.loads"),
        ("webbrowser.open", "webbrowser.open"),
        ("code.InteractiveInterpreter", "code.InteractiveInterpreter"),
    ],
)
def test_functions_that_run_programs_or_code_are_refused(written, name, protocol):
    with pytest.raises(plain_pickle.HarmfulError) as refused:
        load(named(written, protocol=protocol))
    assert str(refused.value) == name


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "name",
    [
        "numpy.testing._private.utils.runstring",
        "torch.hub.load",
        "builtins.getattr",
        "__main__.anything",
        "nowhere.to_be_found",
    ],
)
def test_other_functions_are_neither_imported_nor_called(name, protocol, monkeypatch):
    imported, plainly = [], builtins.__import__

    def noting(module, *rest, **options):
        imported.append(module)
        return plainly(module, *rest, **options)

    monkeypatch.setattr("builtins.__import__", noting)
    assert plain_pickle.type_name(load(named(name, protocol=protocol))) == name
    assert name.rpartition(".")[0] not in imported


@pytest.mark.parametrize("name", ["_codecs.encode", "collections.defaultdict", "numpy.dtype"])
def test_no_file_changes_what_reads_the_next(name):
    before = load(pickle.dumps([b"\xff", np.float64(0.5), collections.defaultdict(list)], 2))
    module, function = name.rsplit(".", 1)
    for state in (b"}S'_function'\nNs", b"N}S'_function'\nNs\x86", b"N}S'__call__'\nNs\x86"):
        data = b"c%s\n%s\n%sb." % (module.encode(), function.encode(), state)
        with contextlib.suppress(TypeError):  # makers forget it, classes refuse it
            load(data)
    assert load(pickle.dumps([b"\xff", np.float64(0.5), {}], 2)) == before

"""Quantised .onnx files: what is in them, what is told of them, and what is refused."""

import dataclasses
import re
import shutil

import cv2
import numpy as np
import onnx as onnx_format
import pytest

import htt_jax
from htt_jax import export, from_pytorch
from htt_jax.data import records
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.interop import exporting
from htt_jax.interop.formats import FORMATS
from htt_jax.interop.quantising import figures, graph, sample
from htt_jax.interop.quantising.figures import Bound
from htt_jax.interop.quantising.quantised import Asked, quantise
from htt_jax.models import backbones
from htt_jax.prediction.online import OnlinePredictor
from htt_jax.runs.config import open_source
from htt_jax.runs.opening import open_run
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from tests import prepared, torch_files

pytestmark = pytest.mark.proof  # PyTorch's exporter takes its time

SIZE = (64, 36)
V4, _ = backbones.MOBILE
WIDTH = 12  # of nobody else, as shapes of models are kept by their sizes
CONVOLUTIONS = 6
LOOSE = Bound(50.0)


@pytest.fixture(scope="module")
def short():
    """A backbone of six convolutions, one of them with a shortcut, in the place of a deeper one."""
    deep = backbones.MOBILE[V4]

    def architecture(part):
        blocks = {block.name: block for block in deep.architecture(part).blocks}
        shortcut = dataclasses.replace(blocks["blocks.0.1"], shortcut=True)
        of_one = []
        for name in ("blocks.2.0", "blocks.3.0"):
            conv = dataclasses.replace(blocks[name].convs[-1], stride=2, active=True)
            of_one.append(dataclasses.replace(blocks[name], convs=(conv,)))
        first = (blocks[""], blocks["blocks.0.0"], shortcut, blocks["blocks.1.0"])
        return dataclasses.replace(deep.architecture(part), blocks=(*first, *of_one))

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones.MOBILE, V4, dataclasses.replace(deep, architecture=architecture))
        yield V4


@pytest.fixture(scope="module")
def folder(short, tmp_path_factory):
    """A run of random weights on a dataset whose clips end in padding, and its float32 export."""
    root = tmp_path_factory.mktemp("quantising")
    data = prepared.write_dataset(root / "data", FPHA, {"train": [8, 7], "test": [7, 6]}, SIZE)
    module = torch_files.make(backbone_name=short, backbone_width=WIDTH)
    torch_files.save(root / "published.pth", module)
    options = [f"--out={root / 'run'}", f"--data={data}", *torch_files.OPTIONS]
    from_pytorch.main([str(root / "published.pth"), *options])
    FORMATS["onnx"].write(root / "model.onnx", run_in(root))
    return root


def run_in(folder):
    return open_run(folder / "run", None, sharding.single_device_mesh())


@pytest.fixture(scope="module")
def in_int8(folder):
    """The file in int8, and what is told of it."""
    path = shutil.copy(folder / "model.onnx", folder / "int8.onnx")
    return path, quantise(path, run_in(folder), Asked("int8", bound=LOOSE))


@pytest.fixture(scope="module")
def in_float16(folder):
    """The same in float16, on another dataset than the run's."""
    data = prepared.write_dataset(folder / "mine", FPHA, {"train": [4], "test": [7, 6]}, SIZE)
    path = shutil.copy(folder / "model.onnx", folder / "float16.onnx")
    return path, quantise(path, run_in(folder), Asked("float16", str(data), Bound(1.0)))


def ops(path):
    return [node.op_type for node in onnx_format.load(path).graph.node]


def test_convolutions_have_signed_weights_a_channel_and_unsigned_activations(in_int8):
    model = onnx_format.load(in_int8[0])
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    by_output = {name: node for node in model.graph.node for name in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == CONVOLUTIONS
    in_8_bits = [node for node in convolutions if by_output.get(node.input[1])]
    in_8_bits = [x for x in in_8_bits if by_output[x.input[1]].op_type == "DequantizeLinear"]
    assert len(in_8_bits) == sum(layer.in_int8 for layer in in_int8[1].layers) >= CONVOLUTIONS // 2
    for node in in_8_bits:
        weight, scale, _ = by_output[node.input[1]].input
        assert tensors[weight].data_type == onnx_format.TensorProto.INT8
        assert tensors[scale].dims == [tensors[weight].dims[0]]  # one each channel
        zero = by_output[node.input[0]].input[2]
        assert tensors[zero].data_type == onnx_format.TensorProto.UINT8
    assert "QLinearMatMul" not in ops(in_int8[0])


def test_a_quantised_file_is_loaded_and_predicts_nearly_what_the_run_does(folder, in_int8):
    video = np.random.default_rng(0).integers(0, 256, (9, *SIZE[::-1], 3), np.uint8)
    found = htt_jax.load(in_int8[0]).predict(video)
    expected = htt_jax.load(folder / "run").predict(video)
    moved = np.linalg.norm(found.joints_3d - expected.joints_3d, axis=-1).mean()
    assert 0 < moved < 0.2 * np.linalg.norm(expected.joints_3d, axis=-1).mean()


def test_a_quantised_file_takes_frames_one_by_one(in_int8):
    video = np.random.default_rng(0).integers(0, 256, (9, *SIZE[::-1], 3), np.uint8)
    model = htt_jax.load(in_int8[0])
    expected = model.predict(video)
    online = OnlinePredictor(model.run, SIZE)
    results = [result for frame in video for result in online.push(frame)] + online.finish()
    found = np.stack([result.joints_3d for result in results])
    np.testing.assert_allclose(found, expected.joints_3d, rtol=1e-4, atol=1e-5)
    actions = online.action_probabilities, expected.action_probabilities
    np.testing.assert_allclose(*actions, rtol=1e-4)


def test_figures_are_those_of_evaluate_on_the_same_split(folder, in_int8):
    from htt_jax.evaluation.one_run import evaluate

    told = in_int8[1]
    headline = evaluate(str(folder / "run"), split="test").report["headline"]
    for name, value in told.before.items():
        assert value == pytest.approx(headline[name], rel=1e-6), name
    assert told.after != told.before
    assert told.after["mepe"] == pytest.approx(told.before["mepe"], rel=0.1)


def test_the_text_tells_size_speed_figures_and_layers(in_int8):
    path, told = in_int8
    text = told.text()
    assert told.sizes[1] == (path.stat().st_size)
    assert re.match(
        r"int8: 0\.\d MB, \d\.\d times smaller .*frames/s, .* times the run in JAX", text
    )
    assert re.search(r"\| MEPE mm +\| +\d+\.\d\d \| +\d+\.\d\d \| +[+-]\d\.\d\d % \|", text)
    assert text.count("meshregnet.base_net.") == CONVOLUTIONS
    # 15 training frames at spacing 2 are 8 windows of 2 frames; every second is for each use.
    assert (told.calibrated, told.measured) == (8, 7)
    assert "8 training frames, each layer alone was measured on 7 others" in text


def test_padded_frames_do_not_count_when_layers_are_measured(folder):
    run = run_in(folder)
    both = sample.draw(run, open_source(run.config, "train"))
    counts = [[int(clip["count"]) for clip in part.clips] for part in both]
    assert counts == [[2, 2, 2, 2], [2, 2, 2, 1]]
    joints, known = both[1].truth()
    assert (len(joints), len(known)) == (7, 7)
    valid = np.concatenate([inputs["valid"] for inputs in both[1].inputs()])
    assert valid.sum() == 7
    last = list(both[1].inputs())[-1]["image"][0]
    np.testing.assert_array_equal(last[0], last[1])  # padding shows what is real


def test_float16_halves_the_file_and_computes_in_float32(in_float16):
    path, told = in_float16
    assert told.sizes[1] < 0.8 * told.sizes[0]  # of a tiny model much is no weight
    assert not told.layers
    assert abs(figures.losses(told.before, told.after)["mepe"]) < 0.1
    assert "QuantizeLinear" not in ops(path)
    tensors = onnx_format.load(path).graph.initializer
    packed = [x for x in tensors if x.name.endswith("conv.weight.packed")]
    assert packed
    assert {x.data_type for x in packed} == {onnx_format.TensorProto.FLOAT16}


def refusal(folder, path, asked):
    shutil.copy(folder / "model.onnx", path)
    before = path.read_bytes()
    with pytest.raises(InputError) as refused:
        quantise(path, run_in(folder), asked)
    assert path.read_bytes() == before
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture(scope="module")
def known_to_the_run(folder):
    """A dataset whose joints are what the run says of them: whatever moves them is a loss."""
    data, model = folder / "known", htt_jax.load(folder / "run")
    schema = records.features(FPHA, prepared.ACTIONS, prepared.OBJECTS)
    random, indexes = np.random.default_rng(0), {}
    for split in ("train", "test"):
        data.mkdir(exist_ok=True)
        with records.ShardWriter(records.shard_path(data, FPHA, split, 0, 1)) as shard:
            source = records.RecordSource(folder / "data", split)
            for video in map(source.__getitem__, range(len(source))):
                frames = [cv2.imdecode(np.frombuffer(x, np.uint8), 1) for x in video.frames]
                found = model.predict(np.stack(frames)[..., ::-1], video.intrinsics).joints_3d
                joints = (found + random.normal(0, 1e-6, found.shape)).astype(np.float32)
                known = dataclasses.replace(video, joints_3d=joints)
                shard.write(records.encode(known, schema), len(frames), video.video_id)
        indexes[split] = [shard.index]
    records.write_metadata(data, FPHA, prepared.ACTIONS, prepared.OBJECTS, indexes)
    return str(data)


@pytest.mark.parametrize(
    ("kind", "lost"),
    [
        (
            "int8",
            r"with 3 of 6 layers left in float it still loses, on frames of the tr.*, MEPE by",
        ),
        ("float16", r"on split test float16 loses MEPE by \d+.* %"),
    ],
)
def test_a_run_too_lossy_to_quantise_is_refused(folder, tmp_path, known_to_the_run, kind, lost):
    message = refusal(folder, tmp_path / "model.onnx", Asked(kind, known_to_the_run))
    assert re.search(rf"too lossy to quantise: {lost}.*\(at most 1\b", message)


def test_the_figures_are_of_the_split_that_the_run_is_evaluated_on(folder, tmp_path):
    data = prepared.write_dataset(tmp_path / "data", FPHA, {"train": [4], "val": [6]}, SIZE)
    path = shutil.copy(folder / "model.onnx", tmp_path / "model.onnx")
    run = run_in(folder)
    run.config.eval.split = "val"
    told = quantise(path, run, Asked("float16", str(data), Bound(1.0)))
    assert told.split == "val"
    assert "| split val " in told.text()


def test_frames_of_another_size_are_refused(folder, tmp_path):
    small = prepared.write_dataset(tmp_path / "small", FPHA, {"train": [4], "test": [4]}, (48, 27))
    message = refusal(folder, tmp_path / "model.onnx", Asked("int8", str(small), LOOSE))
    assert "image size 64x36 does not fit frames stored at 48x27" in message
    square = prepared.write_dataset(tmp_path / "sq", FPHA, {"train": [4], "test": [4]}, (64, 64))
    message = refusal(folder, tmp_path / "model.onnx", Asked("int8", str(square), LOOSE))
    assert f"{square} is not to calibrate on: frames of its video '" in message
    assert "' show 1.00 times as much across as upwards" in message


def test_no_frames_to_calibrate_on_is_told(folder, tmp_path):
    message = refusal(folder, tmp_path / "a.onnx", Asked("int8", str(tmp_path / "none"), LOOSE))
    assert str(tmp_path / "none") in message
    only_test = prepared.write_dataset(tmp_path / "data", FPHA, {"test": [4]}, SIZE)
    message = refusal(folder, tmp_path / "b.onnx", Asked("int8", str(only_test), LOOSE))
    assert "train" in message


def test_a_dataset_without_poses_cannot_tell_what_layers_lose(folder, tmp_path, monkeypatch):
    def unknown(*arguments, make=prepared.make_video):
        video = make(*arguments)
        return dataclasses.replace(video, hand_annotated=np.zeros_like(video.hand_annotated))

    monkeypatch.setattr(prepared, "make_video", unknown)
    data = prepared.write_dataset(tmp_path / "data", FPHA, {"train": [8], "test": [4]}, SIZE)
    message = refusal(folder, tmp_path / "model.onnx", Asked("int8", str(data), LOOSE))
    assert "has no annotated hand in the 2 windows that layers would be measured on" in message


def test_errors_are_relative_to_the_root_of_annotated_hands():
    truth = np.zeros((3, 4, 3))
    found = truth + np.array([[0, 0, 0.001], [0, 0, 0], [0, 0, 0.001], [0, 0, 0.001]])
    found[2] += 1
    known = np.array([[True], [True], [False]])
    errors = figures.pose_errors(found, truth, known, 1)
    assert errors == pytest.approx({"mepe": 0.75, "mepe_ra": 0.75})
    errors = figures.pose_errors(found, truth, known, 0)
    assert errors == pytest.approx({"mepe": 0.75, "mepe_ra": 0.25})


def test_another_dataset_is_named(folder, in_float16):
    said = f"calibrated and evaluated on {folder / 'mine'}, not on the run's own dataset"
    assert said in in_float16[1].text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to=pytorch", "--quantize=int8"], "--quantize=int8 is for --to=onnx or --to=web, not"),
        (["--to=onnx", "--most-loss=2"], "--most-loss is for --quantize; leave it away"),
        (["--to=onnx", "--quantize=int8", "--most-loss=nan"], "--most-loss=nan must be a number"),
    ],
)
def test_options_that_do_not_fit_are_one_line(folder, tmp_path, capsys, options, message):
    given = [f"--workdir={folder / 'run'}", f"--out={tmp_path / 'model.onnx'}", *options]
    with pytest.raises(SystemExit) as ended:
        cli.run(lambda: export.main(given))
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_weights_keep_to_7_bits_where_there_is_no_vnni(folder, tmp_path):
    run = run_in(folder)
    calibrated, _ = sample.draw(run, open_source(run.config, "train"))
    path, out = folder / "model.onnx", tmp_path / "out.onnx"
    names = graph.convolutions(path)
    files = {"reduce_range": True, "ranges": tmp_path / "ranges.json"}
    graph.quantise(path, out, names, calibrated, **files)
    tensors = onnx_format.load(out).graph.initializer
    weights = [onnx_format.numpy_helper.to_array(x) for x in tensors if x.data_type == 3]
    assert max(np.abs(x.astype(int)).max() for x in weights if x.ndim == 4) <= 64


def test_the_command_writes_the_card(folder, tmp_path, capsys):
    out = tmp_path / "out" / "model.onnx"
    options = ["--to=onnx", f"--out={out}", "--quantize=float16", "--most-loss=1"]
    export.main([f"--workdir={folder / 'run'}", *options])
    printed = capsys.readouterr().out
    card = exporting.card_of(out).read_text()
    assert "then quantised:\n\nfloat16: 0." in printed
    assert "## Quantised\n\nAfter it was compared, in float32, as above.\n\nfloat16: 0." in card
    assert "| MEPE mm" in card

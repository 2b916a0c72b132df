import csv

import cv2
import pytest

from htt_jax.data import records
from htt_jax.datasets.spec import H2O
from htt_jax.evaluation import report
from htt_jax.support.errors import InputError
from tests.htt_jax.evaluation.report import cases


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("h2o")
    case = cases.make(folder / "data", H2O, [5, 4, 6], wrong=[2])
    for name in ("video_best_09.png", "accuracy_by_verb.png", "mine.png"):
        (folder / "out/plots").mkdir(parents=True, exist_ok=True)
        (folder / "out/plots" / name).write_text("of an earlier report")
    report.write(folder / "out", *case)
    return folder / "out", case


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_plot_lies_beside_the_page_and_can_be_read(written):
    folder, _ = written
    plots = sorted(folder.glob("plots/*"))
    assert [path.name for path in plots] == [
        "accuracy_by_action.png",
        "accuracy_by_noun.png",
        "accuracy_by_verb.png",
        "confusion_of_actions.png",
        "confusion_of_objects.png",
        "error_by_joint.png",
        "error_by_visibility.png",
        "error_by_window_position.png",
        "mine.png",
        "pck.png",
        "video_best_01.png",
        "video_best_02.png",
        "video_worst_01.png",
    ]
    for path in plots:
        if path.name == "mine.png":  # of an earlier report, what it writes itself is gone
            continue
        picture = cv2.imread(str(path))
        assert picture.shape[1] >= 840
        assert picture.std() > 5  # not empty
    assert (folder / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_tables_hold_the_figures_of_the_evaluation(written):
    folder, (content, _, source) = written
    pose = content["results"]["pose"]
    joints = read(folder / "tables/error_by_joint.csv")
    assert len(joints) == 42
    assert joints[21]["hand"] == "right"
    wrist = pose["right"]["camera_space"]["mepe_per_joint"][0]
    assert float(joints[21]["mepe_mm"]) == pytest.approx(wrist, rel=1e-5)
    assert joints[21]["mepe_ra_mm"] == ""

    curve = read(folder / "tables/pck.csv")
    assert len(curve) == 2 * (37 + 21)
    assert float(curve[5]["pck"]) == pose["left"]["camera_space"]["pck"][5]
    assert curve[5]["threshold_mm"] == "12.5"
    assert curve[5]["pck_published"] == ""  # the paper gives none for H2O

    videos = read(folder / "tables/videos.csv")
    assert [row["video_id"] for row in videos] == source.video_ids
    assert videos[2]["predicted"] == "open_milk"
    assert float(videos[2]["probability_of_true"]) == pytest.approx(0.1)

    headline = read(folder / "tables/headline_left_hand.csv")
    assert headline[0]["MEPE mm"] == f"{pose['left']['camera_space']['mepe']:.2f}"
    confusion = read(folder / "tables/confusion_of_actions.csv")
    assert sum(int(row[name]) for row in confusion for name in confusion[0] if name != "true") == 3
    assert sum(int(row[row["true"]]) for row in confusion) == 2
    assert "put_salt" in confusion[0]


def test_a_damaged_frame_is_named(tmp_path):
    content, estimates, source = cases.make(tmp_path / "data", H2O, [2])
    video = source[0]
    video.frames[1] = b"no picture"
    with records.ShardWriter(records.shard_path(source.directory, H2O, "test", 0, 1)) as shard:
        schema = records.features(H2O, source.action_names, source.object_names)
        shard.write(records.encode(video, schema), 2, video.video_id)
    damaged = records.RecordSource(source.directory, "test")
    with pytest.raises(InputError, match=r"frame 1 .*video Subject_1/open_milk/0 in .*: .*prepare"):
        report.write(tmp_path / "out", content, estimates, damaged)
    assert not (tmp_path / "out").exists()

"""What losses are borne, and which processors gain by int8."""

import math

import pytest

from htt_jax.interop.quantising import figures, processor
from htt_jax.interop.quantising.figures import Bound
from htt_jax.support.errors import InputError


def test_a_loss_is_per_cent_of_poses_and_points_of_accuracies():
    before = {"mepe": 20.0, "mepe_ra": 10.0, "action_accuracy": 0.8, "object_accuracy": 0.5}
    after = {"mepe": 20.2, "mepe_ra": 10.2, "action_accuracy": 0.793, "object_accuracy": 0.6}
    lost = figures.losses(before, after)
    expected = {"mepe": 1.0, "mepe_ra": 2.0, "action_accuracy": 0.7, "object_accuracy": -10.0}
    assert lost == pytest.approx(expected)
    words = ["MEPE-RA by 2.00 % (at most 1.5)"]
    assert Bound(1.5).exceeded(lost) == words
    assert len(Bound(1.3).exceeded(lost)) == 2  # 0.7 points are more than 0.65
    assert Bound(0.0).exceeded({"mepe": 0.0012}) == ["MEPE by 0.001 % (at most 0)"]
    assert Bound(0.0).exceeded(figures.losses(before, before)) == []
    for bound, mepe in ((0.0, 20.001), (50.0, math.nan)):
        assert Bound(bound).exceeded(figures.losses(before, before | {"mepe": mepe}))


@pytest.mark.parametrize("text", ["nan", "-1", "inf"])
def test_a_most_loss_that_is_no_bound_is_refused(text):
    with pytest.raises(InputError, match=r"--most-loss=.* must be a number of per cent, 0 or mor"):
        Bound(float(text))


@pytest.mark.parametrize(
    ("text", "machine", "lacks"),
    [
        ("flags\t\t: fpu avx2 avx512_vnni", "x86_64", False),
        ("flags\t\t: fpu avx2 avx512f", "x86_64", True),
        ("nothing", "x86_64", True),
        ("Features: fp asimd", "aarch64", False),
    ],
)
def test_a_processor_without_vnni_is_known(tmp_path, text, machine, lacks):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{text}\n")
    assert processor.lacks_int8(tmp_path / "cpuinfo", machine) is lacks

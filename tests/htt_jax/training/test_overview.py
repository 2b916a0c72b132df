import jax
import jax.numpy as jnp

from htt_jax.training import overview


def array(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


VARIABLES = {
    "params": {
        "token": array(5),
        "backbone": {
            "stage1": {"conv": {"kernel": array(3, 3, 2, 4), "bias": array(4)}},
            "stage2": {"kernel": array(1000, 2, dtype=jnp.bfloat16)},
        },
        "head": {"kernel": array(4, 2), "bias": array(2)},
    },
    "batch_stats": {"backbone": {"stage1": {"mean": array(4), "var": array(4)}}},
}


def test_each_part_has_a_line_with_its_parameters():
    assert overview.parts_table(VARIABLES["params"]).splitlines() == [
        "part             type               arrays  parameters",
        "token            float32                 1           5",
        "backbone/stage1  float32                 2          76",
        "backbone/stage2  bfloat16                1       2,000",
        "head             float32                 2          10",
        "total            bfloat16, float32       6       2,091",
    ]


def test_parts_that_were_taken_over_or_are_frozen_are_told():
    params = VARIABLES["params"]
    taken = {"backbone": params["backbone"], "head": {"bias": params["head"]["bias"]}}
    assert overview.parts_table(params, ("backbone",), taken).splitlines() == [
        "part             type               arrays  parameters  starts",
        "token            float32                 1           5  random",
        "backbone/stage1  float32                 2          76  taken over              frozen",
        "backbone/stage2  bfloat16                1       2,000  taken over              frozen",
        "head             float32                 2          10  1 taken over, 1 random",
        "total            bfloat16, float32       6       2,091  4 taken over, 2 random",
    ]


def test_every_array_is_in_the_runs_folder(tmp_path, capsys):
    overview.announce(tmp_path, VARIABLES)
    lines = (tmp_path / "parameters.txt").read_text().splitlines()
    assert lines[0].split() == ["name", "shape", "type", "values"]
    assert lines[2].split() == ["params/backbone/stage1/conv/kernel", "3x3x2x4", "float32", "72"]
    assert lines[-1].split() == ["batch_stats/backbone/stage1/var", "4", "float32", "4"]
    assert len(lines) == 1 + 8
    said = capsys.readouterr().err
    assert said.startswith(overview.parts_table(VARIABLES["params"]))
    assert said.endswith("and 8 frozen statistics; every array: parameters.txt\n")

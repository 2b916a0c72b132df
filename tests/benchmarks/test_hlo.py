"""What is read off the text of a compiled program."""

import pytest

from benchmarks import hlo

TEXT = """HloModule jit_step, is_scheduled=true

%fused (p.0: bf16[8,128], p.1: s32[]) -> bf16[1,128] {
  %p.0 = bf16[8,128]{1,0:T(8,128)(2,1)} parameter(0)
  %p.1 = s32[]{:T(128)} parameter(1)
  ROOT %cut = bf16[1,128]{1,0:T(8,128)(2,1)} dynamic-slice(%p.0, %p.1, %p.1), \
dynamic_slice_sizes={1,128}
}

%limit (counter: (s32[], f32[64,128])) -> pred[] {
  %counter = (s32[]{:T(128)}, f32[64,128]{1,0:T(8,128)}) parameter(0)
  %n = s32[]{:T(128)} constant(5)
  %at = s32[]{:T(128)} get-tuple-element(%counter), index=0
  ROOT %less = pred[]{:T(512)} compare(%at, %n), direction=LT
}

%body (arg: (s32[], f32[64,128])) -> (s32[], f32[64,128]) {
  %arg = (s32[]{:T(128)}, f32[64,128]{1,0:T(8,128)}) parameter(0)
  %x = f32[64,128]{1,0:T(8,128)} get-tuple-element(%arg), index=1
  %sum = f32[64,128]{1,0:T(8,128)} all-reduce(%x), channel_id=1, to_apply=%add
  ROOT %out = (s32[]{:T(128)}, f32[64,128]{1,0:T(8,128)}) tuple(%x, %sum)
}

ENTRY %main (a: bf16[8,128], i: s32[]) -> f32[64,128] {
  %a = bf16[8,128]{1,0:T(8,128)(2,1)} parameter(0)
  %i = s32[]{:T(128)} parameter(1)
  %row = bf16[1,128]{1,0:T(8,128)(2,1)} fusion(%a, %i), kind=kLoop, calls=%fused
  %start = (f32[16,128]{1,0:T(8,128)}, f32[64,128]{1,0:T(8,128)}) all-gather-start(%row), \
channel_id=2
  %all = f32[64,128]{1,0:T(8,128)} all-gather-done(%start)
  %begin = (s32[]{:T(128)}, f32[64,128]{1,0:T(8,128)}) tuple(%i, %all)
  %loop = (s32[]{:T(128)}, f32[64,128]{1,0:T(8,128)}) while(%begin), \
condition=%limit, body=%body
  ROOT %end = f32[64,128]{1,0:T(8,128)} get-tuple-element(%loop), index=1
}
"""


@pytest.mark.parametrize(
    ("shape", "bytes_"),
    [
        ("f32[2,3]", 24),
        ("pred[]", 1),
        ("bf16[48,135,240,64]{3,0,2,1:T(8,128)(2,1)}", 48 * 135 * 240 * 128 * 2),
        ("bf16[48,135,240,64]{0,3,2,1:T(8,128)(2,1)}", 128 * 135 * 240 * 64 * 2),
        ("bf16[4,100]{1,0:T(8,128)(2,1)S(1)}", 0),
        ("(f32[8,128]{1,0:T(8,128)}, /*index=1*/s32[4]{0:T(128)})", 4096 + 512),
    ],
)
def test_sizes_are_those_in_memory_filled_up_to_tiles(shape, bytes_):
    assert hlo.size(shape) == bytes_


def test_collectives_are_counted_as_often_as_their_loop_runs():
    array = 64 * 128 * 4
    assert hlo.parse(TEXT).collectives() == {
        "all-gather": {"count": 1, "bytes": array},
        "all-reduce": {"count": 5, "bytes": 5 * array},
    }


def test_of_an_array_that_a_fusion_cuts_from_the_cut_counts():
    (row,) = (one for one in hlo.parse(TEXT).moved() if one.instruction.name == "row")
    assert (row.read, row.written, row.times) == (8 * 128 * 2 + 4, 8 * 128 * 2, 1)

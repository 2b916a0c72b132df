"""What a program must do at least, whatever compiler it meets: read off its jaxpr.

XLA's own analysis counts a loop's body once and nothing of what a library is called for (cuDNN,
oneDNN), so that its numbers differ from device to device.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax


class Work(NamedTuple):
    """Of one run of a program.

    Attributes:
        flops: multiplications and additions of its matrix products and convolutions.
        bytes: of its arguments and results, and of what its products and convolutions read and
            write: what goes through memory if all else is fused into them.
    """

    flops: float
    bytes: float


def of(function: Callable[..., Any], *arguments: Any) -> Work:
    """The least work of `function` on such arguments."""
    # A function that is jitted already may carry compiler options, which only an outermost one may.
    jitted: Any = function if hasattr(function, "trace") else jax.jit(function)
    jaxpr = jitted.trace(*arguments).jaxpr.jaxpr
    outside = sum(_size(x.aval) for x in (*jaxpr.invars, *jaxpr.outvars))
    inside = _of_jaxpr(jaxpr)
    return Work(inside.flops, outside + inside.bytes)


def _of_jaxpr(jaxpr: Any) -> Work:
    parts = [_of_equation(equation) for equation in jaxpr.eqns]
    return Work(sum(part.flops for part in parts), sum(part.bytes for part in parts))


def _of_equation(equation: Any) -> Work:
    name = equation.primitive.name
    if name == "dot_general":
        return Work(_dot_flops(equation), _moved(equation))
    if name == "conv_general_dilated":
        return Work(_convolution_flops(equation), _moved(equation))
    inner = [_of_jaxpr(jaxpr) for jaxpr in _inner(equation)]
    if not inner:
        return Work(0.0, 0.0)
    if name == "cond":  # one of the branches; of those for platforms all do the same
        return min(inner)
    times = equation.params["length"] if name == "scan" else 1
    return Work(times * sum(x.flops for x in inner), times * sum(x.bytes for x in inner))


def _inner(equation: Any) -> Iterator[Any]:
    """The jaxprs that an equation runs; not the rule for its gradient, which is none of it."""
    for value in equation.params.values():
        for one in value if isinstance(value, list | tuple) else [value]:
            jaxpr = getattr(one, "jaxpr", one)
            if hasattr(jaxpr, "eqns"):
                yield jaxpr


def _dot_flops(equation: Any) -> float:
    left, result = equation.invars[0].aval, equation.outvars[0].aval
    (contracted, _), _ = equation.params["dimension_numbers"]
    return 2.0 * math.prod(result.shape) * math.prod(left.shape[axis] for axis in contracted)


def _convolution_flops(equation: Any) -> float:
    """Zeros between dilated pixels are not counted, those beside the image are."""
    kernel, result = equation.invars[1].aval, equation.outvars[0].aval
    features = equation.params["dimension_numbers"].rhs_spec[0]
    taps = math.prod(kernel.shape) // kernel.shape[features]
    between = math.prod(equation.params["lhs_dilation"])
    return 2.0 * math.prod(result.shape) * taps / between


def _moved(equation: Any) -> float:
    return float(sum(_size(x.aval) for x in (*equation.invars, *equation.outvars)))


def _size(array: Any) -> int:
    return math.prod(array.shape) * array.dtype.itemsize

"""Traces of `jax.profiler`, read back."""

import warnings

from jax.profiler import ProfileData


def trace_of(workdir):
    """The file of the one trace of a run."""
    (path,) = (workdir / "profile").rglob("*.xplane.pb")
    return path


def traced_steps(workdir):
    """The numbers of the steps in the one trace of a run."""
    with warnings.catch_warnings():
        # jaxlib's own on Python 3.12; as an error it would end the process.
        warnings.filterwarnings("ignore", "builtin type event_stats has no __module__")
        return [
            dict(event.stats)["step_num"]
            for plane in ProfileData.from_file(str(trace_of(workdir))).planes
            for line in plane.lines
            for event in line.events
            if event.name == "train"
        ]

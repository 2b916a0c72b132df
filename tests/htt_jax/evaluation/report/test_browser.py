"""The page in a real browser, as `benchmarks.report_page` looks at it."""

import shutil

import pytest

from benchmarks import report_page
from htt_jax.datasets.spec import H2O
from htt_jax.evaluation.report import page
from htt_jax.evaluation.report.material import gather
from htt_jax.support.errors import InputError
from tests.htt_jax.evaluation.report import cases

CHROMIUM = shutil.which("chromium")


def test_a_page_has_no_fault_in_a_browser_wide_and_narrow(tmp_path, capsys):
    path = tmp_path / "report.html"
    path.write_text(page.page(gather(*cases.make(tmp_path / "data", H2O, [5, 4], wrong=[1]))))
    if CHROMIUM is None:  # nothing can be seen, and that must be said
        with pytest.raises(InputError, match=r"^no program chromium: `apt-get install chromium`"):
            report_page.main([str(path)])
        return
    report_page.main([str(path)])
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{")]
    assert [line.split(":")[0] for line in lines] == [
        f"{width} pixels, {scheme}" for scheme in ("light", "dark") for width in (1280, 390)
    ]
    assert all(line.endswith("; nothing wrong") for line in lines)

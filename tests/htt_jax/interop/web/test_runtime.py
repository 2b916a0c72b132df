"""The npm package whose files go into a page: how it is found, and what is refused."""

import io
import json
import os
import tarfile

import pytest

from htt_jax import export
from htt_jax.interop.web import runtime
from htt_jax.support import cli
from htt_jax.support.errors import InputError

FILES = {
    "package.json": json.dumps({"name": "onnxruntime-web", "version": "1.30.0"}).encode(),
    "dist/ort.wasm.bundle.min.mjs": b"export {};",
    "dist/ort-wasm-simd-threaded.wasm": b"\0asm",
}
OLDER = FILES["package.json"].replace(b"1.30", b"1.29")


def folder(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def archive(path, files):
    with tarfile.open(path / "package.tgz", "w:gz") as written:
        for name, content in files.items():
            about = tarfile.TarInfo(f"package/{name}")
            about.size = len(content)
            written.addfile(about, io.BytesIO(content))
    return path / "package.tgz"


@pytest.mark.parametrize("kept_in", [folder, archive])
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"is not the npm package onnxruntime-web 1\.30\.0: .*package.json"),
        ({"package.json": b"{"}, r"is not the npm package onnxruntime-web 1\.30\.0: "),
        ({"package.json": b"[]"}, r"is not the npm package onnxruntime-web 1\.30\.0: "),
        (
            FILES | {"package.json": OLDER},
            r"is onnxruntime-web 1\.29\.0, expected onnxrunt.* 1\.30",
        ),
        (FILES, r"^dist/ort.wasm.bundle.min.mjs in --web-runtime=\S+ is damaged or was changed"),
    ],
)
def test_another_package_is_refused_in_a_line(tmp_path, kept_in, files, message):
    with pytest.raises(InputError, match=message) as refused:
        runtime.find(kept_in(tmp_path, files))
    assert "\n" not in str(refused.value)
    assert "give --web-runtime what `npm pack onnxruntime-web@1.30.0` writes" in str(refused.value)


def test_what_is_no_package_is_refused_in_a_line(tmp_path):
    text = tmp_path / "package.tgz"
    text.write_text("no archive")
    for path, reason in ((text, "not a gzip file"), (tmp_path / "none.tgz", "No such file")):
        with pytest.raises(InputError, match=f"--web-runtime={path} is not .*{reason}") as refused:
            runtime.find(path)
        assert "\n" not in str(refused.value)


def test_without_npm_or_network_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        InputError, match=r"there is no npm here to have onnxruntime-web 1\.30\.0 from"
    ):
        runtime.find(None)
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    npm.chmod(0o755)
    said = (
        "npm cannot have onnxruntime-web 1.30.0: npm error code ENOTFOUND; check the network, or "
    )
    with pytest.raises(InputError, match=said):
        runtime.find(None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to=onnx", "--web-runtime=x.tgz"], "--web-runtime is for --to=web; leave it away"),
        (["--to=web", "--most-loss=2"], "--most-loss is for --quantize; leave it away"),
        (
            ["--to=web", f"--web-runtime={os.devnull}"],
            f"--web-runtime={os.devnull} is not the npm ",
        ),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path, capsys, options, message):
    given = [f"--workdir={tmp_path}", f"--out={tmp_path / 'htt.html'}", *options]
    with pytest.raises(SystemExit) as ended:
        cli.run(lambda: export.main(given))
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")

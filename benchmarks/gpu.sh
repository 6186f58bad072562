#!/bin/sh
# Everything that wants a GPU, in one script under ten minutes: sh benchmarks/gpu.sh [OUTPUT.json]
# It needs PruneBench beside torch, torchvision, numpy, pydantic, safetensors, torch-pruning and filelock; the tests need
# pytest and scikit-learn as well, and are left out without them. PYTHON names another interpreter, DEVICE another device.
set -u
cd "$(dirname "$0")/.." || exit 2
output=${1:-gpu.json}
python=${PYTHON:-python3}
tests="not run: pytest or scikit-learn is not installed"
if "$python" -c "import pytest, pytest_timeout, sklearn" 2>/dev/null; then
    log=$(mktemp)
    timeout 240 "$python" -P -m pytest -q --timeout=200 tests/test_gpu.py >"$log" 2>&1
    tests="exit code $?: $(tail -n 1 "$log")"
    cat "$log"
    rm -f "$log"
fi
exec "$python" -P benchmarks/gpu.py --device "${DEVICE:-auto}" --tests "$tests" --output "$output"

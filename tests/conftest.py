"""What all tests share."""

import os

import pytest
from hypothesis import HealthCheck, settings

from stream.app.compiled import stale

if changed := stale():
    pytest.exit(f"compiled before their last change: {' '.join(changed)}; make setup", returncode=4)

# A build server runs the same examples every time, so that it fails for a change and not by
# chance; at home, and in `make soak`, they are drawn anew.
settings.register_profile(
    "ci", derandomize=True, suppress_health_check=[HealthCheck.too_slow]  # others are at work too
)
if os.environ.get("CI"):
    settings.load_profile("ci")

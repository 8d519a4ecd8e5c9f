"""How hard the laws are tried: `laws` for less than 90 s, `thorough` for ten times that."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "laws",
    max_examples=250,
    # Other work on the machine is no reason to fail; what must be fast is measured apart.
    deadline=None,
    # A fixture that starts a server or makes keys does not change from one example to the next.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
settings.register_profile("thorough", settings.get_profile("laws"), max_examples=2_500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "laws")

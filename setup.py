"""Build from the sources alone; pyproject.toml has the rest.

setuptools puts everything that stands in `build/` into a wheel, and an earlier build, or another
branch's, may have left files there. So every build has a folder of its own.
"""

import atexit
import shutil
import tempfile

from setuptools import setup

folder = tempfile.mkdtemp(prefix="tljudge-build-")
atexit.register(shutil.rmtree, folder, ignore_errors=True)
setup(options={"build": {"build_base": folder}})

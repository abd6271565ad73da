"""What pyproject.toml cannot say: the network, which is C, becomes one extension for every Python from 3.11 on."""

import runpy

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

core = runpy.run_path("build_core.py")


class Compile(build_ext):
    """Says what to install where there is no compiler, instead of failing at the first file."""

    def run(self) -> None:
        packages = core["missing"]()
        if packages:
            raise CompileError(
                f"the network is C, and this system cannot compile it. On Debian: apt install {' '.join(packages)}"
            )
        super().run()


setup(
    cffi_modules=["build_core.py:extension"],
    cmdclass={"build_ext": Compile},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)

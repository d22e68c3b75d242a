"""setup - an extension module that cimports lrkernel: no include path, nothing to link."""

import sys

from setuptools import Extension, setup

threads = ["-fopenmp"] if sys.platform == "linux" else []  # without it, prange is a plain loop

setup(
    name="simulate",
    ext_modules=[
        Extension(
            "simulate",
            ["simulate.pyx"],
            extra_compile_args=["-ffp-contract=off", *threads],  # MSVC: /fp:precise
            extra_link_args=threads,
        )
    ],
)

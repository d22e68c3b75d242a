"""setup - an extension module that uses the running lrkernel: its headers, and nothing to link."""

from setuptools import Extension, setup

import lrkernel

setup(
    name="descent",
    ext_modules=[
        Extension(
            "descent",
            ["descent.cpp"],
            include_dirs=[lrkernel.get_include()],
            extra_compile_args=["-std=c++17", "-ffp-contract=off"],  # MSVC: /std:c++17 /fp:precise
        )
    ],
)

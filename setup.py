"""setup - the one extension module and its flags per compiler family."""

import os
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# Contraction stays off: a fused multiply-add changes bits. For the same reason never -ffast-math or -march=native.
FLAGS = {
    "unix": ["-O3", "-std=c11", "-pthread", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-g0"],
    "mingw32": ["-O3", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-g0"],
    "msvc": ["/O2", "/fp:precise", "/std:c11"],
}
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


class BuildExt(build_ext):
    def build_extensions(self) -> None:
        for extension in self.extensions:
            if self.compiler.compiler_type == "unix":
                extension.extra_link_args += ["-pthread", "-lm"]
            extension.extra_compile_args += FLAGS.get(self.compiler.compiler_type, [])
            if os.environ.get("LRKERNEL_SANITIZE"):
                extension.extra_compile_args += SANITIZE
                extension.extra_link_args += SANITIZE
        super().build_extensions()


core = Extension(
    "lrkernel._core",
    ["kernels/_core.pyx", "kernels/lrk.c", "kernels/batch.c", "kernels/pool.c", "kernels/ahead.c"],
    include_dirs=["kernels", "src/lrkernel/include", "src"],
    # What is listed here triggers a rebuild and travels in the sdist, which has no MANIFEST.in.
    depends=[
        *sorted(glob("kernels/*.h") + glob("kernels/*.inc.c") + glob("kernels/*.def") + glob("kernels/*.py")),
        "src/lrkernel/_core.pxd",
        "src/lrkernel/include/lrkernel.h",
    ],
)
core.cython_c_in_temp = True  # type: ignore[attr-defined]  # the generated C stays out of kernels/

setup(ext_modules=[core], cmdclass={"build_ext": BuildExt})

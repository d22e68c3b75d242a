"""setup - the one extension module and its flags per compiler family."""

import os
import re
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# Contraction stays off: a fused multiply-add changes bits. For the same reason never -ffast-math or -march=native. Most Pythons
# build their modules with -fwrapv, which decides what gcc vectorises: said here, it is what all get and what is counted.
FLAGS = {
    "unix": ["-O3", "-std=c11", "-pthread", "-fwrapv", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-g0"],
    "mingw32": ["-O3", "-std=c11", "-fwrapv", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-g0"],
    "msvc": ["/O2", "/fp:precise", "/std:c11"],
}
# With -fwrapv no overflow would be seen.
SANITIZE = ["-O1", "-g", "-fno-wrapv", "-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"]


# What a program without Python compiles, in one file beside the header.
CORE = ["kernels/lrk.c", "kernels/cursor.c", "kernels/bytes.c", "kernels/patience.c", "kernels/sums.c"]


def in_one_file(paths: list[str], seen: set[str]) -> str:
    """C files with the files of kernels/ that they include in place; headers once."""
    found = []
    for path in paths:
        seen.add(path)
        for line in Path(path).read_text("utf-8").splitlines(keepends=True):
            name = re.match(r'#include "(.*)"', line)
            inner = f"kernels/{name[1]}" if name else ""
            if not Path(inner).is_file():
                found.append(line)
            elif inner not in seen or not inner.endswith(".h"):
                found.append(in_one_file([inner], seen))
    return "".join(found)


class BuildExt(build_ext):
    def run(self) -> None:
        super().run()
        include = Path(self.get_ext_fullpath("lrkernel._core")).parent / "include"
        include.mkdir(parents=True, exist_ok=True)
        (include / "lrkernel.c").write_text(
            f"/* lrkernel.c - {', '.join(CORE)} in one file. */\n{in_one_file(CORE, set())}", "utf-8"
        )

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
    ["kernels/_core.pyx", *CORE, "kernels/batch.c", "kernels/pool.c", "kernels/ahead.c", "kernels/laws.c"],
    include_dirs=["kernels", "src/lrkernel/include", "src"],
    # What is listed here triggers a rebuild and travels in the sdist, which has no MANIFEST.in.
    depends=[
        *sorted(glob("kernels/*.h") + glob("kernels/*.inc.c") + glob("kernels/*.def") + glob("kernels/*.py")),
        "src/lrkernel/_core.pxd",
        *sorted(glob("src/lrkernel/include/*.h")),
    ],
)
core.cython_c_in_temp = True  # type: ignore[attr-defined]  # the generated C stays out of kernels/

setup(ext_modules=[core], cmdclass={"build_ext": BuildExt})

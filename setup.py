"""Compiles the way of an event, where this machine can; without it everything runs the same.

What is compiled are the modules named in `compiled.txt`, by mypyc, from the very sources that
run otherwise. All else of the package is said in `pyproject.toml`. DRIFTLINE_COMPILE=0 leaves
it away; with 1 what mypyc objects to ends the build, and does not only leave it away.
"""

import os
import sys
import tempfile
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.errors import CompileError, ExecError, LinkError, PlatformError

# River's types would have to be read for minutes and say little: to mypyc they are any objects.
MYPY = """[mypy]
ignore_missing_imports = True
follow_imports = silent
[mypy-river.*]
follow_imports = skip
"""

# Sums have the bits that Python gives them, also where a processor could add and multiply at once.
SAME_BITS = ["-ffp-contract=off"] if os.name == "posix" else []


def can_compile() -> str:
    """Try a compiler on a file that needs Python's headers; says what is in the way, or ""."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <Python.h>\nPyMODINIT_FUNC PyInit_probe(void) { return 0; }\n")
        probe = Distribution({"ext_modules": [Extension("probe", [str(source)])]})
        command = probe.get_command_obj("build_ext")
        command.build_lib = command.build_temp = folder
        try:
            command.ensure_finalized()
            command.run()
        except (CompileError, ExecError, LinkError, PlatformError) as error:
            return f"no C compiler, or no headers of Python ({error})"
    return ""


def extensions() -> list[Extension]:
    """Give what is to be compiled; [] where it cannot be."""
    if os.environ.get("DRIFTLINE_COMPILE") == "0":
        return []
    try:
        from mypyc.build import mypycify
    except ImportError:
        return _without("mypy is not installed")
    if obstacle := can_compile():
        return _without(obstacle)
    modules = Path("compiled.txt").read_text().split()
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "mypy.ini")
        settings.write_text(MYPY)
        arguments = ["--config-file", str(settings), *modules]
        try:
            made = mypycify(arguments, group_name="driftline", multi_file=True, debug_level="0")
        except SystemExit:  # types of a library that it needs are missing here, or have changed
            if os.environ.get("DRIFTLINE_COMPILE") == "1":
                raise
            return _without("mypyc does not take these sources here")
    for extension in made:
        extension.extra_compile_args += SAME_BITS
    return list(made)


def _without(reason: str) -> list[Extension]:
    print(f"driftline stays plain Python, with the same results, slower: {reason}", file=sys.stderr)
    return []


setup(ext_modules=extensions())

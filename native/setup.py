"""What is compiled: one extension on Python's stable ABI, so that one wheel is for 3.11 and all that follow."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "streamlake_native._native",
            [f"src/{name}.c" for name in ("module", "bytes", "reader", "decoder", "json", "lines")],
            depends=["src/native.h", "src/json.h"],
            define_macros=[("Py_LIMITED_API", "0x030b0000")],
            extra_compile_args=["-O3", "-std=c11", "-Wall", "-Wextra"],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)

"""Wrong variants of a module, to see whether a test would notice."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType


@contextmanager
def mutated(module: ModuleType, old: str, new: str) -> Iterator[None]:
    """Let the functions and methods of a module do what they would if its text read otherwise.

    Args:
        module: to change for a while.
        old: a piece of its text.
        new: what stands there instead.
    """
    source = inspect.getsource(module)
    assert source.count(old) >= 1, f"{module.__name__} has no {old!r}"
    variant: dict[str, object] = {"__name__": module.__name__}
    exec(compile(source.replace(old, new), str(module.__file__), "exec"), variant)  # noqa: S102 - our own text
    mine = {function.__qualname__: function for function in _functions(vars(module), module)}
    kept = {name: function.__code__ for name, function in mine.items()}
    for function in _functions(variant, module):
        mine[function.__qualname__].__code__ = function.__code__
    try:
        yield
    finally:
        for name, code in kept.items():
            mine[name].__code__ = code


def _functions(names: dict[str, object], module: ModuleType) -> Iterator[FunctionType]:
    for value in list(names.values()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        for member in [value, *vars(value).values()] if isinstance(value, type) else [value]:
            function = getattr(member, "__func__", member)
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                yield function

"""The docstrings of the fields of our classes, which Python forgets."""

import ast
import inspect
from functools import cache
from itertools import pairwise


@cache
def notes(of: type) -> dict[str, str]:
    """The docstrings of the fields of a class and of its bases, by name."""
    found: dict[str, str] = {}
    for each in reversed(of.__mro__):
        if not each.__module__.startswith(("denizen.", "services.")):
            continue
        (node,) = ast.parse(inspect.getsource(each)).body
        assert isinstance(node, ast.ClassDef)
        for field, note in pairwise(node.body):
            match field, note:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = text
                case _:
                    pass
    return found

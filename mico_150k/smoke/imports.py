"""The imports that starting a script performs, followed through a clone's own code.

They are read from the syntax trees and nothing is imported here. Only what always runs counts:
not what is inside functions, below a condition, or in a `try` that expects an `ImportError`.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_MAIN = "__main__"


@dataclass(frozen=True, slots=True)
class Import:
    """`from module import name` (or `import module`, with name "") at a line of the clone.

    Line 0: a file asks for it in another way.
    """

    module: str
    name: str
    file: str
    line: int

    @property
    def package(self) -> str:
        """The top-level package."""
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        said = f"from {self.module} import {self.name}" if self.name else f"import {self.module}"
        if not self.line:
            return f"`{said}` ({self.file})"
        return f"`{said}` ({self.file}, line {self.line})"


def foreign_imports(clone: Path, roots: Sequence[str], files: Iterable[str]) -> list[Import]:
    """Return what these files import, themselves and through the clone, from outside of it.

    Args:
        clone: The clone's folder.
        roots: Folders in it from which its own modules are imported, in order.
        files: Where to begin; the first is the script that is run.

    Raises:
        SyntaxError: A file of the clone cannot be parsed by this Python.
    """
    walk = _Walk(clone, [clone / root for root in roots])
    for place, file in enumerate(files):
        walk.read(clone / file, _MAIN if place == 0 else walk.name_of(clone / file))
    return walk.found


@dataclass(slots=True)
class _Walk:
    clone: Path
    roots: list[Path]
    found: list[Import] = field(default_factory=list)
    _read: set[Path] = field(default_factory=set)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def read(self, file: Path, name: str) -> None:
        """Follow the imports of a file; `name` is its module's."""
        if file in self._read:
            return
        self._read.add(file)
        tree = ast.parse(file.read_bytes(), str(file))
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for node in _always(tree.body, is_main=name == _MAIN):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._import(alias.name, "", file, node.lineno)
            else:
                module = _absolute(node, package)
                for alias in node.names:
                    self._import(module, alias.name, file, node.lineno)

    def name_of(self, file: Path) -> str:
        """A file's module, by the first root that holds it."""
        for root in self.roots:
            if file.is_relative_to(root):
                parts = file.relative_to(root).with_suffix("").parts
                return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        return _MAIN

    def _import(self, module: str, name: str, file: Path, line: int) -> None:
        top = module.partition(".")[0]
        if self._is_local(top):
            self._follow(module)
            if name:
                self._follow(f"{module}.{name}")
        elif top not in sys.stdlib_module_names and (module, name) not in self._seen:
            self._seen.add((module, name))
            at = file.relative_to(self.clone).as_posix()
            self.found.append(Import(module, "" if name == "*" else name, at, line))

    def _is_local(self, top: str) -> bool:
        """Whether the clone has such a module, and not only a folder of that name."""
        return any(
            (root / f"{top}.py").is_file()
            or any(next((root / top).glob(pattern), None) for pattern in ("*.py", "*/*.py"))
            for root in self.roots
        )

    def _follow(self, module: str) -> None:
        """Read a module of the clone, and the packages around it."""
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            place = Path(*parts[:end])
            for root in self.roots:
                files = (root / place / "__init__.py", (root / place).with_suffix(".py"))
                if file := next((file for file in files if file.is_file()), None):
                    self.read(file, ".".join(parts[:end]))
                    break


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that a `from` names, from inside a package."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _always(body: Iterable[ast.stmt], *, is_main: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports among statements that run whenever the module is imported."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If):
            if is_main and _MAIN in ast.dump(node.test):
                yield from _always(node.body, is_main=is_main)
        elif isinstance(node, ast.Try):
            if not any(_expects_failure(handler) for handler in node.handlers):
                yield from _always([*node.body, *node.orelse], is_main=is_main)
            yield from _always(node.finalbody, is_main=is_main)
        elif isinstance(node, ast.With | ast.For | ast.While | ast.ClassDef):
            yield from _always(node.body, is_main=is_main)


def _expects_failure(handler: ast.ExceptHandler) -> bool:
    names = (
        {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
        if (handler.type)
        else _CAUGHT
    )
    return bool(names & _CAUGHT)

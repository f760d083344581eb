"""What the code never does, where neither linter nor import contracts can see it. Read from the syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "crossover"
FILES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 600
MOST_FUNCTION_LINES = 60

# Calls that touch the world: not while a module is being imported.
OPENERS = frozenset({"open", "socket", "create_connection", "urlopen", "connect", "Client", "AsyncClient", "Session"})
READERS = frozenset(
    {"read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "iterdir", "glob", "rglob"}
)
CHANGERS = frozenset(
    {"append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "remove", "discard", "clear"}
    | {"sort", "reverse", "appendleft"}
)
# Longer than a function should be, each for one reason.
LONG = {
    "cli/eval.py:run": "one parameter per flag is how the command line library is told of them",
    "cli/plan.py:plan": "one parameter per flag is how the command line library is told of them",
    "cli/loadtest.py:loadtest": "one parameter per flag is how the command line library is told of them",
    "capacity/replica.py:replay": "the inner loop of the simulator: calls inside it would cost more than its work",
}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when a module is imported: of functions only their defaults and decorators."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        children: list[ast.AST] = [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
    elif isinstance(node, ast.Lambda):
        children = []
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from run_at_import(child)


def called(node: ast.Call) -> str:
    """The last name of what is called: ``open`` of ``Path(x).open()``."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def touches_of(tree: ast.Module) -> list[str]:
    calls = [node for node in run_at_import(tree) if isinstance(node, ast.Call)]
    return [f"line {node.lineno}: {called(node)}" for node in calls if called(node) in OPENERS | READERS]


def mutable_globals(tree: ast.Module) -> dict[str, int]:
    """Names at module level that hold a list, a dict or a set, with their lines."""
    found: dict[str, int] = {}
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        literal = isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)
        made = isinstance(value, ast.Call) and called(value) in {
            "list",
            "dict",
            "set",
            "defaultdict",
            "deque",
            "Counter",
        }
        if literal or made:
            found.update({target.id: node.lineno for target in targets if isinstance(target, ast.Name)})
    return found


def changes_of(tree: ast.Module, names: dict[str, int]) -> list[str]:
    """Where one of these names is changed: by a method, by an item set or deleted, by ``+=``, or by ``global``."""
    local = {
        arg.arg for node in ast.walk(tree) if isinstance(node, ast.arguments) for arg in (*node.args, *node.kwonlyargs)
    }
    found: list[str] = []
    for node in ast.walk(tree):
        holder: ast.AST | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGERS:
            holder = node.func.value
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            holder = node.value
        elif isinstance(node, ast.AugAssign):
            holder = node.target
        elif isinstance(node, ast.Global):
            found += [f"line {node.lineno}: global {name}" for name in node.names]
        if isinstance(holder, ast.Name) and holder.id in names and holder.id not in local:
            found.append(f"line {node.lineno}: {holder.id} is changed")  # type: ignore[attr-defined]
    return found


def broad_catches(tree: ast.Module) -> list[str]:
    def broad(kind: ast.expr | None) -> bool:
        kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
        return any(one is None or getattr(one, "id", "") in {"Exception", "BaseException"} for one in kinds)

    return [f"line {n.lineno}" for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and broad(n.type)]


def environment_reads(tree: ast.Module) -> list[str]:
    names = {"environ", "environb", "getenv", "putenv"}
    return [
        f"line {node.lineno}"
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in names and getattr(node.value, "id", "") == "os")
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and any(row.name in names for row in node.names))
    ]


def functions_of(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every function with its length in lines, without decorators and docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            prose = (first.end_lineno or first.lineno) - first.lineno + 1 if text else 0
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1 - prose


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nevers(path: Path) -> None:
    tree = tree_of(path)
    assert not touches_of(tree), "import opens no file, no socket and no client"
    assert not changes_of(tree, mutable_globals(tree)), "nothing changes at module level after import"
    if name_of(path) not in {"cli/main.py", "gateway/app.py"}:
        assert not broad_catches(tree), "only the outermost door catches everything"
    if name_of(path) != "config/places.py":
        assert not environment_reads(tree), "only config.py reads the environment"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_sizes(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MOST_LINES, f"{lines} lines: a file is one noun"
    for name, length in functions_of(tree_of(path)):
        if f"{name_of(path)}:{name}" not in LONG:
            assert length <= MOST_FUNCTION_LINES, f"{name} has {length} lines"


def test_the_list_of_long_functions_holds_no_more_than_it_must() -> None:
    for place in LONG:
        path, _, name = place.partition(":")
        lengths = dict(functions_of(tree_of(SOURCE / path)))
        assert lengths.get(name, 0) > MOST_FUNCTION_LINES, f"{place} is short enough now: take it off the list"


@pytest.mark.parametrize(
    "code",
    [
        "TEXT = open('a').read()",
        "from pathlib import Path\nTEXT = Path('a').read_text()",
        "class A:\n    text = Path('a').open()",
        "def f(a=open('x')):\n    pass",
        "if True:\n    client = httpx.Client()",
    ],
)
def test_io_at_import_is_seen(code: str) -> None:
    assert touches_of(ast.parse(code))


def test_io_in_functions_is_fine() -> None:
    assert not touches_of(ast.parse("def f():\n    return open('a')\nread = lambda: open('a')"))


@pytest.mark.parametrize(
    "change", ["A.append(1)", "A[0] = 1", "A += [1]", "del A[0]", "A.update({})", "def f():\n    global A\n    A = 1"]
)
def test_a_changed_global_is_seen(change: str) -> None:
    tree = ast.parse(f"A = []\n{change}")
    assert changes_of(tree, mutable_globals(tree))


def test_a_global_that_is_only_read_is_fine() -> None:
    tree = ast.parse("A = {1: 2}\ndef f(key):\n    rows = []\n    rows.append(A[key])\n    return rows")
    assert not changes_of(tree, mutable_globals(tree))


@pytest.mark.parametrize("kind", ["", " Exception", " (ValueError, BaseException)", " Exception as error"])
def test_a_broad_catch_is_seen(kind: str) -> None:
    assert broad_catches(ast.parse(f"try:\n    pass\nexcept{kind}:\n    pass"))


@pytest.mark.parametrize("code", ["os.environ['A']", "os.getenv('A')", "from os import environ"])
def test_reading_the_environment_is_seen(code: str) -> None:
    assert environment_reads(ast.parse(code))

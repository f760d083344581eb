"""The pages keep up with the product: commands, flags, settings and errors are written down, and links lead on."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from crossover import errors
from crossover.cli.main import COMMANDS
from crossover.config import SETTINGS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
PAGE_OF = {"privacy": "privacy-scan"}  # privacy.md tells of the gateway's privacy as a whole
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def command_of(name: str) -> Any:
    return typer.main.get_command(import_module(COMMANDS[name][0]).app)


def page_of(name: str) -> Path:
    """The page of a command."""
    return DOCS / f"{PAGE_OF.get(name, name)}.md"


def flags_of(command: Any) -> list[str]:
    """Every flag of a command and of the commands below it."""
    own = [flag for param in command.params for flag in (*param.opts, *param.secondary_opts) if flag.startswith("-")]
    return own + [flag for below in getattr(command, "commands", {}).values() for flag in flags_of(below)]


def mentions(page: str, flag: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", page) is not None


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page_with_every_flag(name: str) -> None:
    page = page_of(name).read_text(encoding="utf-8")
    assert page.startswith(f"# `crossover {name}`")
    missing = sorted({flag for flag in flags_of(command_of(name)) if not mentions(page, flag)})
    assert not missing, f"{page_of(name)} does not mention {', '.join(missing)}"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_names_no_flag_that_is_gone(name: str) -> None:
    """In tables, where flags of this very command are explained."""
    page = page_of(name).read_text(encoding="utf-8")
    cells = " ".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `-"))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", cells))
    assert named <= set(flags_of(command_of(name)))


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_below_a_command_are_on_its_page(name: str) -> None:
    page = page_of(name).read_text(encoding="utf-8")
    for below in getattr(command_of(name), "commands", {}):
        assert f"crossover {name} {below}" in page


def test_every_command_and_flag_explains_itself() -> None:
    for name in COMMANDS:
        command = command_of(name)
        for part in (command, *getattr(command, "commands", {}).values()):
            assert all(param.help for param in part.params if param.param_type_name == "option"), name


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_written_down(name: str) -> None:
    assert f"`{name}`" in (DOCS / "settings.md").read_text(encoding="utf-8")


def test_every_error_is_written_down() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    for name, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, errors.CrossoverError):
            assert name in page
            assert f"`{cls.kind}`" in page


def targets_of(path: Path) -> list[str]:
    """The places in this repository that a page links to."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    links = [first or second for first, second in LINK.findall(text)]
    return [link for link in links if not re.match(r"[a-z]+:", link)]


def anchors_of(path: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in targets_of(page):
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{link} of {page.name} leads nowhere"
        if anchor and target.suffix == ".md":
            assert anchor in anchors_of(target), f"{link} of {page.name}: no such heading"


def test_links_are_found_and_code_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text("# A b\n[one](b.md) ![two](c.png) [far](https://x.y)\n```text\n[no](d.md)\n```\n[here](#a-b)\n")
    assert targets_of(page) == ["b.md", "c.png", "#a-b"]
    assert anchors_of(page) == {"a-b"}

"""The plan as one HTML file: works offline, asks the network for nothing, and runs no script but its own.

A Content-Security-Policy in the page allows exactly the scripts and the style sheet written into it, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from string import Template

import msgspec

from crossover.planner.words import Plan
from crossover.reports import files, sections
from crossover.reports.markup import Markup, escape, tag

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
$policy
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>$title</title>
<link rel="icon" href="data:,">
<style>$style</style>
</head>
<body>
$body
<script type="application/json" id="plan">$plan</script>
<script type="application/json" id="view">$view</script>
<script>$library</script>
<script>$script</script>
</body>
</html>
""")
# Inside a script element only these can end it or change how it is read; U+2028 and U+2029 end a line in older engines.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def page(plan: Plan) -> str:
    """The whole report as one HTML document; the plan itself is in it as JSON (element ``plan``)."""
    style, library, script = (asset(name) for name in ("report.css", "echarts.common.min.js", "report.js"))
    policy = (
        f"default-src 'none'; script-src {hashed(library)} {hashed(script)}; style-src {hashed(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return _PAGE.substitute(
        policy=tag("meta", http_equiv="Content-Security-Policy", content=policy),
        title=escape(f"Crossover plan: {plan.verdict.headline}"),
        style=style,
        body=sections.body(plan),
        plan=embedded(plan),
        view=embedded(sections.drawn(plan)),
        library=library,
        script=script,
    )


def still(title: str, body: Markup, *styles: str) -> str:
    """A page that runs no script: its Content-Security-Policy allows exactly its own style sheets, named by file."""
    style = Markup("".join(asset(name) for name in styles))
    policy = f"default-src 'none'; style-src {hashed(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="referrer", content="no-referrer"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("style", style),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', body), lang='en')}\n"


def write(plan: Plan, path: Path) -> Path:
    """Write the report to ``path``, whole or not at all, and return the place. Raises FileError."""
    return files.write(path, page(plan))


def embedded(value: object) -> Markup:
    """A value as JSON that cannot end the script element it stands in."""
    text = msgspec.json.encode(value).decode()
    return Markup("".join(_UNSAFE.get(char, char) for char in text))


def asset(name: str) -> Markup:
    """A file of ``assets`` as it is."""
    return Markup(resources.files("crossover.reports").joinpath("assets", name).read_text(encoding="utf-8"))


def hashed(text: str) -> str:
    """The source expression of a Content-Security-Policy that allows exactly this text."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"

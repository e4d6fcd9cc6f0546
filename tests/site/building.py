"""Markdown in, HTML out, each link followed: to a page, to a heading of it, or to a file."""

import html
import posixpath
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.site.reference import reference

FIRST = "README.md"
REFERENCE = "docs/api.md"
"""Made from the OpenAPI document; nobody writes it by hand."""

_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { display: grid; grid-template-columns: 15rem minmax(0, 52rem); gap: 2rem; margin: 1rem;
  font: 1rem/1.5 system-ui, sans-serif; }
nav { font-size: .9rem; border-right: 1px solid var(--line); }
nav a { display: block; padding: .1rem 0; }
pre { overflow-x: auto; padding: .7rem; border: 1px solid var(--line); }
table { display: block; overflow-x: auto; border-collapse: collapse; }
td, th { border: 1px solid var(--line); padding: .2rem .5rem;
  text-align: left; vertical-align: top; }
@media (max-width: 50rem) { body { display: block; } }
"""


class DeadLinks(Exception):  # noqa: N818 - that is what they are
    """Some links lead nowhere; `links` says which, one sentence each."""

    def __init__(self, links: Sequence[str]) -> None:
        """Keep them."""
        super().__init__("; ".join(links))
        self.links = list(links)


@dataclass(frozen=True)
class Page:
    """One page: its path below the root, its title, its tokens and the anchors of its headings."""

    path: str
    title: str
    tokens: list[Token]
    anchors: frozenset[str]

    @property
    def target(self) -> str:
        """Where it stands in the site."""
        return "index.html" if self.path == FIRST else self.path.removesuffix(".md") + ".html"


def build(root: Path, folder: Path) -> list[str]:
    """Write the site into `folder`; answers its pages.

    Raises:
        DeadLinks: a link leads nowhere; nothing is written.
    """
    paths = sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])
    texts = {str(one.relative_to(root)): one.read_text(encoding="utf-8") for one in paths}
    texts[REFERENCE] = reference()
    reader = MarkdownIt("commonmark").enable("table")
    pages = {path: _page(path, reader.parse(text)) for path, text in texts.items()}
    files: set[str] = set()
    dead = [told for page in pages.values() for told in _lead(page, pages, root, files)]
    if dead:
        raise DeadLinks(dead)
    for page in pages.values():
        target = folder / page.target
        target.parent.mkdir(parents=True, exist_ok=True)
        body = str(reader.renderer.render(page.tokens, reader.options, {}))
        target.write_text(_document(page, pages, body), encoding="utf-8")
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / file, folder / file)
    return list(pages)


def _page(path: str, tokens: list[Token]) -> Page:
    title, anchors, seen = path, set[str](), Counter[str]()
    for number, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        text = _plain(tokens[number + 1])
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        seen[slug] += 1
        anchor = slug if seen[slug] == 1 else f"{slug}-{seen[slug] - 1}"
        token.attrs["id"] = anchor
        anchors.add(anchor)
        if token.tag == "h1" and title == path:
            title = text
    return Page(path, title, tokens, frozenset(anchors))


def _plain(inline: Token) -> str:
    return "".join(one.content for one in inline.children or ())


def _lead(page: Page, pages: Mapping[str, Page], root: Path, files: set[str]) -> list[str]:
    """Turn the links of a page to where they lead in the site; tell those that lead nowhere."""
    dead: list[str] = []
    inlines = (child for token in page.tokens for child in token.children or ())
    for token in inlines:
        name = {"link_open": "href", "image": "src"}.get(token.type)
        link = str(token.attrs.get(name, "")) if name else ""
        if not name or re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        place = posixpath.normpath(posixpath.join(posixpath.dirname(page.path), path))
        aim = page if not path else pages.get(place)
        if aim is not None:
            if anchor and anchor not in aim.anchors:
                dead.append(f"{page.path}: {link}: {aim.path} has no such heading")
            turned = posixpath.relpath(aim.target, posixpath.dirname(page.target) or ".")
            token.attrs[name] = f"{turned}#{anchor}" if anchor else turned
        elif (root / place).is_file() and not place.startswith(".."):
            files.add(place)
            token.attrs[name] = posixpath.relpath(place, posixpath.dirname(page.target) or ".")
        elif not (root / place).is_dir():
            dead.append(f"{page.path}: {link}: there is no such page or file")
    return dead


def _document(page: Page, pages: Mapping[str, Page], body: str) -> str:
    here = posixpath.dirname(page.target) or "."
    links = "".join(
        f'<a href="{posixpath.relpath(one.target, here)}">{html.escape(one.title)}</a>'
        for one in sorted(pages.values(), key=lambda one: (one.path != FIRST, one.path))
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(page.title)}</title><style>{_STYLE}</style></head>"
        f"<body><nav>{links}</nav><main>{body}</main></body></html>\n"
    )

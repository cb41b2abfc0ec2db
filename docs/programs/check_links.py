"""Check the internal links of the built documentation: files and anchors.

Run it after a build: python docs/programs/check_links.py docs/_build/html

Every href and src of every page that is no address of another site has to lead to a file, and
its fragment to an element of that page. What does not is printed, and the exit status is 1.
"""

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self):
        super().__init__()
        self.links, self.anchors = set(), {""}

    def handle_starttag(self, tag, attrs):
        """Note what an element refers to, and by which names it can be referred to."""
        for name, value in attrs:
            if value and (name in ("id", "name")):
                self.anchors.add(value)
            elif value and name in ("href", "src"):
                self.links.add(value)


@cache
def read(path):
    """Return the links and anchors of a file."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def fault(page, link):
    """Return what is wrong with a link of a page, or None."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if path.is_dir():
        path /= "index.html"
    if not path.exists():
        return "no such file"
    is_page = path.suffix == ".html" and parts.fragment
    if is_page and unquote(parts.fragment) not in read(path).anchors:
        return "no such anchor"
    return None


def check(folder):
    """Return the faults of all pages, as lines."""
    lines = []
    pages = [page for page in folder.rglob("*.html") if "_static" not in page.parts]
    for page in sorted(pages):
        for link in sorted(read(page).links):
            found = fault(page, link)
            if found:
                lines.append(f"{page.relative_to(folder)}: {link}: {found}")
    return lines


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1], "index.html").is_file():
        sys.exit("Usage: python docs/programs/check_links.py FOLDER_OF_BUILT_HTML")
    faults = check(Path(sys.argv[1]).resolve())
    print("\n".join([*faults, f"{len(faults)} broken links"]))
    sys.exit(bool(faults))

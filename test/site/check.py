#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks a site that was made into a folder: check.py FOLDER [PAGE...]

These pages must be there. Every link to the site itself must lead to a file, and to an anchor that is there. Nothing may be
loaded from another host. It reads files only, so it needs no server.
"""

import html.parser
import pathlib
import re
import sys
import urllib.parse

# What a browser loads by itself, by element and attribute. A link of a text is followed by a reader.
LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("source", "srcset"), ("object", "data")}
LOADED_RELATIONS = {"stylesheet", "preload", "prefetch", "preconnect", "dns-prefetch", "icon", "modulepreload", "manifest"}
# Doxygen links to the classes of a page also where it lists none.
KNOWN = {"#nested-classes"}
STYLE_URL = re.compile(r"""(?:@import\s+|url\()\s*["']?((?:https?:)?//[^"')]+)""")


class Page(html.parser.HTMLParser):
    """The anchors of a page, its links with their lines, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.anchors = set()
        self.links = []
        self.loads = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors.update(given[key] for key in ("id", "name") if given.get(key))
        for key, value in attributes:
            if not value or key not in ("href", "src", "srcset", "data"):
                continue
            relations = set((given.get("rel") or "").split())
            is_loaded = (tag, key) in LOADED or (tag == "link" and relations & LOADED_RELATIONS)
            (self.loads if is_loaded else self.links).append((self.getpos()[0], value))


class Checker:
    def __init__(self, folder):
        self.folder = folder
        self.pages = {path: Page(path) for path in sorted(folder.rglob("*.html"))}
        self.faults = []
        self.checked = 0

    def fault(self, path, line, text):
        self.faults.append(f"{path.relative_to(self.folder)}:{line}: {text}")

    def check(self):
        for path, page in self.pages.items():
            for line, target in page.links:
                self.check_link(path, line, target)
            for line, target in page.loads:
                if urllib.parse.urlsplit(target).netloc:
                    self.fault(path, line, f"is loaded from another host: {target}")
                else:
                    self.check_link(path, line, target)
        for path in self.folder.rglob("*.css"):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                for url in STYLE_URL.findall(line):
                    self.fault(path, number, f"is loaded from another host: {url}")

    def check_link(self, path, line, target):
        parts = urllib.parse.urlsplit(target)
        if parts.scheme or parts.netloc:
            return
        self.checked += 1
        # The page of an error is shown at any address, so its links begin at the root.
        start = self.folder if parts.path.startswith("/") else path.parent
        there = (start / urllib.parse.unquote(parts.path).lstrip("/")).resolve() if parts.path else path
        if there.is_dir():
            there = there / "index.html"
        if not there.is_file():
            self.fault(path, line, f"leads to no file: {target}")
        elif parts.fragment and there in self.pages:
            # A browser takes "#top" for the beginning of a page.
            anchor = urllib.parse.unquote(parts.fragment)
            is_there = anchor in self.pages[there].anchors or anchor == "top"
            if not is_there and target not in KNOWN:
                self.fault(path, line, f"leads to no anchor: {target}")


def main(arguments):
    if len(arguments) < 2:
        print("usage: check.py FOLDER [PAGE...]", file=sys.stderr)
        return 2
    checker = Checker(pathlib.Path(arguments[1]).resolve())
    for name in arguments[2:]:
        page = checker.folder / name
        if page not in checker.pages:
            checker.fault(page, 1, "is not there")
    checker.check()
    for fault in checker.faults:
        print(fault)
    print(f"{len(checker.pages)} pages, {checker.checked} links, {len(checker.faults)} faults")
    return 1 if checker.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

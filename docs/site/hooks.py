# SPDX-License-Identifier: BSL-1.0
"""What MkDocs has to know about the pages, which are written for a code host, and stay as they are.

The README and its neighbours become pages. Links are made for the place that a page has in the site. Headings get the
anchors that a code host gives them.
"""

import logging
import os
import posixpath
import re
import warnings

from mkdocs.structure.files import File
from mkdocs.structure.nav import Link

# Debian's jinja2 warns of its own code.
warnings.filterwarnings("ignore", category=DeprecationWarning, module="jinja2")

# A warning here is one of the build, which fails by it.
log = logging.getLogger("mkdocs.plugins.pool")

# Pages of the top folder. The README is the first page.
TOP_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")

FENCE = re.compile(r"^ *(```+|~~~+)")
COMMENT = re.compile(r"^ *<!--.*-->$")
MARKDOWN_LINK = re.compile(r"\[([^][]*)\]\(([\w./-]+)(#[\w.-]*)?\)")
HTML_LINK = re.compile(r'<a href="([\w./-]+)(#[\w.-]*)?">(.*?)</a>')


def on_config(config):
    config["mdx_configs"].setdefault("toc", {})["slugify"] = anchor
    return config


def anchor(heading, separator):
    """The anchor of a heading, as GitHub and GitLab make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def on_files(files, config):
    """Adds the pages of the top folder, and leaves out what the site is made by."""
    for file in list(files):
        is_tool = file.src_uri.startswith("site/") and not file.src_uri.endswith(".css")
        if is_tool or file.src_uri.endswith(".dot"):
            files.remove(file)
    top = os.path.dirname(config["config_file_path"])
    for name in TOP_PAGES:
        files.append(File(name, top, config["site_dir"], config["use_directory_urls"]))
    return files


def on_nav(nav, config, files):
    """Adds the reference, which Doxygen makes in the same folder, and which MkDocs therefore does not know."""
    listed = {page.file.src_uri for page in nav.pages}
    for file in files.documentation_pages():
        if file.src_uri not in listed:
            log.warning("mkdocs.yml does not name the page %s", file.src_uri)
    nav.items.append(Link("Reference", "reference/index.html"))
    return nav


def on_page_markdown(markdown, page, config, files):
    """Removes comments, and makes links for the site. Code stays as it is."""
    top = os.path.dirname(config["config_file_path"])
    lines = []
    fence = None
    for line in markdown.split("\n"):
        mark = FENCE.match(line)
        if mark and fence in (None, mark.group(1)):
            fence = None if fence else mark.group(1)
        elif fence is None:
            if COMMENT.match(line):
                continue
            line = HTML_LINK.sub(r"[\3](\1\2)", line)
            line = MARKDOWN_LINK.sub(lambda link: moved(link, page, top), line)
        lines.append(line)
    return "\n".join(lines)


def moved(link, page, top):
    """A link for the site. A file that is no part of the site is named instead, because no link would reach it."""
    text, target, fragment = link.group(1), link.group(2), link.group(3) or ""
    is_top_page = page.file.src_uri in TOP_PAGES
    path = posixpath.normpath(posixpath.join("" if is_top_page else "docs", posixpath.dirname(page.file.src_uri), target))
    if path.startswith("docs/"):
        there = path[len("docs/") :]
    elif path in TOP_PAGES:
        there = path
    elif os.path.exists(os.path.join(top, path)):
        return f"`{path}`" if text == path else f"{text} (`{path}`)"
    else:
        return link.group(0)  # MkDocs reports it
    return f"[{text}]({posixpath.relpath(there, posixpath.dirname(page.file.src_uri) or '.')}{fragment})"

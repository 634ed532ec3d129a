#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Opens the pages of a site in a browser, at the widths of a phone and of a desk: widths.py CHROMIUM FOLDER

No page may be wider than the window: what is wide, such as a table or code, has to scroll by itself. One page opens all
the others in frames, and measures them when they have loaded.
"""

import html
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

WIDTHS = (390, 1280)

OPENER = """<!doctype html><body><pre id="result"></pre>FRAMES<script>
onload = () => {
    const found = [];
    for (const frame of document.querySelectorAll("iframe")) {
        const root = frame.contentDocument.documentElement;
        found.push([frame.getAttribute("src"), frame.contentWindow.innerWidth, root.scrollWidth, root.querySelectorAll("h1").length]);
    }
    document.getElementById("result").textContent = JSON.stringify(found);
};
</script>"""
FRAME = '<iframe src="{}" style="width: {}px; height: 800px; border: 0"></iframe>'

# A browser that hangs is a fault.
PATIENCE = 120


def measure(chromium, pages, width):
    frames = "".join(FRAME.format(page.as_uri(), width) for page in pages)
    with tempfile.TemporaryDirectory() as scratch:
        opener = pathlib.Path(scratch, "opener.html")
        opener.write_text(OPENER.replace("FRAMES", frames), encoding="utf-8")
        command = [chromium, "--headless", "--disable-gpu", "--allow-file-access-from-files", "--no-first-run",
            f"--user-data-dir={scratch}/profile", "--window-size=1400,1000", "--dump-dom", opener.as_uri()]
        if os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # Chromium has none for root
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=PATIENCE)
    return json.loads(html.unescape(re.search(r'<pre id="result">(.*?)</pre>', run.stdout.decode(), re.S).group(1)))


def main(arguments):
    if len(arguments) != 3:
        sys.exit("usage: widths.py CHROMIUM FOLDER")
    folder = pathlib.Path(arguments[2]).resolve()
    pages = [page for page in sorted(folder.glob("*.html")) if page.name != "404.html"]
    faults = 0
    for width in WIDTHS:
        found = measure(arguments[1], pages, width)
        for url, window, needed, titles in found:
            if window != width or needed > width or titles != 1:
                faults += 1
                print(f"{url}: at {width} pixels its window has {window}, it needs {needed}, and has {titles} titles")
        if not pages or len(found) != len(pages):
            sys.exit("the browser did not open all pages")
    print(f"{len(pages)} pages at {len(WIDTHS)} widths, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

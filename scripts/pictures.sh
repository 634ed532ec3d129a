#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Makes an SVG of each docs/pictures/*.dot, beside it. Commit both.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The font decides how wide a box is. Viewers that lack it have one of the same widths: Arial or Helvetica.
require dot -- graphviz fonts-liberation
cd "$root/docs/pictures"

for source in *.dot; do
    picture=${source%.dot}.svg
    dot -Tsvg "$source" >"$picture.part"
    # Without the version of dot, the same picture is the same file.
    {
        echo '<!-- SPDX-License-Identifier: BSL-1.0 -->'
        echo "<!-- Made of $source by scripts/pictures.sh. Do not edit it. -->"
        sed -n '/^<svg/,$p' "$picture.part"
    } >"$picture"
    rm "$picture.part"
    say "docs/pictures/$picture"
done

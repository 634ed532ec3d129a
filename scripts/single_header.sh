#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Writes the library as twelve headers into a directory, build/single_header by default:
#   pool.hpp       <pool/pool.hpp>, <pool/sharded_pool.hpp> and <pool/adapters/handle.hpp>, with all that they include
#   pool_asio.hpp  what <pool/asio.hpp> adds. It is a file of its own because Boost.Asio takes long to compile.
#   pool_inspect.hpp  what <pool/inspect.hpp> and <pool/report.hpp> add. They need range-v3.
#   pool_fmt.hpp   what <pool/fmt.hpp> adds. It needs {fmt}.
#   pool_prometheus.hpp  what <pool/metrics/prometheus.hpp> adds. It needs prometheus-cpp.
#   pool_libpq.hpp  what <pool/adapters/libpq.hpp> adds. It needs libpq.
#   pool_libpq_asio.hpp  what <pool/adapters/libpq_asio.hpp> adds. It needs libpq and Boost.Asio.
#   pool_hiredis.hpp  what <pool/adapters/hiredis.hpp> adds. It needs hiredis.
#   pool_beast.hpp  what <pool/adapters/beast.hpp> adds. It needs Boost.Beast, and takes long to compile.
#   pool_beast_ssl.hpp  what <pool/adapters/beast_ssl.hpp> adds. It needs OpenSSL, too.
#   pool_testing.hpp  what <pool/testing.hpp> adds: the testing kit.
#   pool_failing_allocation.hpp  what <pool/testing/failing_allocation.hpp> adds, which only one source file may include.
# Needs bash and any awk. It keeps the includes of the standard library and of Boost, each once.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[[ $# -le 2 ]] || { echo "usage: ${0##*/} [<directory> [<include directory>]]" >&2; exit 2; }
directory=${1:-$root/build/single_header}
headers=${2:-$root/include}  # the test of this script passes another directory
version=$(awk '$1 == "VERSION" { print $2; exit }' "$root/CMakeLists.txt")

mkdir -p "$directory"
# shellcheck disable=SC2016  # awk's own dollars
awk -v headers="$headers" -v directory="$directory" -v license="$root/LICENSE" -v version="$version" '
    function fail(message) {
        print "single_header.sh: " message >"/dev/stderr"
        failed = 1
        exit 1
    }

    # Prints a line, but never two empty lines in a row.
    function put(line) {
        if (line == "" && blank) return
        blank = line == ""
        print line >output
    }

    # What another file than pool.hpp includes is not there for the next one. `bases` are the files that this one includes: what
    # they have, it need not have.
    function begin(file, what, bases,    line, name, base, at) {
        if (file == "pool_asio.hpp") for (name in included) common[name] = 1
        else for (name in included) if (!(name in common)) delete included[name]
        for (name in whole) delete whole[name]
        current = file
        for (at = split(bases, base, " "); at > 0; --at)
            for (name in reached) if ((base[at], name) in has) whole[name] = has[file, name] = 1
        output = directory "/" file
        blank = 0
        put("// SPDX-License-Identifier: BSL-1.0")
        put("//")
        put("// pool " version ": " what)
        put("// Made by scripts/single_header.sh of the library. Do not edit it.")
        put("//")
        while ((getline line <license) > 0) put(line == "" ? "//" : "// " line)
        close(license)
        put("#pragma once")
        put("")
    }

    # Prints a header where it is included first. Its own includes are replaced in the same way. An include inside of an
    # #if is conditional: the compiler may skip the text that is printed there. A later include of the same header must
    # then print the text again. A macro makes sure that the compiler sees only one copy. It is also there if another file may
    # have the same header.
    function inline(header, conditional, shared,    path, line, name, depth, status, macro, number) {
        if (header in whole) return
        if (header in open) fail(header " includes itself, directly or through other headers")
        open[header] = 1
        path = headers "/" header
        if (!conditional) whole[header] = has[current, header] = 1
        reached[header] = 1
        if (conditional || shared || header in partial) {
            macro = toupper(header)
            gsub(/[^A-Z0-9]/, "_", macro)
            macro = "POOL_SINGLE_HEADER_" macro
            put("#ifndef " macro)
            put("#define " macro)
        }
        if (conditional || shared) partial[header] = 1
        put("// " header)
        depth = 0
        for (number = 1; (status = (getline line <path)) > 0; ++number) {
            if (number == 1 && line ~ /^\/\/ SPDX-License-Identifier:/) continue
            if (line ~ /^[ \t]*#[ \t]*pragma[ \t]+once/) continue
            if (line ~ /^[ \t]*#[ \t]*if/) ++depth
            if (line ~ /^[ \t]*#[ \t]*endif/) --depth
            if (line ~ /^[ \t]*#[ \t]*include[ \t]*"/) fail(path ":" number ": include <pool/...>, not \"...\"")
            if (line ~ /^[ \t]*#[ \t]*include[ \t]*</) {
                name = line
                sub(/^[^<]*</, "", name)
                sub(/>.*/, "", name)
                if (name ~ /^pool\//) {
                    if (name != include_path) inline(name, conditional || depth > 0, shared)
                    continue
                }
                if (!conditional && depth == 0) {
                    if (name in included) continue
                    included[name] = 1
                }
            }
            put(line)
        }
        if (status < 0) fail("cannot read " path)
        close(path)
        if (macro != "") put("#endif  // " macro)
        put("")
        delete open[header]
    }

    BEGIN {
        # This header checks where <pool/...> was found. A single header is not found that way, so it is left out.
        include_path = "pool/core/include_path.hpp"
        reached[include_path] = 1

        begin("pool.hpp", "<pool/pool.hpp>, <pool/sharded_pool.hpp> and <pool/adapters/handle.hpp> in one file.", "")
        inline("pool/pool.hpp", 0)
        inline("pool/sharded_pool.hpp", 0)
        inline("pool/adapters/handle.hpp", 0)
        inline("pool/connection_info.hpp", 0)  # which two of the others need
        begin("pool_asio.hpp", "<pool/asio.hpp> in one file, besides pool.hpp.", "pool.hpp")
        put("#include \"pool.hpp\"")
        put("")
        inline("pool/asio.hpp", 0)
        begin("pool_inspect.hpp", "<pool/inspect.hpp> and <pool/report.hpp> in one file, besides pool.hpp.", "pool.hpp")
        put("#include \"pool.hpp\"")
        put("")
        inline("pool/inspect.hpp", 0)
        inline("pool/report.hpp", 0)
        begin("pool_fmt.hpp", "<pool/fmt.hpp> in one file, besides pool_inspect.hpp.", "pool_inspect.hpp")
        put("#include \"pool_inspect.hpp\"")
        put("")
        inline("pool/fmt.hpp", 0)
        begin("pool_prometheus.hpp", "<pool/metrics/prometheus.hpp> in one file, besides pool.hpp.", "pool.hpp")
        put("#include \"pool.hpp\"")
        put("")
        inline("pool/metrics/prometheus.hpp", 0)
        begin("pool_libpq.hpp", "<pool/adapters/libpq.hpp> in one file, besides pool.hpp.", "pool.hpp")
        put("#include \"pool.hpp\"")
        put("")
        inline("pool/adapters/libpq.hpp", 0, 1)  # other adapters include some of the same headers
        begin("pool_libpq_asio.hpp", "<pool/adapters/libpq_asio.hpp> in one file, besides pool_libpq.hpp and pool_asio.hpp.", "pool_asio.hpp pool_libpq.hpp")
        put("#include \"pool_asio.hpp\"")
        put("#include \"pool_libpq.hpp\"")
        put("")
        inline("pool/adapters/libpq_asio.hpp", 0, 1)  # the same
        begin("pool_hiredis.hpp", "<pool/adapters/hiredis.hpp> in one file, besides pool.hpp.", "pool.hpp")
        put("#include \"pool.hpp\"")
        put("")
        inline("pool/adapters/hiredis.hpp", 0, 1)  # the same
        begin("pool_beast.hpp", "<pool/adapters/beast.hpp> in one file, besides pool.hpp.", "pool.hpp")
        put("#include \"pool.hpp\"")
        put("")
        inline("pool/adapters/beast.hpp", 0, 1)  # the same
        begin("pool_beast_ssl.hpp", "<pool/adapters/beast_ssl.hpp> in one file, besides pool_beast.hpp.", "pool_beast.hpp")
        put("#include \"pool_beast.hpp\"")
        put("")
        inline("pool/adapters/beast_ssl.hpp", 0, 1)  # the same
        begin("pool_testing.hpp", "<pool/testing.hpp> in one file, besides pool.hpp.", "pool.hpp")
        put("#include \"pool.hpp\"")
        put("")
        inline("pool/testing.hpp", 0)
        begin("pool_failing_allocation.hpp", "<pool/testing/failing_allocation.hpp> in one file, besides pool_testing.hpp.", "pool_testing.hpp")
        put("#include \"pool_testing.hpp\"")
        put("")
        inline("pool/testing/failing_allocation.hpp", 0)
        find = "cd \"" headers "\" && find pool -name \"*.hpp\""
        while ((find | getline header) > 0)
            if (!(header in reached)) fail(header " is in none of these files")
    }
    END { exit failed }
' || { rm -f "$directory"/pool{,_asio,_inspect,_fmt,_prometheus,_libpq,_libpq_asio,_hiredis,_beast,_beast_ssl,_testing,_failing_allocation}.hpp; exit 1; }

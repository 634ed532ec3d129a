# SPDX-License-Identifier: BSL-1.0

# Checks what `fanout --plot` does. Run it with -DFANOUT= the program, -DDIRECTORY= where it may leave files, and -DCASE=
#   draws, connect                    a picture with all its words is there; with foreign servers no server goes away
#   no_gnuplot, no_directory, full, no_temporary_directory, no_servers
#                                     what is wrong on the machine
#   fails, draws_nothing, is_killed   what is wrong with gnuplot: a script takes its place
# A case that goes wrong has an exit code of 1 and one sentence. None leaves temporary files.
cmake_minimum_required(VERSION 3.25)

set(picture "${DIRECTORY}/picture.svg")
set(temporary "${DIRECTORY}/tmp")
file(REMOVE_RECURSE "${DIRECTORY}")
file(MAKE_DIRECTORY "${temporary}" "${DIRECTORY}/bin")
set(ENV{TMPDIR} "${temporary}")
set(load --servers 3 --requests 200 --threads 2 --seed 1 --plot-time 300ms)

# A script that is called as gnuplot. It is asked for its version first.
function(replace_gnuplot script)
    file(WRITE "${DIRECTORY}/bin/gnuplot" "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\n${script}\n")
    file(CHMOD "${DIRECTORY}/bin/gnuplot" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
    set(ENV{PATH} "${DIRECTORY}/bin")
endfunction()

macro(run)
    execute_process(
        COMMAND ${ARGV}
        WORKING_DIRECTORY "${DIRECTORY}"
        RESULT_VARIABLE result
        OUTPUT_VARIABLE out
        ERROR_VARIABLE err
    )
    message("exit: ${result}\nstandard output:\n${out}\nstandard error:\n${err}")
    file(GLOB left "${temporary}/*")
    if(left)
        message(FATAL_ERROR "it has left ${left}")
    endif()
endmacro()

# It fails with this sentence, before its load has run or after that.
macro(expect_failure when sentence)
    if(NOT result EQUAL 1 OR NOT err STREQUAL "fanout: ${sentence}\n")
        message(FATAL_ERROR "expected an exit code of 1, and: fanout: ${sentence}")
    endif()
    if("${when}" STREQUAL "before" AND NOT out STREQUAL "")
        message(FATAL_ERROR "expected that it fails before its load runs")
    elseif("${when}" STREQUAL "after" AND NOT out MATCHES "over time: 8 callers")
        message(FATAL_ERROR "expected that it reports its load")
    endif()
endmacro()

macro(expect_picture)
    if(NOT result EQUAL 0 OR NOT err STREQUAL "")
        message(FATAL_ERROR "expected an exit code of 0, and no error")
    endif()
    if(NOT out MATCHES "over time: 8 callers, .*\n[1-9].* dialled, [1-9][0-9]* invalidated\n[1-9][0-9,]* answered, .* 0 wrong, 0 failed otherwise\n$")
        message(FATAL_ERROR "expected that its load goes well")
    endif()
    file(READ "${picture}" drawn)
    if(NOT drawn MATCHES "^<[?]xml .*<svg .*</svg>\n*$")
        message(FATAL_ERROR "expected an SVG, but it is:\n${drawn}")
    endif()
    set(words ${ARGN} "invalidate()" "connections, callers" open lent idle waiting "connections per second" dialled retired
        "wait for a connection, ms" p50 p99 seconds
    )
    foreach(word IN LISTS words)
        string(FIND "${drawn}" ">${word}<" found)
        if(found EQUAL -1)
            message(FATAL_ERROR "expected '${word}' in the picture")
        endif()
    endforeach()
endmacro()

if(CASE STREQUAL "draws")
    run("${FANOUT}" ${load} --plot "${picture}")
    expect_picture("8 callers, 3 servers, at most 1 connection to each" "a server goes away" "it comes back")
elseif(CASE STREQUAL "connect")
    # The servers print their addresses into a pipe, so nobody has to wait for them by the clock.
    set(ENV{FANOUT} "${FANOUT}")
    file(WRITE "${DIRECTORY}/connect.sh" [[
        mkfifo addresses || exit
        "$FANOUT" --serve --servers 2 >addresses &
        { read -r first && read -r second; } <addresses
        "$FANOUT" --connect "$first" --connect "$second" "$@"
        result=$?
        kill $!
        exit $result
    ]])
    list(REMOVE_ITEM load --servers 3)
    run(sh connect.sh ${load} --plot "${picture}")
    expect_picture("8 callers, 2 servers, at most 1 connection to each")
    if(drawn MATCHES "goes away|comes back")
        message(FATAL_ERROR "expected that a foreign server stays")
    endif()
elseif(CASE STREQUAL "no_gnuplot")
    set(ENV{PATH} "${DIRECTORY}/bin")
    run("${FANOUT}" ${load} --plot "${picture}")
    expect_failure(before "--plot needs gnuplot, and there is none on the PATH")
elseif(CASE STREQUAL "no_directory")
    replace_gnuplot("exit 0")
    run("${FANOUT}" ${load} --plot "${DIRECTORY}/none/picture.svg")
    expect_failure(before "cannot write the picture ${DIRECTORY}/none/picture.svg: No such file or directory")
elseif(CASE STREQUAL "no_temporary_directory")
    replace_gnuplot("exit 0")
    set(ENV{TMPDIR} "${DIRECTORY}/none")
    run("${FANOUT}" ${load} --plot "${picture}")
    expect_failure(
        before "cannot make a temporary directory in ${DIRECTORY}/none: No such file or directory"
    )
elseif(CASE STREQUAL "full")
    replace_gnuplot("echo a picture >\"$5\"")
    run("${FANOUT}" ${load} --plot /dev/full)
    expect_failure(after "cannot write the picture /dev/full: No space left on device")
elseif(CASE STREQUAL "no_servers")
    replace_gnuplot("exit 0")
    run("${FANOUT}" --connect 127.0.0.1:1 --requests 20 --threads 2 --plot "${picture}")
    if(NOT result EQUAL 1 OR NOT err MATCHES "\nfanout: no picture is drawn, because requests failed before its load began\n$")
        message(FATAL_ERROR "expected an exit code of 1, and why there is no picture")
    endif()
elseif(CASE STREQUAL "fails")
    file(WRITE "${picture}" "an older picture")
    replace_gnuplot("printf '\\n    ^\\n\"a.gp\" line 7: it is Monday\\n' >&2; exit 3")
    run("${FANOUT}" ${load} --plot "${picture}")
    expect_failure(after "gnuplot failed with exit code 3: \"a.gp\" line 7: it is Monday")
    file(READ "${picture}" now)
    if(NOT now STREQUAL "an older picture")
        message(FATAL_ERROR "expected that the older picture stays")
    endif()
elseif(CASE STREQUAL "draws_nothing")
    replace_gnuplot("exit 0")
    run("${FANOUT}" ${load} --plot "${picture}")
    expect_failure(after "gnuplot succeeded, but has drawn nothing")
elseif(CASE STREQUAL "is_killed")
    replace_gnuplot("kill -9 $$")
    run("${FANOUT}" ${load} --plot "${picture}")
    expect_failure(after "gnuplot was ended by signal 9")
else()
    message(FATAL_ERROR "no case '${CASE}'")
endif()

if(NOT CASE MATCHES "^(draws|connect|fails)$" AND EXISTS "${picture}")
    message(FATAL_ERROR "expected no picture")
endif()

# SPDX-License-Identifier: BSL-1.0
#
# Counts the instructions of W14 twice, and fails if the two tables differ. Run it with -DVALGRIND=, -DCOSTS=, -DREPORT=
# and -DDIRECTORY=, where it leaves its files.

foreach(run first second)
    set(files "${DIRECTORY}/${run}")
    file(REMOVE_RECURSE "${files}")
    file(MAKE_DIRECTORY "${files}/dumps")
    execute_process(
        COMMAND "${VALGRIND}" -q --tool=callgrind --instr-atstart=no "--callgrind-out-file=${files}/dumps/dump" "${COSTS}" --keys 1
        OUTPUT_FILE "${files}/costs.tsv"
        COMMAND_ERROR_IS_FATAL ANY
    )
    execute_process(
        COMMAND "${REPORT}" --parts "${files}/costs.tsv" --parts-instructions "${files}/dumps"
        OUTPUT_VARIABLE ${run}
        COMMAND_ERROR_IS_FATAL ANY
    )
endforeach()

if(NOT first STREQUAL second)
    message(FATAL_ERROR "two runs of one program count differently:\n${first}\nand\n${second}")
endif()

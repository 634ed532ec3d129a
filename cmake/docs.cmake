# SPDX-License-Identifier: BSL-1.0

# The target `docs`: the manual as a site, and the reference in it. MkDocs empties the folder of the site, so it comes first.
find_program(pool_mkdocs mkdocs DOC "MkDocs, which makes the manual; it needs the theme `material`, too")
set(pool_themes "")
if(pool_mkdocs)
    execute_process(COMMAND "${pool_mkdocs}" build --help OUTPUT_VARIABLE pool_themes ERROR_QUIET)
endif()
if(pool_themes MATCHES "[^a-z]material[^a-z]")
    set(pool_docs_comment "Making the manual in build/docs/site, and the reference in build/docs/site/reference")
    set(pool_make_manual COMMAND "${CMAKE_COMMAND}" -E env PYTHONDONTWRITEBYTECODE=1 "${pool_mkdocs}" build --strict)
    set(pool_doxyfile docs/site/Doxyfile)
else()
    set(pool_docs_comment "Making the reference in build/docs/site/reference, which has the pages, too. A site needs mkdocs and mkdocs-material")
    set(pool_make_manual "")
    set(pool_doxyfile Doxyfile)
endif()
add_custom_target(
    docs
    ${pool_make_manual}
    COMMAND "${CMAKE_COMMAND}" -E make_directory build/docs/site
    COMMAND doxygen ${pool_doxyfile}
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    COMMENT "${pool_docs_comment}"
    VERBATIM
    USES_TERMINAL
)

# SPDX-License-Identifier: BSL-1.0

# Whether Prometheus understands the queries of the dashboard: DASHBOARD and PROMTOOL are paths, and FILE is one to write to.
# promtool reads no dashboards, so each query becomes a rule.
cmake_minimum_required(VERSION 3.25)

file(READ "${DASHBOARD}" text)
set(rules "groups:\n  - name: dashboard\n    rules:\n")
set(count 0)
string(JSON panels LENGTH "${text}" panels)
math(EXPR last_panel "${panels} - 1")
foreach(panel RANGE ${last_panel})
    string(JSON targets LENGTH "${text}" panels ${panel} targets)
    math(EXPR last_target "${targets} - 1")
    foreach(target RANGE ${last_target})
        string(JSON query GET "${text}" panels ${panel} targets ${target} expr)
        string(REPLACE "$__rate_interval" "5m" query "${query}")
        string(APPEND rules "      - record: query_${count}\n        expr: '${query}'\n")
        math(EXPR count "${count} + 1")
    endforeach()
endforeach()
file(WRITE "${FILE}" "${rules}")
execute_process(COMMAND "${PROMTOOL}" check rules "${FILE}" RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT result EQUAL 0 OR NOT said MATCHES "SUCCESS: ${count} rules found")
    message(FATAL_ERROR "${said}\nof:\n${rules}")
endif()
message(STATUS "${count} queries")

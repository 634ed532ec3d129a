# SPDX-License-Identifier: BSL-1.0

# Whether promtool accepts what a program prints: PROGRAM and PROMTOOL are paths, and FILE is one to write to. promtool has
# one complaint, because OpenTelemetry has given a gauge a name that Prometheus keeps for histograms.
cmake_minimum_required(VERSION 3.25)

set(allowed [[db_client_connection_count non-histogram and non-summary metrics should not have "_count" suffix]])

execute_process(COMMAND "${PROGRAM}" OUTPUT_FILE "${FILE}" COMMAND_ERROR_IS_FATAL ANY)
file(READ "${FILE}" text)
if(NOT text MATCHES "\npool_collect_errors_total{")
    message(FATAL_ERROR "not all metrics are there:\n${text}")
endif()
execute_process(
    COMMAND "${PROMTOOL}" check metrics INPUT_FILE "${FILE}" RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said
)
string(STRIP "${said}" said)
if(NOT result EQUAL 3 OR NOT said STREQUAL allowed)
    message(FATAL_ERROR "promtool ended with ${result} and said:\n${said}\nof:\n${text}")
endif()
message(STATUS "promtool accepts it: ${said}")

# SPDX-License-Identifier: BSL-1.0

# 64-bit Windows, by Debian's MinGW; its programs run in Wine. Only the compiler for POSIX threads has std::thread.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
# Otherwise Wine would have to be told where the compiler has its libraries.
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
find_program(lld ld.lld)
if(lld)
    string(APPEND CMAKE_EXE_LINKER_FLAGS_INIT " -fno-use-linker-plugin -wrapper \"${CMAKE_CURRENT_LIST_DIR}/mingw_ld.sh\"")
endif()
# Debian has it where it is not on the path.
find_program(wine NAMES wine64 PATHS /usr/lib/wine)
set(CMAKE_CROSSCOMPILING_EMULATOR "${wine}")

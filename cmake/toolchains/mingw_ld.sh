#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# LLVM's linker, which MinGW's g++ runs in the place of its collect2, by its option -wrapper. Of the many functions of a test
# program, GNU's takes a minute and a half to find those that several files have; LLVM's, half a second. The option
# -fuse-ld=lld would do, but Debian's g++ looks for it where Debian has no file.
shift
exec ld.lld "$@"

// SPDX-License-Identifier: BSL-1.0
#error a single header has no use for it

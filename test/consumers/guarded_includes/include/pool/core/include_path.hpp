// SPDX-License-Identifier: BSL-1.0
#error the single header must not contain this file

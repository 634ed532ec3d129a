// SPDX-License-Identifier: BSL-1.0
#include <cstdio>
#include <memory>
#include <utility>

#include <doctest/doctest.h>

#include <pool/adapters/handle.hpp>

#include "forms.hpp"

/// @file
/// Files of the C library.

namespace foreign_file {

struct library {
    static inline foreign::ledger<std::FILE*> handles;

    static std::FILE* open() { return handles.opened(std::fopen("/dev/null", "r")); }
    static std::FILE* open_dead() {
        std::FILE* const file = open();
        kill(file);
        return file;
    }
    static void kill(std::FILE* file) {
        REQUIRE(std::fputc('x', file) == EOF);  // it was opened to be read
        REQUIRE(std::ferror(file) != 0);
    }
};

int end(std::FILE* file) noexcept { return library::handles.ended(file) ? std::fclose(file) : EOF; }

struct ender {
    void operator()(std::FILE* file) const noexcept { end(file); }
};

struct checks {
    static bool closed(std::FILE* file) noexcept { return std::ferror(file) != 0; }
};

/// As a program may have it already.
class log_file {
public:
    explicit log_file(std::FILE* file) noexcept : file_{file} {}
    log_file(log_file&& other) noexcept : file_{std::exchange(other.file_, nullptr)} {}
    log_file& operator=(log_file&&) = delete;
    ~log_file() { close(); }

    std::FILE* get() const noexcept { return file_; }
    void close() noexcept {
        if (file_ != nullptr) end(std::exchange(file_, nullptr));
    }
    bool closed() const noexcept { return file_ == nullptr || std::ferror(file_) != 0; }
    bool unblocked() const noexcept { return true; }

private:
    std::FILE* file_;
};

struct raw {
    using connection = std::FILE*;
    static std::FILE* get(std::FILE* file) { return file; }
    static void close(std::FILE*& file) { end(std::exchange(file, nullptr)); }
};
using pointer = foreign::in_unique_ptr<std::unique_ptr<std::FILE, ender>>;
using handle = foreign::in_class<pool::handle<std::FILE*, end, checks>>;
using own_class = foreign::in_class<log_file>;

}  // namespace foreign_file

template <>
struct pool::connection_traits<std::FILE*> {
    static void close(std::FILE* file) { foreign_file::end(file); }
    static bool closed(std::FILE* file) noexcept { return file == nullptr || std::ferror(file) != 0; }
    static bool unblocked(std::FILE*) noexcept { return true; }
};

/// The deleter ends it.
template <>
struct pool::connection_traits<std::FILE> {
    static bool closed(const std::FILE& file) noexcept { return std::ferror(const_cast<std::FILE*>(&file)) != 0; }
};

TEST_CASE_TEMPLATE("file: each FILE is closed once, dead or not", Form, foreign_file::raw, foreign_file::pointer,
    foreign_file::handle, foreign_file::own_class) {
    foreign::check<foreign_file::library, Form>();
}

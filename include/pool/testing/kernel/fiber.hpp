// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <functional>
#include <memory>

#include <pool/testing/kernel/sanitizers.hpp>
#include <pool/testing/kernel/strand.hpp>

#if defined(__unix__)
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <cxxabi.h>
#include <new>
#include <sys/mman.h>
#include <ucontext.h>
#include <utility>
#endif

#if defined(__unix__) && defined(_LIBCPP_VERSION)
// libc++abi has it, but does not declare it.
namespace __cxxabiv1 {
struct __cxa_eh_globals;
extern "C" __cxa_eh_globals* __cxa_get_globals();
}  // namespace __cxxabiv1
#endif

/// @file
/// A strand with a stack of its own. All of them run in one thread, so a switch needs no system call.

namespace pool::testing::kernel {

#if defined(__unix__)

#if defined(__x86_64__)

/// Where a stack was left: on x86-64, at this stack pointer, with the registers that a call preserves above it.
class saved_context {
public:
    /// The first switch to it calls `entry(argument)` on the stack that ends at `top`. It must not return.
    void prepare(char* /*bottom*/, char* top, void (*entry)(void*), void* argument) noexcept {
        const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(top) & ~std::uintptr_t{15};
        auto* const at = reinterpret_cast<void**>(end) - 7;
        at[0] = at[1] = at[4] = at[5] = nullptr;  // r15, r14, rbx, rbp
        at[2] = reinterpret_cast<void*>(entry);   // r13
        at[3] = argument;                         // r12
        at[6] = reinterpret_cast<void*>(&begin);  // where the switch returns to
        stack_pointer_ = at;
    }

    [[gnu::always_inline]] void switch_from(saved_context& from) noexcept { exchange(&from.stack_pointer_, stack_pointer_); }

private:
    // The stack pointer in *save, and on with the other one.
    [[gnu::naked, gnu::noinline]] static void exchange(void** /*save*/, void* /*to*/) noexcept {
        asm volatile("pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
                     "movq %rsp, (%rdi); movq %rsi, %rsp\n"
                     "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp; ret\n");
    }
    [[gnu::naked, gnu::noinline]] static void begin() noexcept {
        asm volatile("movq %r12, %rdi; xorl %ebp, %ebp; callq *%r13; ud2\n");
    }

    void* stack_pointer_ = nullptr;
};

#else

/// Where a stack was left.
class saved_context {
public:
    /// The first switch to it calls `entry(argument)` on the stack that ends at `top`. It must not return.
    void prepare(char* bottom, char* top, void (*entry)(void*), void* argument) noexcept {
        entry_ = entry;
        argument_ = argument;
        getcontext(&context_);
        context_.uc_stack.ss_sp = bottom;
        context_.uc_stack.ss_size = static_cast<std::size_t>(top - bottom);
        context_.uc_link = nullptr;
        const auto self = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(this));
        makecontext(&context_, reinterpret_cast<void (*)()>(&begin), 2, static_cast<unsigned>(self >> 32),
            static_cast<unsigned>(self));
    }

    [[gnu::always_inline]] void switch_from(saved_context& from) noexcept { swapcontext(&from.context_, &context_); }

private:
    static void begin(unsigned high, unsigned low) {
        const std::uint64_t self = (std::uint64_t{high} << 32) | low;
        auto* const context = reinterpret_cast<saved_context*>(static_cast<std::uintptr_t>(self));
        context->entry_(context->argument_);
    }

    ucontext_t context_{};
    void (*entry_)(void*) = nullptr;
    void* argument_ = nullptr;
};

#endif

/// A strand with a stack of its own, and a guard page below it.
class fiber final : public strand {
public:
    /// The stack of the calling thread.
    fiber() = default;

    /// A new stack, on which `main` is called as often as it is its turn. Throws `std::bad_alloc`.
    explicit fiber(std::function<void()> main) : memory_{map()}, stack_{memory_ + guard, size}, main_{std::move(main)} {
        context_.prepare(memory_ + guard, memory_ + guard + size, &fiber::run, this);
    }
    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;
    ~fiber() override {
        if (memory_ == nullptr) return;
        if (last_ != nullptr) {  // it has begun: let it come to its end
            const unwatched own;
            fiber here;
            is_over_ = true;
            take_over(here);
        }
        stack_.forget();
        munmap(memory_, guard + size);
    }

    void take_over(strand& from) override { take_over(static_cast<fiber&>(from), false); }
    void abandon() noexcept override { stack_.abandon(); }

private:
    static constexpr std::size_t size = 256 * 1024;
    static constexpr std::size_t guard = 64 * 1024;  ///< a multiple of every system's page

    struct exception_state {
        void* caught = nullptr;
        unsigned uncaught = 0;
    };

    static char* map() {
        void* const got =
            mmap(nullptr, guard + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (got == MAP_FAILED) throw std::bad_alloc{};
        mprotect(got, guard, PROT_NONE);
        return static_cast<char*>(got);
    }

    void take_over(fiber& from, bool is_its_last) {
        last_ = &from;
        from.failures_ = std::exchange(failures_here(), failures_);
        // What is thrown, and what is caught, belongs to a stack, but is counted for each thread.
        auto* const exceptions = static_cast<void*>(abi::__cxa_get_globals());
        std::memcpy(&from.exceptions_, exceptions, sizeof exceptions_);
        std::memcpy(exceptions, &exceptions_, sizeof exceptions_);
        from.stack_.leave_for(stack_, is_its_last);
        context_.switch_from(from.context_);
        from.stack_.arrive_from(from.last_->stack_);
    }

    static void run(void* self) {
        auto& me = *static_cast<fiber*>(self);
        me.stack_.arrive_from(me.last_->stack_);
        while (!me.is_over()) me.main_();
        const unwatched own;
        me.last_->take_over(me, true);  // for good
    }

    bool is_over() const noexcept {
        const unwatched own;
        return is_over_;
    }

    char* memory_ = nullptr;
    watched_stack stack_;
    saved_context context_;
    exception_state exceptions_;
    failure_state failures_;
    fiber* last_ = nullptr;  ///< the one from which it was taken over
    bool is_over_ = false;
    std::function<void()> main_;
};

#endif

/// The calling thread, as a strand.
inline std::unique_ptr<strand> own_strand([[maybe_unused]] bool as_threads) {
#if defined(__unix__)
    if (!as_threads) return std::make_unique<fiber>();
#endif
    return std::make_unique<thread_strand>();
}

/// A new strand, to be taken over from the calling one.
inline std::unique_ptr<strand> new_strand([[maybe_unused]] bool as_threads, std::function<void()> main) {
#if defined(__unix__)
    if (!as_threads) return std::make_unique<fiber>(std::move(main));
#endif
    return std::make_unique<thread_strand>(std::move(main));
}

}  // namespace pool::testing::kernel

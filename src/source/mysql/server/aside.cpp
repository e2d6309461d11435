// Changing between the two stacks.

#include "source/mysql/server/aside.hpp"

#include <cxxabi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace pgrepl::mysql {
namespace {

/// Memory is taken as it is used: some 30 kB.
constexpr std::size_t kStackBytes = std::size_t{1} << 20;

std::size_t page_bytes() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

Aside::Aside(core::Interrupts& interrupts) : interrupts_(interrupts) {
    memory_ = ::mmap(nullptr, page_bytes() + kStackBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory_ == MAP_FAILED || ::mprotect(memory_, page_bytes(), PROT_NONE) != 0) {
        if (memory_ != MAP_FAILED) {
            ::munmap(memory_, page_bytes() + kStackBytes);
        }
        throw core::SourceError(core::SourceErrorKind::kResource, 0, "out of memory", true);
    }
}

Aside::~Aside() {
    abandon();
    ::munmap(memory_, page_bytes() + kStackBytes);
}

bool Aside::run(const std::function<void()>& work, int patience_ms) {
    auto const until = Clock::now() + std::chrono::milliseconds(patience_ms);
    if (!under_way_) {
        work_ = work;
        ::getcontext(&work_context_);
        work_context_.uc_stack.ss_sp = static_cast<char*>(memory_) + page_bytes();
        work_context_.uc_stack.ss_size = kStackBytes;
        work_context_.uc_link = &caller_;
        auto const self = reinterpret_cast<std::uintptr_t>(this);
        ::makecontext(&work_context_, reinterpret_cast<void (*)()>(&Aside::begin_on_own_stack), 2,
                      static_cast<unsigned>(std::uint64_t{self} >> 32), static_cast<unsigned>(self));
        exceptions_of_work_ = {};
        under_way_ = true;
        go_on();
    }
    while (under_way_) {
        if (!may_go_on(until)) {
            return false;
        }
        go_on();
    }
    if (error_) {
        std::rethrow_exception(std::exchange(error_, nullptr));
    }
    return true;
}

void Aside::abandon() noexcept {
    abandoned_ = true;
    while (under_way_) {
        awaited_.came = false;
        go_on();
    }
    error_ = nullptr;
}

/// makecontext() passes numbers.
void Aside::begin_on_own_stack(unsigned high, unsigned low) {
    auto const self = static_cast<std::uintptr_t>((std::uint64_t{high} << 32) | low);
    reinterpret_cast<Aside*>(self)->work_to_the_end();
}

void Aside::work_to_the_end() noexcept {
    try {
        work_();
    } catch (...) {
        error_ = std::current_exception();
    }
    work_ = nullptr;
    under_way_ = false;
}

/// From the caller's stack to that of the work, until it waits or has ended.
void Aside::go_on() noexcept {
    abi::__cxa_eh_globals* const current = abi::__cxa_get_globals();
    Exceptions of_caller = {};
    std::memcpy(&of_caller, current, sizeof of_caller);
    std::memcpy(static_cast<void*>(current), &exceptions_of_work_, sizeof exceptions_of_work_);
    on_own_stack_ = true;
    ::swapcontext(&caller_, &work_context_);
    on_own_stack_ = false;
    std::memcpy(&exceptions_of_work_, current, sizeof exceptions_of_work_);
    std::memcpy(static_cast<void*>(current), &of_caller, sizeof of_caller);
}

/// Whether what is awaited has come, or will not be awaited any longer. On the caller's stack.
bool Aside::may_go_on(Clock::time_point until) noexcept {
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(std::min(until, awaited_.until) - Clock::now());
    awaited_.came =
        interrupts_.wait(awaited_.fd, awaited_.what, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    return awaited_.came || pending() || Clock::now() >= awaited_.until;
}

bool Aside::wait(int fd, WaitFor what, int timeout_ms) noexcept {
    if (!on_own_stack_) {
        return !pending() && interrupts_.wait(fd, what, timeout_ms);
    }
    if (pending()) {
        return false;
    }
    awaited_ = {.fd = fd, .what = what, .until = Clock::now() + std::chrono::milliseconds(timeout_ms), .came = false};
    ::swapcontext(&work_context_, &caller_);
    return awaited_.came;
}

}  // namespace pgrepl::mysql

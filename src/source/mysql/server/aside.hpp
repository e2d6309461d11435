#pragma once
// Work that has to wait for the server, for a caller who has other things to do meanwhile: where a wait would begin,
// the caller goes on, and comes back later.
//
//   run()   begins the work, or goes on with it, until it has ended or waits for what is not there yet
//   wait()  called by the work, deep in the driver: leaves its stack as it is, and returns from run()
//
// For this the work runs on a stack of its own (makecontext(3)). A thread would do the same, but it would go on while
// PostgreSQL ends its process, and what it uses would be taken down under it. The driver's own calls for this purpose
// (mysql_..._start) make the socket a blocking one for all other calls, which then wait past the callback by which
// everything here can be interrupted.
//
// Everything that waits asks the Interrupts that it was given. So a Connection knows nothing of this: it is given an
// Aside, and may be used on either stack.

#include <ucontext.h>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>

#include "core/source.hpp"

namespace pgrepl::mysql {

class Aside final : public core::Interrupts {
  public:
    /// `interrupts` outlives it.
    explicit Aside(core::Interrupts& interrupts);
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;
    ~Aside() override;

    /// Begins `work`; or, if some is under way, goes on with that. Waits for `patience_ms` in all. Whether it has
    /// ended; throws what it has thrown.
    [[nodiscard]] bool run(const std::function<void()>& work, int patience_ms);

    [[nodiscard]] bool is_under_way() const noexcept { return under_way_; }

    /// Ends what is under way. Whatever waits by this object fails from now on, as if it had been interrupted.
    void abandon() noexcept;

    [[nodiscard]] bool pending() noexcept override { return abandoned_ || interrupts_.pending(); }
    bool wait(int fd, WaitFor what, int timeout_ms) noexcept override;

  private:
    using Clock = std::chrono::steady_clock;

    /// The head of what the C++ runtime keeps of each thread, by its ABI: each stack needs its own.
    struct Exceptions {
        void* caught;
        unsigned uncaught;
    };

    static void begin_on_own_stack(unsigned high, unsigned low);
    void work_to_the_end() noexcept;
    void go_on() noexcept;
    [[nodiscard]] bool may_go_on(Clock::time_point until) noexcept;

    core::Interrupts& interrupts_;
    std::function<void()> work_;
    std::exception_ptr error_;
    bool under_way_ = false;
    bool abandoned_ = false;

    /// What the work waits for.
    struct {
        int fd = -1;
        WaitFor what = WaitFor::kTime;
        Clock::time_point until;
        bool came = false;
    } awaited_;

    void* memory_ = nullptr;  ///< a page that nothing may touch, and above it the stack
    bool on_own_stack_ = false;
    ucontext_t caller_ = {};
    ucontext_t work_context_ = {};
    Exceptions exceptions_of_work_ = {};
};

}  // namespace pgrepl::mysql

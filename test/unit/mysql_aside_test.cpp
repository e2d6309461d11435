// Work on a stack of its own: whoever runs it goes on where it waits.

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "source/mysql/server/aside.hpp"

namespace pgrepl::mysql {
namespace {

/// Nothing comes before it is said to.
class Awaited final : public core::Interrupts {
  public:
    bool is_there = false;
    bool is_interrupted = false;
    int waits = 0;

    [[nodiscard]] bool pending() noexcept override { return is_interrupted; }
    bool wait(int /*fd*/, WaitFor /*what*/, int /*timeout_ms*/) noexcept override {
        ++waits;
        return is_there;
    }
};

constexpr int kLong = 3'600'000;

TEST(MysqlAside, work_that_waits_for_nothing_ends_at_once) {
    Awaited awaited;
    Aside aside(awaited);
    int done = 0;
    EXPECT_TRUE(aside.run([&] { ++done; }, 0));
    EXPECT_TRUE(aside.run([&] { ++done; }, 0));
    EXPECT_EQ(done, 2);
    EXPECT_EQ(awaited.waits, 0);
}

TEST(MysqlAside, work_goes_on_where_it_was_when_what_it_waits_for_is_there) {
    Awaited awaited;
    Aside aside(awaited);
    std::string done;
    auto const work = [&] {
        std::string const own = "a local variable of more than a few bytes";
        done = "began";
        done = aside.wait(0, core::Interrupts::WaitFor::kReadable, kLong) ? own : "in vain";
    };
    EXPECT_FALSE(aside.run(work, 0));
    EXPECT_EQ(done, "began");
    EXPECT_FALSE(aside.run([&] { done = "started over"; }, 0));
    EXPECT_EQ(done, "began");
    awaited.is_there = true;
    EXPECT_TRUE(aside.run({}, 0));
    EXPECT_EQ(done, "a local variable of more than a few bytes");
    EXPECT_FALSE(aside.is_under_way());
}

TEST(MysqlAside, a_wait_ends_with_its_time) {
    Awaited awaited;
    Aside aside(awaited);
    bool came = true;
    EXPECT_TRUE(aside.run([&] { came = aside.wait(-1, core::Interrupts::WaitFor::kTime, 0); }, 1000));
    EXPECT_FALSE(came);
}

TEST(MysqlAside, what_work_throws_its_caller_gets_also_from_within_a_handler_that_waits) {
    Awaited awaited;
    Aside aside(awaited);
    auto const work = [&] {
        try {
            throw std::runtime_error("of the work");
        } catch (const std::runtime_error&) {
            (void)aside.wait(0, core::Interrupts::WaitFor::kReadable, kLong);
            throw;
        }
    };
    try {
        throw std::runtime_error("of the caller");
    } catch (const std::runtime_error& of_caller) {
        EXPECT_FALSE(aside.run(work, 0));
        EXPECT_STREQ(of_caller.what(), "of the caller");
    }
    EXPECT_EQ(std::current_exception(), nullptr);
    awaited.is_there = true;
    try {
        (void)aside.run(work, 0);
        ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "of the work");
    }
    EXPECT_TRUE(aside.run([] {}, 0));
}

TEST(MysqlAside, work_that_is_abandoned_ends_with_all_that_it_owns) {
    Awaited awaited;
    bool freed = false;
    {
        Aside aside(awaited);
        struct Owned {
            bool& freed;
            ~Owned() { freed = true; }
        };
        EXPECT_FALSE(aside.run(
            [&] {
                Owned const owned{freed};
                while (!aside.pending()) {
                    (void)aside.wait(0, core::Interrupts::WaitFor::kReadable, kLong);
                }
            },
            0));
        EXPECT_FALSE(freed);
    }
    EXPECT_TRUE(freed);
}

TEST(MysqlAside, an_interrupt_is_met_by_the_work) {
    Awaited awaited;
    Aside aside(awaited);
    bool met = false;
    EXPECT_FALSE(aside.run(
        [&] {
            (void)aside.wait(0, core::Interrupts::WaitFor::kReadable, kLong);
            met = aside.pending();
        },
        0));
    awaited.is_interrupted = true;
    EXPECT_TRUE(aside.run({}, 0));
    EXPECT_TRUE(met);
}

}  // namespace
}  // namespace pgrepl::mysql

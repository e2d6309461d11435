#pragma once
// What the tests of the SQLite adapter share: a directory of their own, a program that writes to a database beside
// the adapter, and reading a whole table through the adapter.

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/source.hpp"

extern "C" const pgrepl::core::Adapter* pg_replicator_adapter();

namespace pgrepl::test {

/// Waits really; an interrupt can be raised from another thread, or after a number of questions.
class TestInterrupts final : public core::Interrupts {
  public:
    bool pending() noexcept override { return raised_.load(); }
    bool wait(int, WaitFor, int timeout_ms) noexcept override {
        if (on_wait) {
            on_wait();
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(timeout_ms));
        return false;
    }
    void raise() { raised_ = true; }

    std::function<void()> on_wait;  ///< what others do meanwhile

  private:
    std::atomic<bool> raised_ = false;
};

/// The program whose database it is.
class Program {
  public:
    explicit Program(const std::string& path) {
        if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) {
            throw std::runtime_error("cannot create " + path);
        }
        sqlite3_busy_timeout(db_, 5000);
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program() { sqlite3_close(db_); }

    void run(const std::string& sql) const {
        char* message = nullptr;
        if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &message) != SQLITE_OK) {
            std::string const text = message == nullptr ? "error" : message;
            sqlite3_free(message);
            throw std::runtime_error(text + " in " + sql);
        }
    }
    [[nodiscard]] sqlite3* handle() const { return db_; }

  private:
    sqlite3* db_ = nullptr;
};

/// A process that runs `work` until it is told to stop.
class Process {
  public:
    explicit Process(const std::function<void()>& work) : pid_(::fork()) {
        if (pid_ == 0) {
            try {
                for (;;) {
                    work();
                }
            } catch (...) {
                ::_exit(1);
            }
        }
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

  private:
    pid_t pid_;
};

/// A row's values, readable in assertions: 1, 1.5, 'text', x'00ff', null.
inline std::string show(const core::Value& value) {
    static constexpr char kHex[] = "0123456789abcdef";
    switch (value.kind) {
        case core::ValueKind::kNull:
            return "null";
        case core::ValueKind::kInt64:
            return std::to_string(value.payload.int64);
        case core::ValueKind::kDouble: {
            char text[40];
            std::snprintf(text, sizeof text, "%.17g", value.payload.float64);
            return std::string(text).find_first_of(".einf") == std::string::npos ? std::string(text) + ".0" : text;
        }
        case core::ValueKind::kText:
            return "'" + std::string(value.view()) + "'";
        default: {
            std::string text = "x'";
            for (char const letter : value.view()) {
                text += kHex[static_cast<unsigned char>(letter) >> 4];
                text += kHex[letter & 15];
            }
            return text + "'";
        }
    }
}

inline std::string show_row(std::span<const core::Value> row) {
    std::string text;
    for (const core::Value& value : row) {
        text += (text.empty() ? "" : ",") + show(value);
    }
    return text;
}

class SqliteTest : public testing::Test {
  protected:
    SqliteTest() {
        std::string pattern = std::filesystem::temp_directory_path() / "pg_replicator_unit_XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        path_ = directory_ + "/source.db";
    }
    ~SqliteTest() override {
        std::error_code ignored;
        std::filesystem::permissions(directory_, std::filesystem::perms::owner_all, ignored);
        std::filesystem::remove_all(directory_, ignored);
    }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] const std::string& directory() const { return directory_; }
    [[nodiscard]] std::string scratch() const { return directory_ + "/scratch"; }
    TestInterrupts& interrupts() { return interrupts_; }

    std::unique_ptr<core::Source> open(int timeout_ms = 2000, const std::optional<std::string>& other = {},
                                       const std::string& beneath = {}) {
        core::OpenRequest config;
        config.url.kind = config.url.scheme = "sqlite";
        config.url.path = other.value_or(path_);
        config.beneath = beneath;
        config.connect_timeout_ms = timeout_ms;
        config.scratch_directory = scratch();
        config.memory_bytes = memory_bytes;
        config.temporary_file_bytes = temporary_file_bytes;
        return pg_replicator_adapter()->open(config, interrupts_);
    }

    static core::TableInfo table(core::Snapshot& snapshot, const std::string& name) {
        for (core::TableInfo& info : snapshot.discover()) {
            if (info.name.table == name) {
                return std::move(info);
            }
        }
        throw std::runtime_error("no table " + name);
    }

    static std::vector<std::string> read_chunk(core::Snapshot& snapshot, const core::TableInfo& info,
                                               const core::ChunkRange& range, core::BatchLimits limits = {}) {
        std::vector<std::string> rows;
        auto const reader = snapshot.open_chunk(info, range);
        core::RowBatch batch(info.layout.columns.size());
        while (reader->read(batch, limits)) {
            for (std::size_t i = 0; i < batch.row_count(); ++i) {
                rows.push_back(show_row(batch.row(i)));
            }
        }
        return rows;
    }

    static std::vector<std::string> read_table(core::Snapshot& snapshot, const std::string& name) {
        return read_chunk(snapshot, table(snapshot, name), {});
    }
    std::vector<std::string> read_table(const std::string& name) {
        auto const source = open();
        auto const snapshot = source->open_snapshot({});
        return read_table(*snapshot, name);
    }

    /// Runs `call`, which must fail.
    static core::SourceError error_of(const std::function<void()>& call) {
        try {
            call();
        } catch (const core::SourceError& error) {
            return error;
        }
        ADD_FAILURE() << "no error";
        return {core::SourceErrorKind::kInternal, 0, "no error", false};
    }

    // What reading may take.
    std::int64_t memory_bytes = 64 << 20;
    std::optional<std::int64_t> temporary_file_bytes;

  private:
    std::string directory_;
    std::string path_;
    TestInterrupts interrupts_;
};

using Rows = std::vector<std::string>;
using Kind = core::SourceErrorKind;

}  // namespace pgrepl::test

// Opens an adapter as the extension does, and prints what it finds, for tests that compare it with the server's own
// words:
//
//   adapter_driver LIBRARY URL tables                          a line of JSON for each table
//   adapter_driver LIBRARY URL rows DATABASE TABLE             a line of JSON for each row
//   adapter_driver LIBRARY URL chunks DATABASE TABLE WANTED SEED [COLUMN…]   the same, by chunks that are split and
//                                                              resumed; the columns are the table's key by rule
//   adapter_driver LIBRARY URL time DATABASE TABLE             reads everything, prints the rows and seconds
//   adapter_driver LIBRARY URL interrupt DATABASE TABLE MS     opens a snapshot, prints a line, waits for a line of
//                                                              input; then reads everything, interrupted after MS
//                                                              milliseconds
//   adapter_driver LIBRARY URL position                        position of a new snapshot
//   adapter_driver LIBRARY URL hold DATABASE TABLE             the same; then each line of input is a position to join,
//                                                              with the same rows of TABLE; or `reached
//                                                              HELD<tab>MARK`. Answers are lines
//   adapter_driver LIBRARY URL stream READER_ID                     a change stream, driven by lines of input: see
//                                                              stream_commands.hpp
//   adapter_driver LIBRARY URL stream-time READER_ID POSITION DATABASE TABLE   reads all changes behind the position;
//                                                              prints their number and seconds
//   adapter_driver LIBRARY URL stream-interrupt READER_ID DATABASE TABLE MS   reads from now on, until interrupted
//   after
//                                                              MS milliseconds
//   adapter_driver LIBRARY URL check                           prerequisites of a continuous source, a line of JSON
//   each
//
// Values: null, true, text as strings, {"n": "digits"}, {"d": "double"}, {"f": "float"}, {"x": "hex"}, {"o": [[key,
// value]…]}, {"a": […]}. An error is one line, {"error": kind, …}, and exit code 3.

#include <dlfcn.h>
#include <poll.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <thread>

#include "core/source.hpp"
#include "test/adapter/driver_text.hpp"
#include "test/adapter/stream_commands.hpp"

namespace {

using namespace pgrepl;
using core::Value;
using core::ValueKind;
using test::json_quoted;
using test::list;
using test::show;

class DriverInterrupts final : public core::Interrupts {
  public:
    bool pending() noexcept override { return raised.load(); }
    bool wait(int fd, WaitFor what, int timeout_ms) noexcept override {
        pollfd descriptor = {.fd = what == WaitFor::kTime ? -1 : fd,
                             .events = static_cast<short>(what == WaitFor::kReadable ? POLLIN : POLLOUT),
                             .revents = 0};
        for (int waited = 0; waited < timeout_ms && !raised; waited += 20) {
            if (::poll(&descriptor, 1, std::min(20, timeout_ms - waited)) > 0) {
                return true;
            }
        }
        return false;
    }
    std::atomic<bool> raised = false;
};

void print_rows(const core::RowBatch& batch) {
    for (std::size_t i = 0; i < batch.row_count(); ++i) {
        std::string line;
        for (const Value& value : batch.row(i)) {
            line += (line.empty() ? "[" : ", ") + show(value);
        }
        std::puts((line + "]").c_str());
    }
}

void print_table(const core::TableInfo& table) {
    std::vector<std::string> columns;
    for (const core::Column& column : table.layout.columns) {
        columns.push_back(column.name);
    }
    std::printf(
        "{\"database\": %s, \"table\": %s, \"kind\": %s, \"reason\": %s, \"note\": %s, \"columns\": %s, "
        "\"types\": %s, \"key\": %s, \"rows\": %lld, \"definition\": %s}\n",
        json_quoted(table.name.database).c_str(), json_quoted(table.name.table).c_str(),
        json_quoted(table.kind).c_str(), json_quoted(table.unsupported_reason).c_str(), json_quoted(table.note).c_str(),
        list(columns).c_str(), list(table.column_types).c_str(), list(table.key_names).c_str(),
        static_cast<long long>(table.estimated_rows.value_or(-1)), json_quoted(table.definition).c_str());
}

core::TableInfo find(core::Snapshot& snapshot, const std::string& database, const std::string& name) {
    for (core::TableInfo& table : snapshot.discover()) {
        if (table.name.database == database && table.name.table == name) {
            return std::move(table);
        }
    }
    throw std::runtime_error("no table " + database + "." + name);
}

/// Reads a range with batches of any size, asking for split points in the middle of them and beginning again at the
/// resume bound now and then.
void read_at_random(core::Snapshot& snapshot, const core::TableInfo& table, core::ChunkRange range,
                    std::mt19937& random) {
    core::RowBatch batch(table.layout.columns.size());
    auto reader = snapshot.open_chunk(table, range);
    while (reader->read(batch, {1 + random() % 300, 1 + random() % 20000})) {
        print_rows(batch);
        unsigned const choice = random() % 8;
        if (choice == 0) {
            range.lower = reader->resume_bound();
            reader = snapshot.open_chunk(table, range);
        } else if (choice == 1) {
            core::ChunkRange const rest = {reader->resume_bound(), range.upper};
            if (auto const middle = snapshot.split_point(table, rest)) {
                read_at_random(snapshot, table, {*middle, range.upper}, random);
                range = {rest.lower, *middle};
                reader = snapshot.open_chunk(table, range);
            }
        } else if (choice == 2) {
            (void)snapshot.split_point(table, {reader->resume_bound(), range.upper});
        }
    }
    if (random() % 2 == 0) {
        range.lower = reader->resume_bound();
        reader = snapshot.open_chunk(table, range);
        while (reader->read(batch, {})) {
            print_rows(batch);  // would be read twice
        }
    }
}

void read_all(core::Source& source, const std::string& database, const std::string& name) {
    auto const began = std::chrono::steady_clock::now();
    auto const snapshot = source.open_snapshot({});
    core::TableInfo const table = find(*snapshot, database, name);
    auto const reader = snapshot->open_chunk(table, {});
    core::RowBatch batch(table.layout.columns.size());
    long long rows = 0;
    long long bytes = 0;
    while (reader->read(batch, {})) {
        rows += static_cast<long long>(batch.row_count());
        bytes += static_cast<long long>(batch.size_bytes());
    }
    double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    rusage usage = {};
    ::getrusage(RUSAGE_SELF, &usage);
    double const cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    std::printf("{\"rows\": %lld, \"bytes\": %lld, \"seconds\": %.3f, \"cpu\": %.3f, \"peak_kb\": %ld}\n", rows, bytes,
                seconds, cpu, usage.ru_maxrss);
}

void time_stream(core::Source& source, std::uint32_t reader_id, const std::string& position,
                 const core::TableName& name) {
    auto const began = std::chrono::steady_clock::now();
    core::Position const mark = source.log()->high_mark();
    auto const stream = source.log()->open_stream({.position = core::Position{position},
                                                   .reader_id = reader_id,
                                                   .tables = {{name, source.find_table(name).value().structure}}});
    core::Position reached{position};
    std::size_t changes = 0;
    core::ChangeBatch batch;
    while (!source.log()->has_reached(reached, mark)) {
        stream->read(batch, {});
        changes += batch.changes.size();
        reached = batch.position.text.empty() ? reached : batch.position;
    }
    rusage usage = {};
    ::getrusage(RUSAGE_SELF, &usage);
    std::printf("{\"changes\": %zu, \"seconds\": %.3f, \"cpu\": %.3f, \"peak_kb\": %ld}\n", changes,
                std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(),
                static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                    static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
                usage.ru_maxrss);
}

std::string text_of_rows(core::Snapshot& snapshot, const std::string& database, const std::string& name) {
    core::TableInfo const table = find(snapshot, database, name);
    auto const reader = snapshot.open_chunk(table, {});
    core::RowBatch batch(table.layout.columns.size());
    std::string text;
    while (reader->read(batch, {})) {
        for (std::size_t i = 0; i < batch.row_count(); ++i) {
            for (const Value& value : batch.row(i)) {
                text += show(value) + " ";
            }
        }
    }
    return text;
}

void hold(core::Source& source, const std::string& database, const std::string& table,
          const std::function<std::unique_ptr<core::Source>()>& open) {
    auto const snapshot = source.open_snapshot({});
    std::cout << snapshot->state().text << std::endl;
    for (std::string line; std::getline(std::cin, line);) {
        if (line.starts_with("reached ")) {
            std::size_t const tab = line.find('\t');
            core::StateName const held{line.substr(8, tab - 8)};
            std::cout << source.has_all_of(held, core::StateName{line.substr(tab + 1)}) << std::endl;
            continue;
        }
        try {
            auto const other = open();
            auto const joined = other->open_snapshot({.join = core::StateName{line}, .durable = false});
            bool const same = text_of_rows(*joined, database, table) == text_of_rows(*snapshot, database, table);
            std::cout << (same ? "joined" : "joined another state") << std::endl;
        } catch (const core::SourceError& error) {
            std::cout << "error " << static_cast<int>(error.kind()) << " " << error.text() << std::endl;
        }
    }
}

/// The caller may stop the server between the two lines.
void read_interrupted(core::Source& source, const std::string& database, const std::string& name,
                      std::chrono::milliseconds after, DriverInterrupts& interrupts) {
    auto const snapshot = source.open_snapshot({});
    core::TableInfo const table = find(*snapshot, database, name);
    std::cout << "open" << std::endl;
    std::string line;
    std::getline(std::cin, line);
    std::jthread const stopper([&] {
        std::this_thread::sleep_for(after);
        interrupts.raised = true;
    });
    auto const reader = snapshot->open_chunk(table, {});
    core::RowBatch batch(table.layout.columns.size());
    while (reader->read(batch, {})) {
    }
    std::cout << "everything was read" << std::endl;
}

int run(int argc, char** argv) {
    if (argc < 4) {
        std::fputs("adapter_driver LIBRARY URL COMMAND …\n", stderr);
        return 2;
    }
    void* const library = ::dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    auto const factory = library == nullptr
                             ? nullptr
                             : reinterpret_cast<core::AdapterFactory>(::dlsym(library, core::kAdapterFactorySymbol));
    if (factory == nullptr) {
        std::fprintf(stderr, "%s\n", ::dlerror());
        return 2;
    }
    std::string const command = argv[3];
    auto const argument = [&](int at) { return std::string(at < argc ? argv[at] : ""); };
    DriverInterrupts interrupts;
    core::OpenRequest config;
    core::ParsedUrl const parsed = core::parse_source_url(argv[2]);
    config.url = parsed.url;
    config.password = parsed.password;
    for (int at = 8; command == "chunks" && at < argc; ++at) {
        config.keys[argument(5)].push_back(argument(at));
    }
    auto const open = [&] { return factory()->open(config, interrupts); };
    auto const source = open();
    if (command == "tables") {
        core::SourceInfo const info = source->describe();
        std::fprintf(stderr, "%s: %s\n", info.server_version.c_str(), info.description.c_str());
        for (const core::TableInfo& table : source->discover()) {
            print_table(table);
        }
    } else if (command == "position") {
        std::puts(source->open_snapshot({})->state().text.c_str());
    } else if (command == "stream") {
        test::run_stream(*source, static_cast<std::uint32_t>(std::stoul(argument(4))), std::cin, std::cout);
    } else if (command == "stream-time") {
        time_stream(*source, static_cast<std::uint32_t>(std::stoul(argument(4))), argument(5),
                    {argument(6), "", argument(7)});
    } else if (command == "stream-interrupt") {
        auto const stream =
            source->log()->open_stream({.position = source->log()->low_mark(),
                                        .reader_id = static_cast<std::uint32_t>(std::stoul(argument(4))),
                                        .tables = {}});
        std::jthread const stopper([&interrupts, after = std::chrono::milliseconds(std::stoi(argument(7)))] {
            std::this_thread::sleep_for(after);
            interrupts.raised = true;
        });
        core::ChangeBatch batch;
        std::puts("reading");
        std::fflush(stdout);
        for (;;) {
            stream->read(batch, {.changes = 1, .bytes = 1, .wait_ms = 60'000});
        }
    } else if (command == "check") {
        for (const core::Check& check : source->check_prerequisites(true)) {
            std::printf("{\"name\": %s, \"ok\": %s, \"severity\": %d, \"detail\": %s, \"hint\": %s}\n",
                        json_quoted(check.name).c_str(), check.ok ? "true" : "false", static_cast<int>(check.severity),
                        json_quoted(check.detail).c_str(), json_quoted(check.hint).c_str());
        }
    } else if (command == "hold") {
        hold(*source, argument(4), argument(5), open);
    } else if (command == "time") {
        read_all(*source, argument(4), argument(5));
    } else if (command == "interrupt") {
        read_interrupted(*source, argument(4), argument(5), std::chrono::milliseconds(std::stoi(argument(6))),
                         interrupts);
    } else {
        auto const snapshot = source->open_snapshot({});
        core::TableInfo const table = find(*snapshot, argument(4), argument(5));
        std::mt19937 random(command == "chunks" ? static_cast<unsigned>(std::stoul(argument(7))) : 0);
        if (command == "chunks") {
            std::vector<core::ChunkRange> const ranges = snapshot->plan_chunks(table, std::stoi(argument(6)));
            std::fprintf(stderr, "%zu chunks\n", ranges.size());
            for (const core::ChunkRange& range : ranges) {
                read_at_random(*snapshot, table, range, random);
            }
        } else {
            core::RowBatch batch(table.layout.columns.size());
            auto const reader = snapshot->open_chunk(table, {});
            while (reader->read(batch, {})) {
                print_rows(batch);
            }
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const core::SourceError& error) {
        std::printf("{\"error\": %d, \"code\": %d, \"retryable\": %s, \"text\": %s, \"detail\": %s, \"hint\": %s}\n",
                    static_cast<int>(error.kind()), error.code(), error.retryable() ? "true" : "false",
                    json_quoted(error.text()).c_str(), json_quoted(error.detail()).c_str(),
                    json_quoted(error.hint()).c_str());
        return 3;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}

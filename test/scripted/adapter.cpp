// A third kind of source, for tests alone: what it does that the real kinds do not must need no change above
// src/source. It is copied from one state, which its log is then followed from; its log tells of rows as they are
// (put), each by itself, so that readers of some tables see documents and of others transactions.
//
// The source is a file of lines, which is its log and all that it has. A state is what the first n lines make:
//
//   table NAME document|transaction     makes a table, and says what its log gives
//   put NAME NUMBER TEXT                the row with this key as it is now
//   delete NAME NUMBER
//
// It goes by the name of a kind that has URLs, and no adapter yet: mongodb://user:password@host/database?lines=FILE.

#include <charconv>
#include <fstream>
#include <map>
#include <sstream>

#include "core/source.hpp"

namespace pgrepl::scripted {

namespace {

using core::Position;
using core::SourceError;
using core::SourceErrorKind;
using core::StateName;
using core::TableName;

struct Line {
    std::string verb;
    std::string table;
    std::int64_t key = 0;
    std::string text;
};

Line parse(const std::string& text) {
    Line line;
    std::istringstream words(text);
    words >> line.verb >> line.table;
    if (line.verb != "table") {
        words >> line.key;
    }
    std::getline(words >> std::ws, line.text);
    return line;
}

std::vector<Line> read_lines(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        throw SourceError(SourceErrorKind::kNotFound, 0, "there is no script " + path, true);
    }
    std::vector<Line> lines;
    for (std::string text; std::getline(file, text) && !file.eof();) {  // what has no end of line is being written
        lines.push_back(parse(text));
    }
    return lines;
}

std::string place(std::size_t lines) { return "line=" + std::to_string(lines); }
std::string name_of_state(std::size_t lines) { return "state=" + std::to_string(lines); }

/// After the equals sign; the kinds of texts must not be taken for each other.
std::size_t number_in(const std::string& text, std::string_view what) {
    std::size_t number = 0;
    bool const fits = text.starts_with(what);
    const char* const last = text.data() + text.size();
    if (!fits || std::from_chars(text.data() + what.size(), last, number).ptr != last) {
        throw SourceError(SourceErrorKind::kInternal, 0,
                          "not a text that begins with " + std::string(what) + ": " + text, false);
    }
    return number;
}
std::size_t line_of(const Position& position) { return number_in(position.text, "line="); }
std::size_t lines_of(const StateName& name) { return number_in(name.text, "state="); }

core::RowLayout layout() {
    core::RowLayout layout;
    layout.columns = {{.name = "n"}, {.name = "text"}};
    layout.key_columns = {0};
    return layout;
}

void append(core::RowBatch& batch, std::int64_t key, const std::string& text) {
    std::span<core::Value> const row = batch.append_row();
    row[0] = core::Value::from_int64(key);
    row[1] = core::Value::text(batch.arena().copy(text.data(), text.size()), static_cast<std::uint32_t>(text.size()));
}

/// What the first lines of a script make.
struct State {
    std::string database;
    std::vector<core::TableInfo> tables;
    std::map<std::string, std::map<std::int64_t, std::string>> rows;

    State(std::string of, const std::vector<Line>& lines, std::size_t count) : database(std::move(of)) {
        for (std::size_t i = 0; i < count; ++i) {
            const Line& line = lines.at(i);
            if (line.verb == "table") {
                tables.push_back(table(line));
            } else if (line.verb == "put") {
                rows[line.table][line.key] = line.text;
            } else {
                rows[line.table].erase(line.key);
            }
        }
    }

    [[nodiscard]] core::TableInfo table(const Line& line) const {
        core::TableInfo info;
        info.name = {database, "", line.table};
        info.kind = "table";
        info.layout = layout();
        info.column_types = {"number", "text"};
        info.key_names = {"n"};
        info.definition = "n, text";
        info.structure = "n, text";
        info.followed = line.text == "document" ? core::Consistency::kDocument : core::Consistency::kTransaction;
        return info;
    }
};

class Reader final : public core::ChunkReader {
  public:
    Reader(const std::map<std::int64_t, std::string>& rows, const core::ChunkRange& range) : rows_(rows) {
        next_ = range.lower.empty() ? rows_.begin() : rows_.upper_bound(std::stoll(range.lower));
        end_ = range.upper.empty() ? rows_.end() : rows_.upper_bound(std::stoll(range.upper));
        bound_ = range.lower;
    }

    bool read(core::RowBatch& batch, const core::BatchLimits& limits) override {
        batch.clear();
        while (next_ != end_ && batch.row_count() < limits.rows) {
            append(batch, next_->first, next_->second);
            bound_ = std::to_string(next_->first);
            ++next_;
        }
        return batch.row_count() > 0;
    }
    [[nodiscard]] std::string resume_bound() const override { return bound_; }

  private:
    std::map<std::int64_t, std::string> rows_;
    std::map<std::int64_t, std::string>::const_iterator next_;
    std::map<std::int64_t, std::string>::const_iterator end_;
    std::string bound_;
};

class Snapshot final : public core::Snapshot {
  public:
    Snapshot(State state, std::size_t lines, core::CopyPlan plan)
        : state_(std::move(state)), lines_(lines), plan_(plan) {}

    [[nodiscard]] StateName state() const override {
        return core::reads_beside_log(plan_) ? StateName{} : StateName{name_of_state(lines_)};
    }
    [[nodiscard]] Position followed_from() const override {
        if (plan_ != core::CopyPlan::kOneStateThenFollowed) {
            throw SourceError(SourceErrorKind::kInternal, 0, "nobody follows this state", false);
        }
        return Position{place(lines_)};
    }
    std::vector<core::TableInfo> discover() override { return state_.tables; }
    std::vector<core::ChunkRange> plan_chunks(const core::TableInfo& /*table*/, int /*wanted*/) override {
        return {{}};
    }
    std::optional<std::string> split_point(const core::TableInfo& /*table*/,
                                           const core::ChunkRange& /*range*/) override {
        return std::nullopt;
    }
    std::unique_ptr<core::ChunkReader> open_chunk(const core::TableInfo& table,
                                                  const core::ChunkRange& range) override {
        return std::make_unique<Reader>(state_.rows[table.name.table], range);
    }

  private:
    State state_;
    std::size_t lines_;
    core::CopyPlan plan_;
};

class Stream final : public core::ChangeStream {
  public:
    Stream(std::string path, std::string database, const core::StreamRequest& request, core::Interrupts& interrupts)
        : path_(std::move(path)),
          database_(std::move(database)),
          next_(line_of(request.position)),
          interrupts_(interrupts) {
        for (const core::FollowedTable& table : request.tables) {
            follow(table);
        }
    }

    [[nodiscard]] Position start() const override { return Position{place(next_)}; }
    [[nodiscard]] std::string doubt() const override { return {}; }

    /// Each line is a transaction.
    void read(core::ChangeBatch& batch, const core::StreamLimits& limits) override {
        batch.clear();
        std::vector<Line> const lines = wait_for_lines(limits.wait_ms);
        while (next_ < lines.size() && batch.changes.size() < limits.changes && batch.schema_changes.empty()) {
            take(lines[next_++], batch);
            ++batch.transactions;
        }
        batch.complete_changes = batch.changes.size();
        batch.at_end_of_log = next_ == lines.size();
        if (batch.transactions > 0) {
            batch.position.text = place(next_);
        }
    }

    void follow(const core::FollowedTable& table) override {
        followed_[table.name.table] = std::make_shared<const core::RowLayout>(layout());
    }
    void forget(const TableName& table) override { followed_.erase(table.table); }

  private:
    std::vector<Line> wait_for_lines(int wait_ms) {
        constexpr int kPollMs = 20;
        for (int waited = 0;; waited += kPollMs) {
            std::vector<Line> lines = read_lines(path_);
            if (lines.size() > next_ || waited >= wait_ms || interrupts_.pending()) {
                return lines;
            }
            interrupts_.wait(-1, core::Interrupts::WaitFor::kTime, kPollMs);
        }
    }

    void take(const Line& line, core::ChangeBatch& batch) {
        TableName name{database_, "", line.table};
        if (line.verb == "table") {
            core::SchemaChange change;
            change.kind = core::SchemaChange::Kind::kCreated;
            change.table = name;
            change.statement = "table " + line.table;
            batch.schema_changes.push_back(std::move(change));
            return;
        }
        auto const followed = followed_.find(line.table);
        if (followed == followed_.end()) {
            return;
        }
        std::size_t table = 0;
        while (table < batch.tables.size() && batch.tables[table].table != name) {
            ++table;
        }
        if (table == batch.tables.size()) {
            batch.tables.emplace_back(std::move(name), followed->second);
        }
        core::RowBatch& rows = batch.tables[table].rows;
        batch.changes.push_back({.table = static_cast<std::uint32_t>(table),
                                 .kind = line.verb == "put" ? core::ChangeKind::kPut : core::ChangeKind::kDelete,
                                 .row = static_cast<std::uint32_t>(rows.row_count())});
        append(rows, line.key, line.text);
    }

    std::string path_;
    std::string database_;
    std::size_t next_;
    core::Interrupts& interrupts_;
    std::map<std::string, std::shared_ptr<const core::RowLayout>> followed_;
};

class Source final : public core::Source, private core::Log {
  public:
    Source(const core::OpenRequest& request, core::Interrupts& interrupts)
        : path_(request.url.query.at("lines")), database_(request.url.path), interrupts_(interrupts) {
        (void)count();
    }

    core::SourceInfo describe() override { return {"Script 1", "a file of lines"}; }
    std::vector<core::Check> check_prerequisites(bool /*continuous*/) override { return {}; }
    std::vector<core::TableInfo> discover() override { return state(count()).tables; }

    std::unique_ptr<core::Snapshot> open_snapshot(const core::SnapshotRequest& request) override {
        bool const joins = !request.join.text.empty();
        if (joins && core::reads_beside_log(request.plan)) {
            throw SourceError(SourceErrorKind::kInternal, 0, "a state is joined beside a log", false);
        }
        std::size_t const lines = joins ? lines_of(request.join) : count();
        if (lines > count()) {
            throw SourceError(SourceErrorKind::kStateLost, 0, "the script has become shorter", true);
        }
        return std::make_unique<Snapshot>(state(lines), lines, request.plan);
    }

    core::Log* log() override { return this; }

    /// Nothing but the same state has all of it.
    [[nodiscard]] bool has_all_of(const StateName& held, const StateName& state) const override {
        return held.text == state.text;
    }
    void discard_snapshots(const StateName& /*keep*/) override {}

  private:
    Position low_mark() override { return Position{place(count())}; }
    Position high_mark() override { return Position{place(count())}; }
    Position settled_mark(const Position& /*read*/) override { return high_mark(); }
    [[nodiscard]] bool has_reached(const Position& held, const Position& mark) const override {
        return line_of(held) >= line_of(mark);
    }
    bool is_visible(const Position& position) override { return line_of(position) <= count(); }
    Position anchored(const Position& position) override { return position; }
    bool is_intact(const Position& position, bool /*at_end*/) override { return is_visible(position); }
    bool holds_all_changes() override { return true; }
    std::unique_ptr<core::ChangeStream> open_stream(const core::StreamRequest& request) override {
        if (line_of(request.position) > count()) {
            throw SourceError(SourceErrorKind::kDiverged, 0, "the script never had this line", false);
        }
        return std::make_unique<Stream>(path_, database_, request, interrupts_);
    }

    [[nodiscard]] std::size_t count() const { return read_lines(path_).size(); }
    [[nodiscard]] State state(std::size_t lines) const { return {database_, read_lines(path_), lines}; }

    std::string path_;
    std::string database_;
    core::Interrupts& interrupts_;
};

std::unique_ptr<core::Source> open_source(const core::OpenRequest& request, core::Interrupts& interrupts) {
    if (!request.url.query.contains("lines")) {
        throw SourceError(SourceErrorKind::kInvalidUrl, 0, "the URL names no script", false);
    }
    return std::make_unique<Source>(request, interrupts);
}

constexpr core::Capabilities kCapabilities = {
    .plan = core::CopyPlan::kOneStateThenFollowed,
    .why_not_followed = "",
    .why_no_key_rules = "Each row has a number.",
    .target_schema = "{database}",
    .default_port = 1,
};

}  // namespace
}  // namespace pgrepl::scripted

extern "C" __attribute__((visibility("default"))) const pgrepl::core::Adapter* pg_replicator_adapter() {
    static const pgrepl::core::Adapter adapter = {.abi_version = pgrepl::core::kAdapterAbiVersion,
                                                  .kind = "mongodb",
                                                  .library_version = "1",
                                                  .capabilities = pgrepl::scripted::kCapabilities,
                                                  .open = pgrepl::scripted::open_source};
    return &adapter;
}

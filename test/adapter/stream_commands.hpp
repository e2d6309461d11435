#pragma once
// The driver's change stream. Lines of input, each answered by one line:
//
//   low, high, reached HELD<tab>MARK    marks, and what they hold
//   shows POSITION                      whether a read that begins now sees it
//   anchored POSITION                   the same, with what tells its log from another
//   intact POSITION                     whether the log is still the one that was read to its end there
//   start, doubt                        what the open stream says of its beginning
//   table DATABASE TABLE                follow this table, with the structure that it has now; before `open` or later
//   comparable NAME                     in which form the source compares it
//   old-table DATABASE TABLE FROM TO    the same, but with the name TO of a column replaced by FROM in the structure
//   forget DATABASE TABLE
//   copy DATABASE TABLE                 {"position": low mark, "rows": […]} of a read beside the log
//   open POSITION                       opens the stream
//   read [CHANGES [BYTES [WAIT_MS]]]    one batch, as JSON
//   reopen POSITION                     a second stream, of the same reader id, beside the first
//
// An error is {"error": kind, "retryable": …, "text": …, "hint": …}.

#include <istream>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "core/source.hpp"
#include "test/adapter/driver_text.hpp"

namespace pgrepl::test {

inline std::string show_row(const core::RowBatch& rows, std::size_t row) {
    std::string line;
    for (const Value& value : rows.row(row)) {
        line += (line.empty() ? "" : ", ") + show(value);
    }
    return "[" + line + "]";
}

inline std::string show_change(const core::ChangeBatch& batch, const core::Change& change) {
    static constexpr const char* kKinds[] = {"insert", "update", "delete", "put"};
    const core::StreamedRows& table = batch.tables[change.table];
    std::string text = "[" + json_quoted(kKinds[static_cast<int>(change.kind)]) + ", " +
                       json_quoted(table.table.qualified()) + ", " + show_row(table.rows, change.row);
    if (change.kind == core::ChangeKind::kUpdate) {
        text += ", " + show_row(table.rows, change.row + 1);
    }
    return text + "]";
}

inline std::string show_layout(const core::StreamedRows& table) {
    std::vector<std::string> columns;
    std::vector<std::string> keys;
    std::vector<std::string> styles;
    for (const core::Column& column : table.layout->columns) {
        columns.push_back(column.name);
        styles.push_back(std::to_string(static_cast<int>(column.id_style)));
    }
    for (std::uint32_t const column : table.layout->key_columns) {
        keys.push_back(columns.at(column));
    }
    return json_quoted(table.table.qualified()) + ": {\"columns\": " + list(columns) + ", \"key\": " + list(keys) +
           ", \"styles\": " + list(styles) + ", \"lacks\": " + json_quoted(table.lacking_column) + "}";
}

inline std::string show_schema_change(const core::SchemaChange& change) {
    static constexpr const char* kKinds[] = {
        "created",    "created if absent", "dropped",        "renamed", "truncated",   "altered", "redefined",
        "maintained", "database dropped",  "not understood", "rights",  "unread rows", "crashed"};
    return "[" + json_quoted(kKinds[static_cast<int>(change.kind)]) + ", " + json_quoted(change.table.qualified()) +
           ", " + json_quoted(change.renamed_to.table.empty() ? "" : change.renamed_to.qualified()) + ", " +
           json_quoted(change.statement + change.note) + "]";
}

inline std::string show_unread(const core::UnreadTable& unread) {
    return "{\"table\": " + json_quoted(unread.table.qualified()) +
           ", \"error\": " + std::to_string(static_cast<int>(unread.error.kind())) +
           ", \"text\": " + json_quoted(unread.error.text()) + ", \"hint\": " + json_quoted(unread.error.hint()) + "}";
}

/// What `item` gives for each of `items`, with commas between.
template <typename Items, typename Item>
std::string joined(const Items& items, Item item) {
    std::string text;
    for (const auto& entry : items) {
        text += (text.empty() ? "" : ", ") + item(entry);
    }
    return text;
}

inline std::string show_batch(const core::ChangeBatch& batch) {
    return "{\"changes\": [" + joined(batch.changes, [&](const auto& c) { return show_change(batch, c); }) +
           "], \"layouts\": {" + joined(batch.tables, show_layout) +
           "}, \"complete\": " + std::to_string(batch.complete_changes) +
           ", \"withdrawn\": " + (batch.withdrawn ? "true" : "false") +
           ", \"position\": " + json_quoted(batch.position.text) +
           ", \"transactions\": " + std::to_string(batch.transactions) +
           ", \"commit_time\": " + std::to_string(batch.commit_time_us) + ", \"schema\": [" +
           joined(batch.schema_changes, show_schema_change) + "], \"unreadable\": [" +
           joined(batch.unreadable, [](const auto& u) { return json_quoted(u.error.text()); }) + "], \"unread\": [" +
           joined(batch.unread_tables, show_unread) + "], \"not_followed\": [" +
           joined(batch.not_followed, [](const auto& name) { return json_quoted(name.qualified()); }) +
           "], \"end\": " + (batch.at_end_of_log ? "true" : "false") +
           ", \"bytes\": " + std::to_string(batch.bytes_read) + "}";
}

class StreamCommands {
  public:
    StreamCommands(core::Source& source, std::uint32_t reader_id) : source_(source), log_(*source.log()) {
        request_.reader_id = reader_id;
    }

    std::string run(const std::string& line) {
        std::istringstream words(line);
        std::string command;
        words >> command;
        if (command == "low" || command == "high") {
            return command == "low" ? log_.low_mark().text : log_.high_mark().text;
        }
        if (command == "shows") {
            return log_.is_visible(core::Position{line.substr(6)}) ? "1" : "0";
        }
        if (command == "comparable") {
            return source_.name_rules().comparable(std::string_view(line).substr(command.size() + 1));
        }
        if (command == "anchored") {
            return log_.anchored(core::Position{line.substr(command.size() + 1)}).text;
        }
        if (command == "intact") {
            return log_.is_intact(core::Position{line.substr(command.size() + 1)}, true) ? "1" : "0";
        }
        if (command == "start" || command == "doubt") {
            return command == "start" ? stream_->start().text : stream_->doubt();
        }
        if (command == "reached") {
            std::size_t const tab = line.find('\t');
            core::Position const held{line.substr(8, tab - 8)};
            return log_.has_reached(held, core::Position{line.substr(tab + 1)}) ? "1" : "0";
        }
        if (command == "table" || command == "old-table") {
            return follow(words);
        }
        if (command == "forget") {
            core::TableName name;
            words >> name.database >> name.table;
            stream_->forget(name);
            return "forgotten";
        }
        if (command == "read") {
            return read(words);
        }
        if (command == "copy") {
            return copy(words);
        }
        request_.position.text = line.substr(command.size() + 1);
        (command == "open" ? stream_ : second_) = log_.open_stream(request_);
        return "opened";
    }

  private:
    std::string follow(std::istringstream& words) {
        core::FollowedTable table;
        std::string from;
        std::string to;
        words >> table.name.database >> table.name.table >> from >> to;
        auto const found = source_.find_table(table.name);
        if (!found) {
            return "none";
        }
        table.structure = found->structure;
        if (std::size_t const at = table.structure.find(" " + to + "\n"); !to.empty() && at != std::string::npos) {
            table.structure.replace(at + 1, to.size(), from);
        }
        if (stream_) {
            stream_->follow(table);
        } else {
            request_.tables.push_back(table);
        }
        return "followed";
    }

    std::string copy(std::istringstream& words) {
        core::TableName name;
        words >> name.database >> name.table;
        core::Position const mark = log_.low_mark();
        auto const joined =
            source_.open_snapshot({.join = {}, .durable = false, .plan = core::CopyPlan::kBesideLog, .mark = mark});
        core::TableInfo const table = source_.find_table(name).value();
        std::string rows;
        core::RowBatch batch(table.layout.columns.size());
        for (auto const reader = joined->open_chunk(table, {}); reader->read(batch, {});) {
            for (std::size_t i = 0; i < batch.row_count(); ++i) {
                rows += (rows.empty() ? "" : ", ") + show_row(batch, i);
            }
        }
        return "{\"position\": " + json_quoted(mark.text) + ", \"rows\": [" + rows + "]}";
    }

    std::string read(std::istringstream& words) {
        core::StreamLimits limits;
        words >> limits.changes;
        if (!words) {
            limits.changes = 10'000;
        } else if (words >> limits.bytes) {
            words >> limits.wait_ms;
        } else {
            limits.bytes = 8 << 20;
        }
        core::ChangeBatch batch;
        stream_->read(batch, limits);
        return show_batch(batch);
    }

    core::Source& source_;
    core::Log& log_;
    core::StreamRequest request_;
    std::unique_ptr<core::ChangeStream> stream_;
    std::unique_ptr<core::ChangeStream> second_;
};

inline void run_stream(core::Source& source, std::uint32_t reader_id, std::istream& in, std::ostream& out) {
    StreamCommands commands(source, reader_id);
    for (std::string line; std::getline(in, line);) {
        try {
            out << commands.run(line) << std::endl;
        } catch (const core::SourceError& error) {
            out << "{\"error\": " << static_cast<int>(error.kind())
                << ", \"retryable\": " << (error.retryable() ? "true" : "false")
                << ", \"text\": " << json_quoted(error.text()) << ", \"detail\": " << json_quoted(error.detail())
                << ", \"hint\": " << json_quoted(error.hint()) << "}" << std::endl;
        }
    }
}

}  // namespace pgrepl::test

#pragma once
// Reads every event of a stream as the adapter will: for the tests of values and of malformed input, and for fuzzing.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "source/mysql/binlog/control_events.hpp"
#include "source/mysql/binlog/event_framer.hpp"
#include "source/mysql/binlog/gtid_events.hpp"
#include "source/mysql/binlog/query_event.hpp"
#include "source/mysql/binlog/row_decoder.hpp"
#include "source/mysql/binlog/transaction_payload.hpp"

namespace pgrepl::test {

class EventWalk {
  public:
    /// Called for each change, with its rows in `batch` (an update has two).
    using OnChange = std::function<void(const mysql::EventTable&, core::ChangeKind, const core::RowBatch&)>;
    /// Completes a table as information_schema would.
    using Complete = std::function<void(mysql::EventTable&)>;

    explicit EventWalk(mysql::ChecksumAlgorithm assumed) : framer_(assumed) {}

    OnChange on_change = [](auto&&...) {};
    Complete complete = [](auto&&) {};
    std::map<mysql::EventType, int> seen;  ///< how many of each type, those in payloads included
    std::string statements;                ///< texts of all QUERY events, a line each
    mysql::MysqlGtidSet gtids;
    mysql::MariaGtidPosition maria_position;

    void read(mysql::ByteSpan bytes, std::uint64_t position = 0) {
        handle(framer_.open(bytes, "binlog.000001", position));
    }

    void handle(const mysql::Event& event) {
        using mysql::EventType;
        ++seen[event.header.type];
        if (mysql::use_of(event) == mysql::EventUse::kPassOver) {
            return;
        }
        switch (event.header.type) {
            case EventType::kTableMap:
                return read_table_map(event);
            case EventType::kTransactionPayload:
                return read_payload(event);
            case EventType::kQuery:
            case EventType::kQueryCompressed:
                statements += std::string(mysql::parse_query(event, storage_).sql) + "\n";
                return;
            default:
                if (mysql::is_rows_event(event.header.type)) {
                    return read_rows(event);
                }
                return read_control(event);
        }
    }

  private:
    void read_control(const mysql::Event& event) {
        using mysql::EventType;
        switch (event.header.type) {
            case EventType::kRotate:
                mysql::parse_rotate(event);
                return;
            case EventType::kXaPrepare:
                mysql::parse_xa_prepare(event);
                return;
            case EventType::kPreviousGtids:
                gtids.add(mysql::parse_previous_gtids(event));
                return;
            case EventType::kMariaGtidList:
                for (const mysql::MariaGtid& gtid : mysql::parse_gtid_list(event)) {
                    maria_position.advance(gtid);
                }
                return;
            case EventType::kMariaGtid:
                maria_position.advance(mysql::parse_maria_gtid(event).gtid);
                return;
            case EventType::kMysqlGtid:
            case EventType::kAnonymousGtid:
            case EventType::kGtidTagged: {
                mysql::MysqlGtidEvent const gtid = mysql::parse_mysql_gtid(event);
                if (!gtid.anonymous) {
                    gtids.add(gtid.origin, gtid.number);
                }
                return;
            }
            default:
                return;
        }
    }

    void read_table_map(const mysql::Event& event) {
        mysql::TableMap const map = mysql::parse_table_map(event, framer_.format().maria_db);
        mysql::EventTable table = mysql::event_table_of(map, event.place, charsets_);
        complete(table);
        decoders_[map.table_id] = std::make_unique<mysql::RowDecoder>(std::move(table));
    }

    void read_rows(const mysql::Event& event) {
        mysql::RowsEvent const rows = mysql::parse_rows_event(event, storage_);
        auto const entry = decoders_.find(rows.table_id);
        if (entry == decoders_.end()) {
            return;
        }
        mysql::RowDecoder& decoder = *entry->second;
        decoder.open(rows);
        core::RowBatch batch(decoder.table().row_width);
        while (decoder.next(batch)) {
            on_change(decoder.table(), rows.kind, batch);
            batch.clear();
        }
    }

    void read_payload(const mysql::Event& event) {
        payload_.open(event);
        mysql::Event inner;
        while (payload_.next(inner)) {
            if (inner.header.type == mysql::EventType::kTransactionPayload) {
                mysql::throw_corrupt(inner.place, "a payload within a payload");
            }
            handle(inner);
        }
    }

    mysql::EventFramer framer_;
    mysql::Charsets charsets_;
    mysql::PayloadReader payload_;
    std::map<std::uint64_t, std::unique_ptr<mysql::RowDecoder>> decoders_;
    std::string storage_;
};

}  // namespace pgrepl::test

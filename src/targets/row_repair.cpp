// Statements on rows by id. Set-based; halved where a row is refused.

#include "targets/row_repair.hpp"

#include <map>

#include "pg/spi.hpp"
#include "targets/bisection.hpp"
#include "targets/seen_ids.hpp"

namespace pgrepl::target {

namespace {

/// Of rows between which values move under a unique index: the old ones go before the new ones come.
class Replacement {
  public:
    Replacement(const TargetWriter& target, const EncodedRows& rows) : target_(target), rows_(rows) {}

    void write(std::vector<pg::RefusedRow>& refused) {
        replace(0, rows_.size());
        // A row that was refused beside an old one may be accepted after that is gone.
        for (int round = 0; round < kMostRounds && !refused_.empty(); ++round) {
            std::map<std::size_t, pg::SqlError> const before = std::move(refused_);
            refused_.clear();
            for (const auto& [row, error] : before) {
                replace(row, 1);
            }
            if (refused_.size() == before.size()) {
                break;
            }
        }
        for (const auto& [row, error] : refused_) {
            refused.push_back(rows_.refused(row, error));
        }
    }

  private:
    static constexpr int kMostRounds = 10;

    void replace(std::size_t begin, std::size_t size) {
        write_by_halves(
            begin, size,
            [&](std::size_t first, std::size_t count) {
                std::vector<std::string> ids;
                for (std::size_t row = first; row < first + count; ++row) {
                    ids.emplace_back(rows_.id_text(row));
                }
                target_.remove(ids);
                target_.put(rows_, first, count, WhereSame::kRewrite);
            },
            [&](std::size_t row, const pg::SqlError& error) { refused_.emplace(row, error); });
    }

    const TargetWriter& target_;
    const EncodedRows& rows_;
    std::map<std::size_t, pg::SqlError> refused_;
};

}  // namespace

void put_rows(const OpenTarget& target, const EncodedRows& rows, WhereSame where_same,
              std::vector<pg::RefusedRow>& refused) {
    if (rows.size() == 0) {
        return;
    }
    TargetWriter const writer(target);
    std::optional<pg::SqlError> const failure =
        pg::run_in_subtransaction([&] { writer.put(rows, 0, rows.size(), where_same); });
    if (!failure) {
        return;
    }
    if (failure->sqlstate() == ERRCODE_UNIQUE_VIOLATION || failure->sqlstate() == ERRCODE_EXCLUSION_VIOLATION) {
        return Replacement(writer, rows).write(refused);
    }
    if (!may_concern_row(*failure)) {
        throw pg::SqlError(*failure);
    }
    write_by_halves(
        0, rows.size(), [&](std::size_t first, std::size_t count) { writer.put(rows, first, count, where_same); },
        [&](std::size_t row, const pg::SqlError& error) { refused.push_back(rows.refused(row, error)); });
}

void delete_rows(const OpenTarget& target, const std::vector<std::string>& ids, std::vector<pg::RefusedRow>& refused) {
    TargetWriter const writer(target);
    write_by_halves(
        0, ids.size(),
        [&](std::size_t first, std::size_t count) {
            auto const begin = ids.begin() + static_cast<std::ptrdiff_t>(first);
            writer.remove({begin, begin + static_cast<std::ptrdiff_t>(count)});
        },
        [&](std::size_t index, const pg::SqlError& error) {
            refused.push_back({.id = ids[index], .deletion = true, .error = error});
        });
}

std::string extra_row_condition(std::int32_t table_id, TimestampTz since, bool second_pass,
                                const std::vector<std::string>& known) {
    pg::QueryResult const moment =
        pg::execute("SELECT pg_catalog.quote_literal($1), pg_catalog.quote_literal($2::text)",
                    {pg::Param::timestamp(since), known});
    std::string condition = SeenIds::not_seen(first_pass_name(table_id)) + " AND t._synced_at NOT BETWEEN " +
                            moment.text(0, 0) + "::timestamptz AND clock_timestamp()";
    if (!known.empty()) {
        condition += " AND t.id <> ALL (" + moment.text(0, 1) + "::text[])";
    }
    if (second_pass) {
        condition += " AND " + SeenIds::not_seen(second_pass_name(table_id));
    }
    return condition;
}

bool has_rows(const OpenTarget& target) {
    return !pg::execute("SELECT 1 FROM " + target.rows_sql() + " LIMIT 1").empty();
}

std::int64_t count_rows(const OpenTarget& target, const std::string& condition) {
    return pg::execute("SELECT count(*) FROM " + target.rows_sql() + " t WHERE " + condition).int64(0, 0);
}

std::vector<std::string> list_ids(const OpenTarget& target, const std::string& condition,
                                  const std::optional<std::string>& after, std::int64_t limit) {
    pg::QueryResult const rows = pg::execute("SELECT t.id FROM " + target.rows_sql() + " t WHERE " + condition +
                                                 " AND ($1 IS NULL OR t.id > $1) ORDER BY t.id LIMIT $2",
                                             {after, limit});
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        ids.push_back(rows.text(i, 0));
    }
    return ids;
}

}  // namespace pgrepl::target

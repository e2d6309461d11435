// The retry policy.

#include "replication/access/error_policy.hpp"

#include <algorithm>
#include <random>

#include "catalog/table_life.hpp"
#include "targets/statement_error.hpp"

namespace pgrepl::replication {

namespace {

/// Of errors that no statement on a target raised: checks of ours on a table, and what we store about it.
bool concerns_table(int sqlstate) {
    switch (ERRCODE_TO_CATEGORY(sqlstate)) {
        case MAKE_SQLSTATE('2', '1', '0', '0', '0'):  // cardinality violation: two rows with one id
        case MAKE_SQLSTATE('2', '2', '0', '0', '0'):  // data exception
        case MAKE_SQLSTATE('2', '3', '0', '0', '0'):  // integrity constraint violation
        case MAKE_SQLSTATE('0', 'A', '0', '0', '0'):  // feature not supported
        case MAKE_SQLSTATE('4', '2', '0', '0', '0'):  // syntax error or access rule violation
        case MAKE_SQLSTATE('4', '4', '0', '0', '0'):  // with check option violation
        case MAKE_SQLSTATE('5', '4', '0', '0', '0'):  // program limit exceeded
            return true;
        default:
            return false;
    }
}

bool concerns_log(core::SourceErrorKind kind) {
    return kind == core::SourceErrorKind::kPositionLost || kind == core::SourceErrorKind::kDiverged ||
           kind == core::SourceErrorKind::kUnsupported || kind == core::SourceErrorKind::kPermissionDenied ||
           kind == core::SourceErrorKind::kCorrupt;
}

bool concerns_table(core::SourceErrorKind kind) {
    return kind == core::SourceErrorKind::kTableChanged || kind == core::SourceErrorKind::kUnsupported ||
           kind == core::SourceErrorKind::kInvalidValue || kind == core::SourceErrorKind::kCorrupt ||
           kind == core::SourceErrorKind::kTableLocked || kind == core::SourceErrorKind::kTableDenied ||
           kind == core::SourceErrorKind::kBeyondLimit;
}

}  // namespace

Verdict judge_current_exception() {
    try {
        throw;
    } catch (const core::SourceError& error) {
        bool const position_lost = error.kind() == core::SourceErrorKind::kPositionLost;
        pg::SqlError::Fields fields = pg::to_sql_error(error).fields();
        if (position_lost) {
            fields.hint +=
                " To have that done by itself: replicator_alter(name, options => '{\"on_position_lost\": "
                "\"resync\"}').";
        }
        return {pg::SqlError(std::move(fields)),
                error.retryable(),
                error.kind() == core::SourceErrorKind::kStateLost,
                position_lost,
                concerns_log(error.kind()),
                error.kind() == core::SourceErrorKind::kThrownOut};
    } catch (const TablesLeftAside& error) {
        return {.error = error, .others_are_up_to_date = true};
    } catch (const pg::SqlError& error) {
        bool const needs_person =
            error.sqlstate() == ERRCODE_INSUFFICIENT_PRIVILEGE || error.sqlstate() == ERRCODE_INVALID_PARAMETER_VALUE ||
            error.sqlstate() == ERRCODE_UNDEFINED_OBJECT || error.sqlstate() == ERRCODE_FEATURE_NOT_SUPPORTED;
        return {error, !needs_person, false, false, false, false};
    } catch (...) {
        return {pg::detail::current_exception_as_sql_error(), true, false, false, false, false};
    }
}

std::optional<pg::SqlError> error_of_table_alone() {
    try {
        throw;
    } catch (const core::SourceError& error) {
        return concerns_table(error.kind()) ? std::optional(pg::to_sql_error(error)) : std::nullopt;
    } catch (const pg::SqlError& error) {
        return concerns_table_alone(error) ? std::optional(error) : std::nullopt;
    } catch (...) {
        return std::nullopt;
    }
}

bool concerns_table_alone(const pg::SqlError& error) {
    if (!error.fields().on_target) {
        return error.fields().locked_at_source || concerns_table(error.sqlstate());
    }
    return target::reach_of(error) != target::Reach::kEverything;
}

bool waits_aside(const pg::SqlError& error) {
    if (!error.fields().on_target) {
        return error.fields().locked_at_source;
    }
    target::Reach const reach = target::reach_of(error);
    return reach == target::Reach::kLocked || reach == target::Reach::kNoRoom;
}

void set_table_apart(std::int32_t table_id, const pg::SqlError& error) {
    if (waits_aside(error)) {
        catalog::leave_aside(table_id, error);
    } else {
        catalog::fail_table(table_id, error);
    }
}

std::int64_t retry_delay_ms(std::int32_t retry_count, std::int64_t initial_ms, std::int64_t max_ms) {
    std::int64_t const doublings = std::min<std::int64_t>(retry_count, 20);
    std::int64_t const delay = std::min(max_ms, initial_ms << doublings);
    std::random_device entropy;
    return delay - static_cast<std::int64_t>(entropy() % (static_cast<std::uint64_t>(delay) / 2 + 1));
}

}  // namespace pgrepl::replication

// Changes of a log on their way into a target, inside a backend.

#include <sstream>

#include "api/entry.hpp"
#include "core/row_batch.hpp"
#include "core/source_error.hpp"
#include "targets/open_target.hpp"
#include "targets/table_changes.hpp"
#include "test/pg/arguments.hpp"

namespace pgrepl::test {

namespace {

using core::ChangeKind;
using core::Value;

/// A row of the table (k, v), whose key is k. A `-` is NULL.
class Rows {
  public:
    std::span<const Value> row(const std::string& key, const std::string& value) {
        std::span<Value> const row = batch_.append_row();
        row[0] = text(key);
        row[1] = text(value);
        return row;
    }

  private:
    Value text(const std::string& word) {
        if (word == "-") {
            return Value::null();
        }
        return Value::text(batch_.arena().copy(word.data(), word.size()), static_cast<std::uint32_t>(word.size()));
    }

    core::RowBatch batch_{2};
};

void add(target::TableChanges& changes, target::RowEncoder& encoder, const std::string& line) {
    static const core::SourceError kNoText(core::SourceErrorKind::kInvalidValue, 0, "not a value", false);
    std::istringstream words(line);
    std::string kind;
    std::string k;
    std::string v = "-";
    words >> kind >> k >> v;
    Rows first;
    Rows second;
    if (kind == "insert") {
        changes.add(ChangeKind::kInsert, encoder, first.row(k, v), {}, nullptr);
    } else if (kind == "put") {
        changes.add(ChangeKind::kPut, encoder, first.row(k, v), {}, nullptr);
    } else if (kind == "unreadable") {
        changes.add(ChangeKind::kPut, encoder, first.row(k, v), {}, &kNoText);
    } else if (kind == "delete") {
        changes.add(ChangeKind::kDelete, encoder, first.row(k, v), {}, nullptr);
    } else {
        std::string new_k;
        std::string new_v;
        words >> new_k >> new_v;
        changes.add(ChangeKind::kUpdate, encoder, first.row(k, v), second.row(new_k, new_v), nullptr);
    }
}

/// Applies the changes, one on each line, to public.changed, as one transaction of the log. Returns the ids that were
/// refused, and their SQLSTATEs.
Datum test_changes(FunctionCallInfo fcinfo) {
    core::RowLayout layout;
    layout.columns = {{.name = "k", .id_style = core::IdStyle::kStringsOnly}, {.name = "v"}};
    layout.key_columns = {0};
    target::RowEncoder encoder(layout);
    target::TableChanges changes;
    std::istringstream script(text_argument(fcinfo, 0));
    for (std::string line; std::getline(script, line);) {
        add(changes, encoder, line);
    }
    target::TargetName const name{"public", "changed"};
    target::OpenTarget const opened = target::open_target(
        {name, target::find_table(name).value_or(InvalidOid), false, GetUserId()}, target::TargetUse::kWrite);
    changes.write(opened, target::WhereSame::kRewrite);
    std::string refused;
    for (const pg::RefusedRow& write : changes.refused()) {
        refused += write.id + ":" + pg::sqlstate_text(write.error.sqlstate()) + " ";
    }
    return text_result(refused);
}

}  // namespace

}  // namespace pgrepl::test

PGREPL_SQL_FUNCTION(test_changes, pgrepl::test::test_changes)

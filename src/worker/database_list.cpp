// Reads pg_database.

#include "worker/database_list.hpp"

#include <algorithm>

#include "pg/settings.hpp"
#include "pg/transaction.hpp"

namespace pgrepl::worker {

namespace {

/// In pg_database.datconnlimit: DROP DATABASE was interrupted.
constexpr int kInvalid = -2;

struct Row {
    Oid oid;
    NameData name;
    bool served;
};

/// In memory of the transaction.
List* read_rows() {
    List* rows = NIL;
    Relation const relation = table_open(DatabaseRelationId, AccessShareLock);
    TableScanDesc const scan = table_beginscan_catalog(relation, 0, nullptr);
    for (HeapTuple tuple = heap_getnext(scan, ForwardScanDirection); tuple != nullptr;
         tuple = heap_getnext(scan, ForwardScanDirection)) {
        auto const* const form = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
        auto* const row = static_cast<Row*>(palloc(sizeof(Row)));
        row->oid = form->oid;
        row->name = form->datname;
        row->served = form->datallowconn && !form->datistemplate && form->datconnlimit != kInvalid;
        rows = lappend(rows, row);
    }
    table_endscan(scan);
    table_close(relation, AccessShareLock);
    return rows;
}

}  // namespace

std::vector<Database> list_databases() {
    std::vector<Database> databases;
    pg::Transaction transaction;
    const List* const rows = pg::CallPg([] { return read_rows(); });
    for (int i = 0; i < list_length(rows); ++i) {
        const Row& row = *static_cast<const Row*>(list_nth(rows, i));
        databases.push_back({row.oid, NameStr(row.name), row.served});
    }
    transaction.commit();
    return databases;
}

bool is_allowed(const std::string& name) {
    std::string const list = pg::settings().databases == nullptr ? "" : pg::settings().databases;
    bool any = false;
    std::size_t start = 0;
    while (start <= list.size()) {
        std::size_t const end = std::min(list.find(',', start), list.size());
        std::string item = list.substr(start, end - start);
        item.erase(0, std::min(item.find_first_not_of(' '), item.size()));
        item.erase(item.find_last_not_of(' ') + 1);
        any = any || !item.empty();
        if (item == name) {
            return true;
        }
        start = end + 1;
    }
    return !any;
}

}  // namespace pgrepl::worker

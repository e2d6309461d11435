// Looking at a relation. All of this is PostgreSQL code, run inside pg::CallPg.

#include "targets/target_shape.hpp"

#include <cstdio>

#include "pg/relation_headers.hpp"

namespace pgrepl::target {

namespace {

constexpr int kColumns = 3;

/// The first problem that is found is the one that is told. Without a hint: undo the change.
template <typename... Values>
void set_problem(TargetShape& shape, const char* hint, const char* format, Values... values) {
    if (shape.problem[0] != '\0') {
        return;
    }
    if constexpr (sizeof...(values) == 0) {
        (void)std::snprintf(shape.problem, sizeof(shape.problem), "%s", format);
    } else {
        (void)std::snprintf(shape.problem, sizeof(shape.problem), format, values...);
    }
    shape.hint = hint;
}

const char* kind_problem(const FormData_pg_class* form) {
    switch (form->relkind) {
        case RELKIND_RELATION:
        case RELKIND_PARTITIONED_TABLE:
            break;
        case RELKIND_VIEW:
            return "it is a view";
        case RELKIND_MATVIEW:
            return "it is a materialized view";
        case RELKIND_FOREIGN_TABLE:
            return "it is a foreign table";
        case RELKIND_SEQUENCE:
            return "it is a sequence";
        default:
            return "it is not a table";
    }
    return form->relpersistence == RELPERSISTENCE_TEMP ? "it is a temporary table" : nullptr;
}

/// After a crash an unlogged table is empty, while the position says that it is filled.
void check_persistence(char persistence, const char* name, TargetShape& shape) {
    if (persistence == RELPERSISTENCE_UNLOGGED) {
        set_problem(shape, "ALTER TABLE … SET LOGGED, then call replicator_resync: rows may have been lost.",
                    "\"%s\" is unlogged: a crash empties it, and nothing would tell", name);
    }
}

/// Triggers of a partition fire with the rights of whoever writes to the table, so its owner matters as the table's
/// does.
void check_partitions(Relation relation, Oid wanted_owner, TargetShape& shape) {
    List* const partitions = find_all_inheritors(RelationGetRelid(relation), NoLock, nullptr);
    ListCell* cell = nullptr;
    foreach (cell, partitions) {
        HeapTuple const tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(cell)));
        if (!HeapTupleIsValid(tuple)) {
            continue;
        }
        const auto* const form = reinterpret_cast<const FormData_pg_class*>(GETSTRUCT(tuple));
        if (form->relkind != RELKIND_PARTITIONED_TABLE) {
            check_persistence(form->relpersistence, NameStr(form->relname), shape);
        }
        if (form->relowner != wanted_owner) {
            set_problem(shape, "ALTER TABLE … OWNER TO the source's owner, then call replicator_resync.",
                        "its partition \"%s\" belongs to another role", NameStr(form->relname));
        }
        ReleaseSysCache(tuple);
    }
    list_free(partitions);
}

struct OwnColumn {
    const char* name;
    Oid type;
    const char* wanted;
};

constexpr OwnColumn kOwnColumns[kColumns] = {{"id", TEXTOID, "text COLLATE \"C\""},
                                             {"data", JSONBOID, "jsonb"},
                                             {"_synced_at", TIMESTAMPTZOID, "timestamp with time zone"}};

void check_own_column(const OwnColumn& own, Form_pg_attribute column, TargetShape& shape) {
    bool const fits = column->atttypid == own.type && column->atttypmod == -1 &&
                      (own.type != TEXTOID || column->attcollation == C_COLLATION_OID);
    if (!fits) {
        set_problem(shape, "", "its column \"%s\" is not %s", own.name, own.wanted);
    } else if (column->attgenerated != '\0') {
        set_problem(shape, "", "its column \"%s\" is generated", own.name);
    }
}

void check_other_column(Relation relation, Form_pg_attribute column, TargetShape& shape) {
    bool const filled = !column->attnotnull || column->atthasdef || column->attidentity != '\0' ||
                        (relation->trigdesc != nullptr && relation->trigdesc->trig_insert_before_row);
    if (!filled) {
        set_problem(shape, "", "its column \"%s\" must be given a value: it is NOT NULL, and has no default",
                    NameStr(column->attname));
    }
}

/// Which of our columns it is; kColumns: none.
int own_column(Form_pg_attribute column) {
    int own = 0;
    while (own < kColumns && strcmp(NameStr(column->attname), kOwnColumns[own].name) != 0) {
        ++own;
    }
    return own;
}

AttrNumber check_columns(Relation relation, TargetShape& shape) {
    TupleDesc const columns = RelationGetDescr(relation);
    AttrNumber numbers[kColumns + 1] = {};
    for (int i = 0; i < columns->natts; ++i) {
        Form_pg_attribute const column = TupleDescAttr(columns, i);
        if (!column->attisdropped) {
            numbers[own_column(column)] = column->attnum;
        }
    }
    for (int own = 0; own < kColumns; ++own) {
        if (numbers[own] == InvalidAttrNumber) {
            set_problem(shape, "", "it has no column \"%s\" %s", kOwnColumns[own].name, kOwnColumns[own].wanted);
        } else {
            check_own_column(kOwnColumns[own], TupleDescAttr(columns, numbers[own] - 1), shape);
        }
    }
    for (int i = 0; i < columns->natts; ++i) {
        Form_pg_attribute const column = TupleDescAttr(columns, i);
        if (!column->attisdropped && own_column(column) == kColumns) {
            check_other_column(relation, column, shape);
        }
    }
    shape.data_column = numbers[1];
    return numbers[0];
}

/// Rules of the kind that fires for us would take rows away; with any on UPDATE, ON CONFLICT is refused.
void check_rules(Relation relation, TargetShape& shape) {
    const RuleLock* const rules = relation->rd_rules;
    for (int i = 0; rules != nullptr && i < rules->numLocks; ++i) {
        const RewriteRule* const rule = rules->rules[i];
        bool const fires = rule->enabled == RULE_FIRES_ALWAYS || rule->enabled == RULE_FIRES_ON_REPLICA;
        if (rule->event != CMD_SELECT && (fires || rule->event == CMD_UPDATE)) {
            set_problem(shape, "DROP RULE, or use a trigger instead; then call replicator_resync.",
                        "it has a rewrite rule, which would change what is written to it");
        }
    }
}

/// Unique, valid, immediate, B-tree, on id alone, and compared as the rows are. Whether it is partial is asked of the
/// catalog: RelationGetIndexPredicate would evaluate constants of the predicate.
bool finds_by_id(Relation table, Relation index, AttrNumber id_column) {
    const FormData_pg_index* const form = index->rd_index;
    return form->indisunique && form->indisvalid && form->indisready && form->indnkeyatts == 1 &&
           form->indkey.values[0] == id_column && index->rd_rel->relam == BTREE_AM_OID &&
           heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr) &&
           index->rd_opfamily[0] == TEXT_BTREE_FAM_OID &&
           index->rd_indcollation[0] == TupleDescAttr(RelationGetDescr(table), id_column - 1)->attcollation;
}

void look_for_index(Relation table, AttrNumber id_column, TargetShape& shape) {
    bool deferrable = false;
    List* const indexes = RelationGetIndexList(table);
    ListCell* cell = nullptr;
    foreach (cell, indexes) {
        Relation const index = index_open(lfirst_oid(cell), AccessShareLock);
        if (finds_by_id(table, index, id_column)) {
            // A deferrable one is not enforced row by row, so that ON CONFLICT cannot use it.
            deferrable = deferrable || !index->rd_index->indimmediate;
            if (index->rd_index->indimmediate) {
                shape.id_index = RelationGetRelid(index);
            }
        }
        index_close(index, AccessShareLock);
        if (shape.id_index != InvalidOid) {
            break;
        }
    }
    list_free(indexes);
    if (shape.id_index == InvalidOid) {
        (void)std::snprintf(shape.key_problem, sizeof(shape.key_problem), "%s",
                            deferrable ? "its unique index on id is DEFERRABLE" : "it has no unique index on id");
    }
}

void check_row_security(Relation relation, Oid wanted_owner, TargetShape& shape) {
    if (check_enable_rls(RelationGetRelid(relation), wanted_owner, true) == RLS_ENABLED) {
        set_problem(shape, "ALTER TABLE … NO FORCE ROW LEVEL SECURITY, then call replicator_resync.",
                    "row security is forced on it, and hides rows from its owner");
    }
}

Oid schema_owner(Oid schema) {
    Oid owner = InvalidOid;
    HeapTuple const tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
    if (HeapTupleIsValid(tuple)) {
        owner = reinterpret_cast<const FormData_pg_namespace*>(GETSTRUCT(tuple))->nspowner;
        ReleaseSysCache(tuple);
    }
    return owner;
}

}  // namespace

bool is_bare_heap(Relation relation) {
    const FormData_pg_class* const form = relation->rd_rel;
    TupleDesc const columns = RelationGetDescr(relation);
    const TupleConstr* const constraints = columns->constr;
    bool const plain_heap = form->relkind == RELKIND_RELATION && form->relam == HEAP_TABLE_AM_OID &&
                            !form->relispartition && columns->natts == kColumns;
    if (!plain_heap || form->relhasindex || form->relhasrules || form->relhastriggers || form->relrowsecurity ||
        (constraints != nullptr && (constraints->num_check > 0 || constraints->has_generated_stored))) {
        return false;
    }
    for (int i = 0; i < kColumns; ++i) {
        Form_pg_attribute const column = TupleDescAttr(columns, i);
        if (column->attisdropped || strcmp(NameStr(column->attname), kOwnColumns[i].name) != 0 ||
            column->atttypid != kOwnColumns[i].type || column->atttypmod != -1) {
            return false;
        }
    }
    return true;
}

void describe_relation(Oid relid, Oid wanted_owner, TargetShape& shape) {
    Relation const relation = relation_open(relid, NoLock);
    const FormData_pg_class* const form = relation->rd_rel;
    shape.owner = form->relowner;
    shape.schema_owner = schema_owner(form->relnamespace);
    if (const char* const problem = kind_problem(form)) {
        set_problem(shape, "", "%s", problem);
        relation_close(relation, NoLock);
        return;
    }
    shape.partitioned = form->relkind == RELKIND_PARTITIONED_TABLE;
    if (shape.partitioned) {
        check_partitions(relation, wanted_owner, shape);
    } else {
        check_persistence(form->relpersistence, NameStr(form->relname), shape);
    }
    AttrNumber const id_column = check_columns(relation, shape);
    check_rules(relation, shape);
    check_row_security(relation, wanted_owner, shape);
    if (shape.problem[0] == '\0') {
        look_for_index(relation, id_column, shape);
        shape.plain_heap = !shape.partitioned && form->relam == HEAP_TABLE_AM_OID && !form->relrowsecurity;
        shape.bare_heap = shape.plain_heap && is_bare_heap(relation);
    }
    relation_close(relation, NoLock);
}

}  // namespace pgrepl::target

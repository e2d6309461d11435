// replicator.guard(): the trigger of our catalog's tables, which also works while the library is not preloaded. A
// subscription to a publication FOR ALL TABLES of another cluster with the extension brings that cluster's catalog.

#include "api/entry.hpp"
#include "pg/compat.hpp"
#include "pg/object_access.hpp"

extern "C" {
#include "commands/trigger.h"
#include "postmaster/bgworker.h"
#include "replication/origin.h"
}

namespace pgrepl::api {

namespace {

/// A person's session may have an origin as well, for what it loads; it means what it calls.
bool is_replay() {
    auto const origin = PGREPL_SESSION_ORIGIN;
    return MyBgworkerEntry != nullptr && origin != PGREPL_NO_ORIGIN && origin != DoNotReplicateId;
}

/// Of rows it leaves out what is replayed; a TRUNCATE can only be refused.
Datum guard(FunctionCallInfo fcinfo) {
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        throw pg::SqlError(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED, "guard() is a trigger");
    }
    auto const* const trigger = reinterpret_cast<const TriggerData*>(fcinfo->context);
    bool const truncates = TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event);
    if (!pg::CallPg([] { return superuser(); }) || (truncates && is_replay())) {
        pg::refuse_change_of_catalog(RelationGetRelid(trigger->tg_relation));
    }
    HeapTuple row = nullptr;
    if (!truncates && !is_replay()) {
        row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
    }
    return PointerGetDatum(row);
}

}  // namespace

}  // namespace pgrepl::api

PGREPL_SQL_FUNCTION(pg_replicator_guard, pgrepl::api::guard)

// replicator.skip_replayed(): the trigger of our catalog's tables. A subscription to a publication FOR ALL TABLES of
// another cluster with the extension brings that cluster's catalog.

#include "api/entry.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "commands/trigger.h"
#include "postmaster/bgworker.h"
#include "replication/origin.h"
}

namespace pgrepl::api {

namespace {

/// A person's session may have an origin as well, for what it loads; it means what it calls.
bool is_replay() {
    RepOriginId const origin = PGREPL_SESSION_ORIGIN;
    return MyBgworkerEntry != nullptr && origin != InvalidRepOriginId && origin != DoNotReplicateId;
}

Datum skip_replayed(FunctionCallInfo fcinfo) {
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        throw pg::SqlError(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED, "skip_replayed() is a trigger");
    }
    auto const* const trigger = reinterpret_cast<const TriggerData*>(fcinfo->context);
    if (is_replay()) {
        return PointerGetDatum(nullptr);
    }
    return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple);
}

}  // namespace

}  // namespace pgrepl::api

PGREPL_SQL_FUNCTION(pg_replicator_skip_replayed, pgrepl::api::skip_replayed)

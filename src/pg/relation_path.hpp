#pragma once
// Where a relation's rows are.

#include <optional>
#include <string>

#include "pg/error.hpp"

namespace pgrepl::pg {

/// The first file of a relation, below the data directory, which is the server's current one; nothing if there is no
/// such relation or it has no files. Takes no lock.
inline std::optional<std::string> relation_path(Oid relation) {
    text* const path = CallPg([&]() -> text* {
        LOCAL_FCINFO(call, 1);
        InitFunctionCallInfoData(*call, nullptr, 1, InvalidOid, nullptr, nullptr);
        call->args[0].value = ObjectIdGetDatum(relation);
        call->args[0].isnull = false;
        Datum const result = pg_relation_filepath(call);
        return call->isnull ? nullptr : DatumGetTextPP(result);
    });
    return path == nullptr ? std::nullopt : std::optional(std::string(VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path)));
}

}  // namespace pgrepl::pg

#include "pg/server_log.hpp"

#include "pg/error.hpp"

namespace pgrepl::pg {

void write_log(LogLevel level, const std::string& message, const std::string& detail, const std::string& hint) {
    int const severity = level == LogLevel::kWarning ? WARNING : LOG;
    const char* const text = message.c_str();
    const char* const detail_text = detail.empty() ? nullptr : detail.c_str();
    const char* const hint_text = hint.empty() ? nullptr : hint.c_str();
    CallPg([&] {
        ereport(severity, (errmsg("pg_replicator: %s", text), detail_text != nullptr ? errdetail("%s", detail_text) : 0,
                           hint_text != nullptr ? errhint("%s", hint_text) : 0));
    });
}

}  // namespace pgrepl::pg

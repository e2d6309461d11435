#pragma once
// Settings that change what our own statements mean. A user, a role or a database may have others.

#include <exception>

#include "pg/error.hpp"

namespace pgrepl::pg {

struct PinnedSetting {
    const char* name;
    const char* value;
};

/// How names are found, and how values are turned into text and back; the same wherever our statements run, because one
/// session reads what another has written.
inline constexpr PinnedSetting kMeaning[] = {
    {"search_path", "pg_catalog, pg_temp"},
    {"DateStyle", "ISO, MDY"},
    {"IntervalStyle", "postgres"},
    {"TimeZone", "UTC"},
    {"bytea_output", "hex"},
    {"extra_float_digits", "1"},
    {"standard_conforming_strings", "on"},
    {"quote_all_identifiers", "off"},
    {"transform_null_equals", "off"},
    {"array_nulls", "on"},
    {"xmloption", "content"},
    {"restrict_nonsystem_relation_kind", ""},  // our views are none of the system's
};

/// kMeaning in a session of somebody else's until the end of the scope. When it is left by an exception the
/// transaction's end restores what was before.
class PinnedSettings {
  public:
    PinnedSettings();
    ~PinnedSettings();
    PinnedSettings(const PinnedSettings&) = delete;
    PinnedSettings& operator=(const PinnedSettings&) = delete;

  private:
    int level_;
    int exceptions_;
};

/// kMeaning, and all else that a database or a role may set and that would keep a worker from its work, for the life of
/// a background worker.
void pin_worker_settings();

}  // namespace pgrepl::pg

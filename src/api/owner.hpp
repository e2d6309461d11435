#pragma once
// replicator_alter(name, owner => 'role').

#include <string>

#include "catalog/source_config.hpp"

namespace pgrepl::api {

/// Makes a role the owner in `config`. Throws SqlError unless the caller may act as it.
void choose_owner(const std::string& role, Oid caller, catalog::SourceConfig& config);

/// Makes the owner of `after` that of the source and of its target tables, as the caller. Throws SqlError if that owner
/// may not have the source opened or may not create tables in the schemas of its targets. Targets of neither the owner
/// before nor, if that one is gone, of a superuser, stay as they are, with a NOTICE. The caller holds the source's
/// state.
void hand_over(const catalog::SourceConfig& before, const catalog::SourceConfig& after, Oid caller);

/// Of a source that was restored: notices of the relations that stand in the place of targets, and are not its owner's.
void tell_what_is_no_target(const catalog::SourceConfig& config);

}  // namespace pgrepl::api

#pragma once
// Functions of users that a statement on a target calls: triggers, CHECK, expressions.

#include "pg/scoped_setting.hpp"

namespace pgrepl::pg {

/// Workers, and replicator_replay, write with session_replication_role = replica, so that a target's triggers fire as
/// those of a subscriber do. Only superusers may set that: what a function of the owner's writes to other tables must
/// meet their triggers, rules and foreign keys, and what it defines the event triggers, as it does in a session of the
/// owner's own. So the setting is `origin` while such a function runs, and what it writes is not marked as brought from
/// a source (origin.hpp). Call once, when the library is loaded.
void keep_replica_role_from_code_of_users();

/// A statement on a target begins: this is the setting that it has, between such functions.
void note_role_of_statement() noexcept;

/// Whether a function of a user that a statement on a target calls runs.
bool owner_code_runs() noexcept;

/// Whether a statement on a target has been analysed and planned, and is being executed: another that is analysed then
/// is none of ours, though no function of a user may have asked for it (query_to_xml runs a text).
bool target_statement_runs() noexcept;

/// For a statement on a target that cannot have a RoleScope, because it commits within itself: functions of users that
/// it calls are met as above, and errors know that a statement on a target raised them.
class OnTargetScope {
  public:
    OnTargetScope() noexcept;
    ~OnTargetScope();
    OnTargetScope(const OnTargetScope&) = delete;
    OnTargetScope& operator=(const OnTargetScope&) = delete;

  private:
    bool saved_;
};

/// For the scope of a statement of ours, by the place of its text: whatever else begins within it has another one.
class OwnStatement {
  public:
    explicit OwnStatement(const char* source) noexcept;
    ~OwnStatement();
    OwnStatement(const OwnStatement&) = delete;
    OwnStatement& operator=(const OwnStatement&) = delete;

  private:
    const char* saved_;
};

/// Statements on targets in a session that is not a worker's: until the end of the scope they write as a worker's do,
/// with session_replication_role = replica.
///
/// Functions of users that PostgreSQL has made ready to be called before (a range type's subtype_diff in the cache of
/// types, what an open cursor calls) are called without asking for the hooks again, and may stand anywhere. They can
/// do no harm but by a statement that writes. So such a statement is refused where neither we nor a function that the
/// hooks have met began it.
class ReplicaInSession {
  public:
    ReplicaInSession();
    ~ReplicaInSession();
    ReplicaInSession(const ReplicaInSession&) = delete;
    ReplicaInSession& operator=(const ReplicaInSession&) = delete;

  private:
    ScopedSetting as_replica_;
    bool saved_;
};

}  // namespace pgrepl::pg

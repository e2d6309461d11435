#pragma once
// Functions of users that a statement on a target calls: triggers, CHECK, expressions.

namespace pgrepl::pg {

/// Workers, and replicator_replay, write with session_replication_role = replica, so that a target's triggers fire as
/// those of a subscriber do. Only superusers may set that: what a function of the owner's writes to other tables must
/// meet their triggers, rules and foreign keys, and what it defines the event triggers, as it does in a session of the
/// owner's own. So the setting is `origin` while such a function runs. Call once, when the library is loaded.
void keep_replica_role_from_code_of_users();

/// A statement on a target begins: this is the setting that it has, between such functions.
void note_role_of_statement() noexcept;

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

}  // namespace pgrepl::pg

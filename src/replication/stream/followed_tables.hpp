#pragma once
// The tables of a source as the catalog has them, and those of them whose changes the stream takes. The catalog says
// what is followed; others change it while the stream runs, and a stream that reloads what has changed tells its
// change stream about it.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "catalog/keyless_tables.hpp"
#include "catalog/source_config.hpp"
#include "catalog/stream_state.hpp"
#include "catalog/tables.hpp"
#include "core/stream.hpp"
#include "replication/stream/table_in_stream.hpp"

namespace pgrepl::replication {

class FollowedTables {
  public:
    using Ids = std::set<std::int32_t>;
    /// Tables as they were and as they are.
    struct Reloaded {
        std::vector<catalog::StreamTable> before;
        std::vector<catalog::StreamTable> now;
    };

    /// `config` outlives it.
    FollowedTables(std::int32_t source_id, const catalog::SourceConfig& config)
        : source_id_(source_id), config_(config) {}

    /// In a transaction, before the stream is opened: what is to be asked for.
    std::vector<core::FollowedTable> load();

    /// It outlives us, and is told from now on what is followed. It follows what load() has given.
    void attach(core::ChangeStream& stream) noexcept { stream_ = &stream; }

    // No transaction is open in these. `locked` are tables without a key that are not to be refreshed just now.

    /// Looks at all of them at once; whether they are others than known().
    [[nodiscard]] bool are_others(const std::vector<std::int32_t>& locked);
    /// Takes up what the catalog says of all tables, or of those in `ids`.
    Reloaded reload(const std::optional<Ids>& ids, const std::vector<std::int32_t>& locked);

    /// Null: it is not followed.
    [[nodiscard]] TableInStream* find(const core::TableName& name) const;
    [[nodiscard]] const std::map<core::TableName, std::unique_ptr<TableInStream>>& followed() const noexcept {
        return followed_;
    }

    /// All that take part in the stream, or want to; by id.
    [[nodiscard]] const std::vector<catalog::StreamTable>& known() const noexcept { return known_; }
    /// By statements in the log, and to be looked at.
    [[nodiscard]] const std::vector<catalog::SourceTable>& changed() const noexcept { return changed_; }
    /// After this statement all tables are to be looked at.
    [[nodiscard]] const std::optional<std::string>& discovery_due() const noexcept { return discovery_due_; }
    /// The next table without a key that is to be refreshed, when we last looked.
    [[nodiscard]] const std::optional<catalog::KeylessTable>& next_keyless() const noexcept { return next_keyless_; }
    [[nodiscard]] catalog::KeylessTable take_next_keyless() { return *std::exchange(next_keyless_, std::nullopt); }

  private:
    [[nodiscard]] std::optional<catalog::KeylessTable> look_for_keyless(const std::vector<std::int32_t>& locked) const;
    void follow_only(const Reloaded& tables);
    void follow(const catalog::StreamTable& table);

    std::int32_t source_id_;
    const catalog::SourceConfig& config_;
    core::ChangeStream* stream_ = nullptr;
    std::vector<catalog::StreamTable> known_;
    /// Of all tables, of which known_ are those that take part; nothing: what the catalog says has yet to be taken up.
    std::optional<std::int64_t> fingerprint_;
    std::map<std::int32_t, std::int64_t> hashes_;  ///< by table, of which it is made
    std::map<core::TableName, std::unique_ptr<TableInStream>> followed_;
    std::vector<catalog::SourceTable> changed_;
    std::optional<std::string> discovery_due_;
    std::optional<catalog::KeylessTable> next_keyless_;
};

}  // namespace pgrepl::replication

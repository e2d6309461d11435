#pragma once
// The changes of one table within one transaction here: of several changes of a key the last one counts, so that two
// statements write them all, whatever their order was.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/stream.hpp"
#include "pg/refused_row.hpp"
#include "targets/row_encoder.hpp"
#include "targets/row_repair.hpp"

namespace pgrepl::target {

class TableChanges {
  public:
    /// A change in the log: its row, and of an update as `second` the row as it is now. `unreadable`: why that, or the
    /// only one, cannot be represented; null: it can.
    void add(core::ChangeKind kind, RowEncoder& encoder, std::span<const core::Value> first,
             std::span<const core::Value> second, const core::SourceError* unreadable);

    /// The row is there, with these values.
    void put(RowEncoder& encoder, std::span<const core::Value> row);

    /// The same for a row of which a value cannot be represented: it is set aside, and what is there stays.
    void set_aside(const std::string& id, const pg::SqlError& error);

    /// The row is gone.
    void remove(const std::string& id);

    /// All rows are gone.
    void remove_all();

    /// Writes everything; rows that the target refuses are added to refused(). Errors that concern no single row are
    /// thrown. Call as the owner of the target, once.
    void write(const OpenTarget& target, WhereSame where_same);

    /// Encoded rows, in whose memory the data of refused() is. Their order may change with write().
    [[nodiscard]] const EncodedRows& rows() const noexcept { return rows_; }
    [[nodiscard]] const std::vector<pg::RefusedRow>& refused() const noexcept { return refused_; }
    /// Ids of all rows that were written or deleted, those that were refused among them.
    [[nodiscard]] std::vector<std::string> ids() const;
    [[nodiscard]] bool empty() const noexcept { return latest_.empty() && refused_.empty() && !cleared_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return rows_.bytes(); }

    void clear();

  private:
    static constexpr std::size_t kGone = static_cast<std::size_t>(-1);

    EncodedRows rows_;
    std::unordered_map<std::string, std::size_t> latest_;  ///< by id: index into rows_, or kGone
    std::map<std::string, pg::SqlError> set_aside_;
    std::vector<pg::RefusedRow> refused_;
    bool cleared_ = false;
};

}  // namespace pgrepl::target

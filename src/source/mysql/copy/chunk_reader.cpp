// Reads the rows of one chunk in slices: one statement each, of a size that can be thrown away when the connection is
// wanted for something else, and large enough that its beginning costs nothing.

#include "source/mysql/copy/chunk_reader.hpp"

#include <mysqld_error.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "source/mysql/copy/key_bound.hpp"
#include "source/mysql/copy/row_query.hpp"
#include "source/mysql/copy/row_statement.hpp"
#include "source/mysql/server/mysql_error.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::uint64_t kSliceBytes = 32ULL * 1024 * 1024;
constexpr std::uint64_t kFirstSliceRows = 20'000;
constexpr std::uint64_t kMostSliceRows = 500'000;
constexpr std::uint64_t kLeastSliceRows = 4;
constexpr const char* kEngineHint =
    "Read the table at the source with SELECT. When that succeeds, call replicator_resync(name, table); or leave the "
    "table out: replicator_remove_table(name, table).";

class ChunkReader final : public core::ChunkReader, private RowStream {
  public:
    ChunkReader(ReadSession& session, TableShape shape, const core::ChunkRange& range,
                const std::optional<core::BatchLimits>& at_a_time)
        : session_(session),
          shape_(std::move(shape)),
          upper_(range.upper),
          doing_((shape_.info.is_view() ? "read view " : "read table ") + quote_identifier(shape_.info.name.database) +
                 "." + quote_identifier(shape_.info.name.table) + " of"),
          ended_(range.lower == kEndBound) {
        if (!ended_) {
            place_.lower = parse_bound(range.lower, shape_.key);
        }
        place_.upper = parse_bound(range.upper, shape_.key);
        if (at_a_time) {
            most_rows_ = std::clamp<std::uint64_t>(at_a_time->rows, kLeastSliceRows, kMostSliceRows);
            slice_bytes_ = std::min<std::uint64_t>(at_a_time->bytes, kSliceBytes);
        }
        if (shape_.is_ordered || (at_a_time && !shape_.key.empty())) {
            std::uint64_t const first = std::min(most_rows_, kFirstSliceRows);
            std::uint64_t const expected = shape_.row_bytes == 0 ? first : slice_bytes_ / shape_.row_bytes;
            slice_rows_ = std::clamp(expected, kLeastSliceRows, first);
        }
    }
    ChunkReader(const ChunkReader&) = delete;
    ChunkReader& operator=(const ChunkReader&) = delete;
    ~ChunkReader() override {
        pause();
        session_.release_definitions();
    }

    bool read(core::RowBatch& batch, const core::BatchLimits& limits) override {
        batch.clear();
        if (ended_) {
            return false;
        }
        try {
            Connection& connection = session_.take(this);
            Connection::Turn const turn(connection);
            connection.throw_if_interrupted();
            while (!ended_ && batch.row_count() == 0) {
                fill(connection, batch, limits);
            }
        } catch (core::SourceError& error) {
            discard(batch);
            if (is_of_server(error.code())) {
                error.may_quote_row();
            }
            if (shape_.info.is_view() ? is_of_statement(error) : is_of_engine(error)) {
                throw error.as(core::SourceErrorKind::kUnsupported,
                               shape_.info.is_view() ? kBrokenViewHint : kEngineHint);
            }
            throw;
        } catch (...) {
            discard(batch);
            throw;
        }
        return batch.row_count() != 0;
    }

    [[nodiscard]] std::string resume_bound() const override {
        if (ended_) {
            return upper_.empty() ? std::string(kEndBound) : upper_;
        }
        return join_bound(place_.lower);
    }

    void pause() noexcept override {
        statement_.reset();
        session_.give_back(this);
    }

  private:
    void discard(core::RowBatch& batch) noexcept {
        pause();
        batch.clear();
    }

    /// Of a view's statement, which may need any rights and raise any error: MariaDB denies access to the account where
    /// the view's definer does not exist.
    static bool is_of_statement(const core::SourceError& error) noexcept {
        return error.kind() == core::SourceErrorKind::kTableDenied ||
               error.kind() == core::SourceErrorKind::kPermissionDenied ||
               error.kind() == core::SourceErrorKind::kAuthentication ||
               error.kind() == core::SourceErrorKind::kInternal;
    }

    /// Their storage engine's error, such as that of FEDERATED where the server that keeps the rows is away.
    static bool is_of_engine(const core::SourceError& error) noexcept { return is_unknown_answer(error); }

    /// Rows up to the limits, or to the end of a slice.
    void fill(Connection& connection, core::RowBatch& batch, const core::BatchLimits& limits) {
        if (!statement_) {
            if (began_ && shape_.key.empty()) {
                throw core::SourceError(
                    core::SourceErrorKind::kStateLost, 0,
                    "the rows of table " + shape_.info.name.qualified() + ", which has no key, were not read in one go",
                    true, "", "It is read again.");
            }
            began_ = true;
            await_lock(connection);
            statement_.emplace(connection, shape_, select_rows(shape_, place_, slice_rows_), doing_);
            rows_in_slice_ = 0;
            bytes_in_slice_ = 0;
        }
        bool borrowed = false;
        do {
            if (!statement_->next()) {
                // The last row of a slice may have kept it open. Whether there is another shows in the next one.
                ended_ = slice_rows_ == 0 || rows_in_slice_ != slice_rows_;
                end_slice();
                return;
            }
            ++rows_in_slice_;
            borrowed = statement_->decode(batch.append_row(), batch);
        } while (!borrowed && batch.row_count() < limits.rows && batch.size_bytes() < limits.bytes &&
                 rows_in_slice_ != slice_rows_);
        bytes_in_slice_ += batch.size_bytes();
        place_.lower = statement_->key_of_row(shape_.key);
        // A value in the driver's buffer stays there until the next read: the slice's end waits till then.
        if (rows_in_slice_ == slice_rows_ && !borrowed) {
            end_slice();
        }
    }

    /// MySQL waits for a lock for a second at least; but a query that is to end sooner it ends, also while it waits.
    void await_lock(Connection& connection) {
        if (connection.is_mariadb() || connection.lock_patience_ms() >= 1000) {
            return;
        }
        try {
            connection.execute("SELECT /*+ MAX_EXECUTION_TIME(" + std::to_string(connection.lock_patience_ms()) +
                                   ") */ 1 FROM " + quote_identifier(shape_.info.name.database) + "." +
                                   quote_identifier(shape_.info.name.table) + " LIMIT 0",
                               doing_);
        } catch (const core::SourceError& error) {
            if (error.code() != kExecutionTimeout) {
                throw;
            }
            connection.fail(ER_LOCK_WAIT_TIMEOUT, "others have locked it", doing_);
        }
    }

    void end_slice() noexcept {
        statement_.reset();
        if (slice_rows_ != 0 && rows_in_slice_ != 0) {
            std::uint64_t const row_bytes = std::max<std::uint64_t>(bytes_in_slice_ / rows_in_slice_, 1);
            slice_rows_ = std::clamp(slice_bytes_ / row_bytes, kLeastSliceRows, most_rows_);
        }
    }

    ReadSession& session_;
    TableShape shape_;
    std::string upper_;
    std::string doing_;
    bool ended_;
    bool began_ = false;
    std::uint64_t most_rows_ = kMostSliceRows;
    std::uint64_t slice_bytes_ = kSliceBytes;
    KeyRange place_;                ///< what has not been handed out
    std::uint64_t slice_rows_ = 0;  ///< 0: all in one
    std::uint64_t rows_in_slice_ = 0;
    std::uint64_t bytes_in_slice_ = 0;
    std::optional<RowStatement> statement_;
};

}  // namespace

std::unique_ptr<core::ChunkReader> open_chunk_reader(ReadSession& session, TableShape shape,
                                                     const core::ChunkRange& range,
                                                     const std::optional<core::BatchLimits>& at_a_time) {
    return std::make_unique<ChunkReader>(session, std::move(shape), range, at_a_time);
}

}  // namespace pgrepl::mysql

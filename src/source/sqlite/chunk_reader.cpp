// Reads the rows of one chunk. Where the state is held, the statement stays open between two batches; where
// it is not, each batch is a new read that begins after the last row of the one before.

#include "source/sqlite/chunk_reader.hpp"

#include <optional>
#include <utility>

#include "source/sqlite/key_bound.hpp"
#include "source/sqlite/row_cursor.hpp"
#include "source/sqlite/row_query.hpp"

namespace pgrepl::sqlite {
namespace {

std::string doing(const TableShape& shape) {
    return (shape.info.is_view() ? "read view " : "read table ") + quote_identifier(shape.info.name.table);
}

unsigned char encoding_of(const Connection& connection) {
    std::string const name = connection.query_text("PRAGMA encoding", "look at the encoding");
    return name == "UTF-16le" ? SQLITE_UTF16LE : name == "UTF-16be" ? SQLITE_UTF16BE : SQLITE_UTF8;
}

std::vector<bool> key_columns_of(const core::RowLayout& layout) {
    std::vector<bool> is_key(layout.columns.size());
    for (std::uint32_t const column : layout.key_columns) {
        is_key[column] = true;
    }
    return is_key;
}

/// What both ways of paging share: filling batches from a cursor that the derived class positions.
class BatchReader : public core::ChunkReader {
  public:
    BatchReader(FileState& state, const TableShape& shape, core::ChunkRange range)
        : state_(state),
          query_(state.connection(), shape),
          range_(std::move(range)),
          is_key_(key_columns_of(shape.info.layout)),
          doing_(doing(shape)),
          encoding_(encoding_of(state.connection())),
          ended_(range_.lower == kEndBound) {}

    bool read(core::RowBatch& batch, const core::BatchLimits& limits) override {
        batch.clear();
        if (ended_) {
            state_.connection().throw_if_interrupted();
            return false;
        }
        within(state_, [&] {
            try {
                fill(batch, limits);
            } catch (core::SourceError& error) {
                discard(batch);
                if (error.kind() == core::SourceErrorKind::kUnsupported ||
                    error.kind() == core::SourceErrorKind::kInternal) {
                    error.may_quote_row();  // in SQLite's words: what a function says of its argument
                }
                throw;
            } catch (...) {
                discard(batch);
                throw;
            }
            if (state_.releases_lock()) {
                rewind();
            }
        });
        return batch.row_count() != 0;
    }

  protected:
    /// Moves to the next row; false after the last one.
    virtual bool next() = 0;
    /// The cursor that stands on a row after next().
    [[nodiscard]] virtual const RowCursor& cursor() const = 0;
    /// Remembers the row on which the cursor stands as the last one handed out.
    virtual void remember() = 0;
    /// Gives up the cursor's place: the next row is then looked up after the remembered one.
    virtual void rewind() noexcept = 0;

    [[nodiscard]] RowCursor make_cursor(const std::vector<std::string>& statements) const {
        return {state_.connection(), statements, query_.columns_per_statement(), is_key_, doing_};
    }
    [[nodiscard]] const RowQuery& query() const noexcept { return query_; }
    [[nodiscard]] const core::ChunkRange& range() const noexcept { return range_; }
    [[nodiscard]] unsigned char encoding() const noexcept { return encoding_; }
    [[nodiscard]] bool ended() const noexcept { return ended_; }

  private:
    void discard(core::RowBatch& batch) noexcept {
        rewind();
        batch.clear();
    }

    void fill(core::RowBatch& batch, const core::BatchLimits& limits) {
        RowCursor::Transfer const how = {.utf8_database = encoding_ == SQLITE_UTF8,
                                         .may_borrow = !state_.releases_lock()};
        for (std::size_t rows = 0; rows < limits.rows;) {
            if (!next()) {
                ended_ = true;
                return;
            }
            bool const borrowed = cursor().transfer(batch.append_row(), batch, how);
            ++rows;
            if (borrowed || batch.size_bytes() >= limits.bytes) {
                break;
            }
        }
        remember();
    }

    FileState& state_;
    RowQuery query_;
    core::ChunkRange range_;
    std::vector<bool> is_key_;
    std::string doing_;
    unsigned char encoding_;
    bool ended_;
};

/// A range of rowids.
class RowidReader final : public BatchReader {
  public:
    RowidReader(FileState& state, const TableShape& shape, const core::ChunkRange& range)
        : BatchReader(state, shape, range),
          cursor_(make_cursor(query().rowid_range())),
          high_(range.upper.empty() ? INT64_MAX : parse_rowid_bound(range.upper)) {
        if (!range.lower.empty() && range.lower != kEndBound) {
            last_ = parse_rowid_bound(range.lower);
        }
    }

    [[nodiscard]] std::string resume_bound() const override {
        if (ended()) {
            return range().upper.empty() ? std::string(kEndBound) : range().upper;
        }
        return last_ ? std::to_string(*last_) : std::string();
    }

  protected:
    bool next() override {
        if (!placed_) {
            if (last_ == INT64_MAX) {
                return false;
            }
            cursor_.bind_rowids(last_ ? *last_ + 1 : INT64_MIN, high_);
            placed_ = true;
        }
        return cursor_.step();
    }
    [[nodiscard]] const RowCursor& cursor() const override { return cursor_; }
    void remember() override { last_ = cursor_.integer(query().rowid_column()); }
    void rewind() noexcept override {
        cursor_.reset();
        placed_ = false;
    }

  private:
    RowCursor cursor_;
    std::optional<std::int64_t> last_;  ///< rows up to and including this one have been handed out
    std::int64_t high_;
    bool placed_ = false;
};

/// All rows along a key. After a given key they come from one statement for each number of equal parts,
/// beginning with all but one.
class KeyReader final : public BatchReader {
  public:
    KeyReader(FileState& state, const TableShape& shape, const core::ChunkRange& range)
        : BatchReader(state, shape, range), parts_(shape.key.size()), tails_(parts_) {
        if (!range.upper.empty()) {
            throw core::SourceError(core::SourceErrorKind::kInternal, 0,
                                    "a table that is read along its key cannot be divided", false);
        }
        if (!range.lower.empty() && range.lower != kEndBound) {
            last_ = parse_key_bound(range.lower, parts_);
        }
    }

    [[nodiscard]] std::string resume_bound() const override {
        return ended() ? std::string(kEndBound) : format_key_bound(last_);
    }

  protected:
    bool next() override {
        if (current_ == nullptr) {
            place(last_.empty() ? 0 : parts_ - 1);
        }
        while (!current_->step()) {
            if (place_.empty() || equal_ == 0) {
                return false;
            }
            place(equal_ - 1);
        }
        return true;
    }
    [[nodiscard]] const RowCursor& cursor() const override { return *current_; }
    void remember() override {
        last_.clear();
        for (std::size_t part = 0; part < parts_; ++part) {
            last_.push_back(current_->key_value(query().key_column() + part));
        }
    }
    void rewind() noexcept override {
        if (current_ != nullptr) {
            current_->reset();
        }
        current_ = nullptr;
    }

  private:
    /// Goes to the rows that share `equal` parts with the key after which the cursor was placed.
    void place(std::size_t equal) {
        if (current_ == nullptr) {
            place_ = last_;
        }
        if (place_.empty()) {
            if (!whole_) {
                whole_.emplace(make_cursor(query().whole_key()));
            }
            current_ = &*whole_;
            return;
        }
        if (!tails_[equal]) {
            tails_[equal].emplace(make_cursor(query().key_tail(equal)));
        }
        tails_[equal]->bind_key({place_.data(), equal + 1}, encoding());
        current_ = &*tails_[equal];
        equal_ = equal;
    }

    std::size_t parts_;
    std::vector<KeyValue> last_;   ///< the key of the last row handed out; empty: none yet
    std::vector<KeyValue> place_;  ///< the key after which the cursor was placed
    std::vector<std::optional<RowCursor>> tails_;
    std::optional<RowCursor> whole_;
    RowCursor* current_ = nullptr;
    std::size_t equal_ = 0;
};

/// All rows of a view. They have no order in which reading could resume, so a state whose lock is given up between two
/// batches serves for views of one batch only.
class ViewReader final : public BatchReader {
  public:
    ViewReader(FileState& state, const TableShape& shape, const core::ChunkRange& range)
        : BatchReader(state, shape, range),
          name_(shape.info.name.table),
          cursor_(explained([&] { return make_cursor(query().whole_view()); })) {
        if (shape.info.layout.columns.empty()) {
            throw core::SourceError(core::SourceErrorKind::kUnsupported, 0,
                                    "cannot read view " + quote_identifier(name_) + ": it has no columns", false);
        }
    }

    [[nodiscard]] std::string resume_bound() const override { return ended() ? std::string(kEndBound) : std::string(); }

  protected:
    bool next() override {
        if (!placed_) {
            if (begun_) {
                throw core::SourceError(core::SourceErrorKind::kStateLost, 0,
                                        "the rows of view " + quote_identifier(name_) + " were not read in one go",
                                        true, "", "It is read again, from a private copy of the file.");
            }
            begun_ = placed_ = true;
        }
        return explained([&] { return cursor_.step(); });
    }
    [[nodiscard]] const RowCursor& cursor() const override { return cursor_; }
    void remember() override {}
    void rewind() noexcept override {
        cursor_.reset();
        placed_ = false;
    }

  private:
    /// What a view's statement is refused for concerns the view alone.
    template <typename Call>
    static auto explained(Call call) -> decltype(call()) {
        try {
            return call();
        } catch (const core::SourceError& error) {
            if (error.kind() != core::SourceErrorKind::kInternal) {
                throw;
            }
            throw error.as(core::SourceErrorKind::kUnsupported,
                           "Mend the view: all that it refers to must be in the file.");
        }
    }

    std::string name_;
    RowCursor cursor_;
    bool begun_ = false;
    bool placed_ = false;
};

}  // namespace

std::unique_ptr<core::ChunkReader> open_chunk_reader(FileState& state, const TableShape& shape,
                                                     const core::ChunkRange& range) {
    if (shape.paging == TableShape::Paging::kKey) {
        return std::make_unique<KeyReader>(state, shape, range);
    }
    if (shape.paging == TableShape::Paging::kWhole) {
        return std::make_unique<ViewReader>(state, shape, range);
    }
    return std::make_unique<RowidReader>(state, shape, range);
}

}  // namespace pgrepl::sqlite

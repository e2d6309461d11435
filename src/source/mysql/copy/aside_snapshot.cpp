// Chunks that are read aside.

#include "source/mysql/copy/aside_snapshot.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "source/mysql/server/aside.hpp"

namespace pgrepl::mysql {
namespace {

/// An answer of a server that has it at hand comes within this time.
constexpr int kPatienceMs = 20;
/// Where there is nothing else to do.
constexpr int kWaitMs = 1000;

[[noreturn]] void throw_not_here() {
    throw core::SourceError(core::SourceErrorKind::kUnsupported, 0, "a snapshot beside a stream only reads rows",
                            false);
}

class AsideReader final : public core::ChunkReader {
  public:
    AsideReader(Aside& aside, std::function<std::unique_ptr<core::ChunkReader>()> open)
        : aside_(aside), open_(std::move(open)) {}
    AsideReader(const AsideReader&) = delete;
    AsideReader& operator=(const AsideReader&) = delete;
    /// Before its end, what is left of it is not waited for: the connection is given up.
    ~AsideReader() override {
        if (reader_ || aside_.is_under_way()) {
            aside_.abandon();
        }
    }

    bool read(core::RowBatch& batch, const core::BatchLimits& limits) override {
        while (!go_on(batch, limits, kWaitMs)) {
        }
        return more_;
    }

    Outcome try_read(core::RowBatch& batch, const core::BatchLimits& limits) override {
        if (!within_patience([&](int patience_ms) { return go_on(batch, limits, patience_ms); })) {
            return Outcome::kAwaited;
        }
        return more_ ? Outcome::kRows : Outcome::kEnd;
    }

    bool try_end() override {
        return within_patience([&](int patience_ms) {
            return aside_.run(
                [this] {
                    bound_ = reader_->resume_bound();
                    reader_.reset();
                },
                patience_ms);
        });
    }

    [[nodiscard]] std::string resume_bound() const override { return bound_; }

  private:
    bool go_on(core::RowBatch& batch, const core::BatchLimits& limits, int patience_ms) {
        return aside_.run(
            [this, &batch, limits] {
                if (!reader_) {
                    reader_ = open_();
                }
                more_ = reader_->read(batch, limits);
            },
            patience_ms);
    }

    /// What has been awaited in vain is only looked for the next time.
    template <typename Run>
    bool within_patience(Run run) {
        bool const came = run(waited_in_vain_ ? 0 : kPatienceMs);
        waited_in_vain_ = !came;
        return came;
    }

    Aside& aside_;
    std::function<std::unique_ptr<core::ChunkReader>()> open_;
    std::unique_ptr<core::ChunkReader> reader_;
    std::string bound_;
    bool more_ = false;
    bool waited_in_vain_ = false;
};

class AsideSnapshot final : public core::Snapshot {
  public:
    AsideSnapshot(core::Interrupts& interrupts, OpenSnapshot open) : aside_(interrupts), open_(std::move(open)) {}

    [[nodiscard]] core::StateName state() const override { return {}; }
    std::vector<core::TableInfo> discover() override { throw_not_here(); }
    std::optional<core::TableInfo> find_table(const core::TableName& /*name*/) override { throw_not_here(); }
    std::vector<core::ChunkRange> plan_chunks(const core::TableInfo& /*table*/, int /*wanted*/) override {
        throw_not_here();
    }
    std::optional<std::string> split_point(const core::TableInfo& /*table*/,
                                           const core::ChunkRange& /*range*/) override {
        throw_not_here();
    }

    std::unique_ptr<core::ChunkReader> open_chunk(const core::TableInfo& table,
                                                  const core::ChunkRange& range) override {
        return std::make_unique<AsideReader>(aside_, [this, table, range] {
            if (!snapshot_) {
                snapshot_ = open_(aside_);
            }
            return snapshot_->open_chunk(table, range);
        });
    }

  private:
    Aside aside_;
    OpenSnapshot open_;
    std::unique_ptr<core::Snapshot> snapshot_;
};

}  // namespace

std::unique_ptr<core::Snapshot> open_aside(core::Interrupts& interrupts, OpenSnapshot open) {
    return std::make_unique<AsideSnapshot>(interrupts, std::move(open));
}

}  // namespace pgrepl::mysql

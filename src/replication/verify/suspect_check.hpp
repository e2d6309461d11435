#pragma once
// Whether rows that differed at one look are wrong. See verification.hpp for the rule.

#include <map>
#include <string>
#include <vector>

#include "catalog/jobs.hpp"
#include "core/source.hpp"
#include "replication/verify/verification.hpp"
#include "targets/row_encoder.hpp"
#include "targets/seen_ids.hpp"

namespace pgrepl::replication {

/// Suspects of one batch, which begins above `lower` in the source's key order; `upper` is the end of its chunk.
struct SuspectBlock {
    std::string lower;
    std::string upper;
    std::vector<std::string> ids;
};

/// Judges the blocks, mends what is wrong if the job is a repair, lists it, and adds it to `findings`.
void check_suspects(const VerificationContext& context, core::Source& source, const catalog::JobTable& table,
                    const std::vector<SuspectBlock>& blocks, catalog::Findings& findings);

}  // namespace pgrepl::replication

// Result sets of SQL functions.

#include "api/result_rows.hpp"

extern "C" {
#include "utils/tuplestore.h"
}

namespace pgrepl::api {

ResultRows::ResultRows(FunctionCallInfo call) : result_(reinterpret_cast<ReturnSetInfo*>(call->resultinfo)) {
    pg::CallPg([&] { InitMaterializedSRF(call, 0); });
}

void ResultRows::add(const std::vector<std::optional<std::string>>& cells) {
    std::vector<const char*> values;
    values.reserve(cells.size());
    for (const auto& cell : cells) {
        values.push_back(cell ? cell->c_str() : nullptr);
    }
    const char** const texts = values.data();
    pg::CallPg([&] {
        AttInMetadata* const metadata = TupleDescGetAttInMetadata(result_->setDesc);
        HeapTuple const tuple = BuildTupleFromCStrings(metadata, const_cast<char**>(texts));
        tuplestore_puttuple(result_->setResult, tuple);
        heap_freetuple(tuple);
    });
}

}  // namespace pgrepl::api

// Arrays of encoded rows.

#include "targets/row_arrays.hpp"

#include <vector>

namespace pgrepl::target {

RowArrays as_arrays(const EncodedRows& rows, std::size_t first, std::size_t count) {
    std::vector<Datum> ids(count);
    std::vector<Datum> data(count);
    for (std::size_t i = 0; i < count; ++i) {
        ids[i] = rows.id(first + i);
        data[i] = rows.data(first + i);
    }
    auto const elements = static_cast<int>(count);
    return pg::CallPg([&] {
        return RowArrays{PointerGetDatum(construct_array(ids.data(), elements, TEXTOID, -1, false, TYPALIGN_INT)),
                         PointerGetDatum(construct_array(data.data(), elements, JSONBOID, -1, false, TYPALIGN_INT))};
    });
}

}  // namespace pgrepl::target

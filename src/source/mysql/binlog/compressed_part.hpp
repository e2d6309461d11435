#pragma once
// MariaDB's zlib compression: the end of QUERY_COMPRESSED and *_ROWS_COMPRESSED events (MariaDB source,
// sql/log_event.cc, "Compressed Record"), and values of COMPRESSED columns (sql/field_comp.cc). Both begin with a
// byte that names the algorithm and the size of a length; the length before compression (big-endian) and the
// compressed bytes follow.

#include <string>

#include "source/mysql/wire/byte_reader.hpp"

namespace pgrepl::mysql {

/// Replaces `out` by what the rest of the reader holds. `out` grows with what comes out, not with what the event
/// claims.
void decompress_part(ByteReader& reader, std::string& out);

/// Replaces `out` by the value of a COMPRESSED column, which may be stored as it is.
void decompress_column(ByteSpan stored, const EventPlace& place, std::string& out);

}  // namespace pgrepl::mysql

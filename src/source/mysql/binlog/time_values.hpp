#pragma once
// Dates and times of a row image -> text, as docs/user/types.md writes them (MySQL source, my_time.cc; for the old
// formats MariaDB's Field_time_hires and its kin).

#include "core/arena.hpp"
#include "core/value.hpp"
#include "source/mysql/wire/byte_reader.hpp"

namespace pgrepl::mysql {

/// `digits`: of the fraction, 0 to 6; it decides how many bytes are read.
core::Value read_date(ByteReader& reader, core::Arena& arena);
core::Value read_time2(ByteReader& reader, unsigned digits, core::Arena& arena);
core::Value read_datetime2(ByteReader& reader, unsigned digits, core::Arena& arena);
core::Value read_timestamp2(ByteReader& reader, unsigned digits, core::Arena& arena);

/// Formats from before MySQL 5.6, which MariaDB still has with mysql56_temporal_format = OFF.
core::Value read_old_time(ByteReader& reader, unsigned digits, core::Arena& arena);
core::Value read_old_datetime(ByteReader& reader, unsigned digits, core::Arena& arena);
core::Value read_old_timestamp(ByteReader& reader, unsigned digits, core::Arena& arena);

}  // namespace pgrepl::mysql

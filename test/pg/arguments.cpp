// The module's magic, and reading of arguments.

#include "test/pg/arguments.hpp"

#include <cstdlib>

#include "core/document.hpp"

extern "C" {
PG_MODULE_MAGIC;
}

namespace pgrepl::test {

namespace {

using core::Value;

std::string bytes_of_hex(const std::string& hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    }
    return bytes;
}

Value parse_object(const std::string& kind, const std::string& key, core::Arena& arena) {
    core::DocumentWriter writer;
    writer.begin_object(kind == "tag");
    for (int i = 0; i < (kind == "repeated" ? 2 : 1); ++i) {
        writer.key(arena.copy(key.data(), key.size()), static_cast<std::uint32_t>(key.size()));
        writer.scalar(Value::from_int64(i + 1));
    }
    writer.end();
    return writer.finish(arena);
}

}  // namespace

std::string text_argument(FunctionCallInfo fcinfo, int number) {
    const char* const argument = pg::CallPg([&] { return text_to_cstring(PG_GETARG_TEXT_PP(number)); });
    return argument;
}

std::vector<std::string> array_argument(FunctionCallInfo fcinfo, int number) {
    Datum* elements = nullptr;
    int count = 0;
    pg::CallPg([&] {
        deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), TEXTOID, -1, false, TYPALIGN_INT, &elements, nullptr, &count);
    });
    std::vector<std::string> texts;
    for (int i = 0; i < count; ++i) {
        const char* const element = pg::CallPg([&] { return TextDatumGetCString(elements[i]); });
        texts.emplace_back(element);
    }
    return texts;
}

Datum text_result(const std::string& text) {
    return pg::CallPg(
        [&] { return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size()))); });
}

Value parse_value(const std::string& written, core::Arena& arena) {
    std::string const kind = written.substr(0, written.find(':'));
    std::string const text = written.substr(written.find(':') + 1);
    std::string const bytes = kind == "texthex" || kind == "bytes" ? bytes_of_hex(text) : text;
    const char* const kept = arena.copy(bytes.data(), bytes.size());
    auto const size = static_cast<std::uint32_t>(bytes.size());
    if (kind == "null") {
        return Value::null();
    }
    if (kind == "bool") {
        return Value::from_bool(text == "true");
    }
    if (kind == "int") {
        return Value::from_int64(std::strtoll(text.c_str(), nullptr, 10));
    }
    if (kind == "uint") {
        return Value::from_uint64(std::strtoull(text.c_str(), nullptr, 10));
    }
    if (kind == "double") {
        return Value::from_double(std::strtod(text.c_str(), nullptr));
    }
    if (kind == "float") {
        return Value::from_float(std::strtof(text.c_str(), nullptr));
    }
    if (kind == "decimal") {
        return Value::decimal(kept, size);
    }
    if (kind == "text" || kind == "texthex") {
        return Value::text(kept, size);
    }
    if (kind == "bytes") {
        return Value::bytes(kept, size);
    }
    if (kind == "object" || kind == "tag" || kind == "repeated") {
        return parse_object(kind, text, arena);
    }
    throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, "unknown kind of value: " + kind);
}

}  // namespace pgrepl::test

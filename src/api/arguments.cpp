// Arguments of SQL functions as C++ values.

#include "api/arguments.hpp"

#include "pg/pinned_settings.hpp"

namespace pgrepl::api {

std::optional<std::string> Arguments::string(int index) const {
    if (is_null(index)) {
        return std::nullopt;
    }
    Datum const value = call_->args[index].value;
    const char* const copy = pg::CallPg([&] { return text_to_cstring(DatumGetTextPP(value)); });
    return std::string(copy);
}

std::optional<bool> Arguments::boolean(int index) const {
    return is_null(index) ? std::nullopt : std::optional(DatumGetBool(call_->args[index].value));
}

std::optional<std::vector<std::string>> Arguments::text_array(int index, const char* name) const {
    if (is_null(index)) {
        return std::nullopt;
    }
    struct Elements {
        Datum* values;
        bool* nulls;
        int count;
    };
    Datum const array = call_->args[index].value;
    Elements const elements = pg::CallPg([&] {
        Elements result{};
        deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &result.values, &result.nulls,
                          &result.count);
        return result;
    });
    std::vector<std::string> texts;
    for (int i = 0; i < elements.count; ++i) {
        if (elements.nulls[i]) {
            throw pg::SqlError(ERRCODE_NULL_VALUE_NOT_ALLOWED, std::string(name) + " must not hold a null",
                               "Element " + std::to_string(i + 1) + " is null.", "Remove it.");
        }
        Datum const element = elements.values[i];
        texts.emplace_back(pg::CallPg([&] { return TextDatumGetCString(element); }));
    }
    return texts;
}

std::optional<std::string> Arguments::printed(int index, Oid output_type) const {
    if (is_null(index)) {
        return std::nullopt;
    }
    Datum const value = call_->args[index].value;
    pg::PinnedSettings const pinned;  // it is read again under them
    const char* const printed_text = pg::CallPg([&] {
        Oid function = InvalidOid;
        bool varlena = false;
        getTypeOutputInfo(output_type, &function, &varlena);
        return OidOutputFunctionCall(function, value);
    });
    return std::string(printed_text);
}

std::string Arguments::required_text(int index, const char* name) const {
    std::optional<std::string> value = string(index);
    if (!value || value->empty()) {
        throw pg::SqlError(ERRCODE_NULL_VALUE_NOT_ALLOWED, std::string(name) + " must be given",
                           std::string("The argument ") + name + " is " + (value ? "empty." : "null."),
                           std::string("Pass ") + name + " => '…'.");
    }
    return *value;
}

}  // namespace pgrepl::api

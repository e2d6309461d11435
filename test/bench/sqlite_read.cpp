// The floor of reading: every column of every row of a table, and nothing done with it.
// Usage: sqlite_read FILE TABLE

#include <sqlite3.h>

#include <cstdio>
#include <string>

int main(int argc, char** argv) {
    if (argc != 3) {
        return 2;
    }
    sqlite3* database = nullptr;
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_open_v2(argv[1], &database, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK ||
        sqlite3_prepare_v2(database, ("SELECT * FROM " + std::string(argv[2])).c_str(), -1, &statement, nullptr) !=
            SQLITE_OK) {
        return 1;
    }
    int const columns = sqlite3_column_count(statement);
    long long rows = 0;
    long long sum = 0;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        ++rows;
        for (int i = 0; i < columns; ++i) {
            switch (sqlite3_column_type(statement, i)) {
                case SQLITE_INTEGER:
                    sum += sqlite3_column_int64(statement, i);
                    break;
                case SQLITE_FLOAT:
                    sum += static_cast<long long>(sqlite3_column_double(statement, i));
                    break;
                case SQLITE_NULL:
                    break;
                default:
                    sum += static_cast<const unsigned char*>(sqlite3_column_blob(statement, i)) != nullptr;
                    sum += sqlite3_column_bytes(statement, i);
            }
        }
    }
    std::printf("%lld %lld\n", rows, sum);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return 0;
}

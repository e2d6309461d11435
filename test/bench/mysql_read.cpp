// The floor of reading: every value of a table, through a prepared statement without a cursor, as fast as the client
// library can.   mysql_read HOST PORT USER PASSWORD DATABASE TABLE

#include <mysql.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

int main(int argc, char** argv) {
    if (argc != 7) {
        return 2;
    }
    MYSQL* const connection = mysql_init(nullptr);
    if (mysql_real_connect(connection, argv[1], argv[3], argv[4], argv[5], static_cast<unsigned>(std::atoi(argv[2])),
                           nullptr, 0) == nullptr) {
        std::fprintf(stderr, "%s\n", mysql_error(connection));
        return 1;
    }
    mysql_set_character_set(connection, "utf8mb4");
    MYSQL_STMT* const statement = mysql_stmt_init(connection);
    std::string const sql = "SELECT * FROM " + std::string(argv[6]);
    if (mysql_stmt_prepare(statement, sql.c_str(), sql.size()) != 0) {
        std::fprintf(stderr, "%s\n", mysql_stmt_error(statement));
        return 1;
    }
    // Bound as texts the values would be converted: each is taken as it is sent, where that has a size of its own.
    constexpr std::size_t kLongestValue = 256;
    unsigned const columns = mysql_stmt_field_count(statement);
    MYSQL_RES* const fields = mysql_stmt_result_metadata(statement);
    std::vector<MYSQL_BIND> binds(columns);
    std::vector<std::array<char, kLongestValue>> values(columns);
    std::vector<unsigned long> lengths(columns);
    for (unsigned i = 0; i < columns; ++i) {
        binds[i].buffer_type = mysql_fetch_field_direct(fields, i)->type;
        binds[i].buffer = values[i].data();
        binds[i].buffer_length = kLongestValue;
        binds[i].length = &lengths[i];
    }
    std::size_t rows = 0;
    if (mysql_stmt_execute(statement) != 0 || mysql_stmt_bind_result(statement, binds.data()) != 0) {
        std::fprintf(stderr, "%s\n", mysql_stmt_error(statement));
        return 1;
    }
    while (mysql_stmt_fetch(statement) == 0) {
        ++rows;
    }
    std::printf("%zu rows\n", rows);
    return 0;
}

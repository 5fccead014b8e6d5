// SQL: SQLite on a database in memory: insert, index, join, group.
#include "bench.h"

#include <sqlite3.h>

enum { CUSTOMERS = 200, ORDERS = 6000 };

static sqlite3 *database;

static void check(int code, const char *what)
{
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW)
        return;
    fprintf(stderr, "sql: %s: %s\n", what, sqlite3_errmsg(database));
    exit(1);
}

static void execute(const char *text) { check(sqlite3_exec(database, text, NULL, NULL, NULL), text); }

static sqlite3_stmt *prepare(const char *text)
{
    sqlite3_stmt *statement = NULL;
    check(sqlite3_prepare_v2(database, text, -1, &statement, NULL), text);
    return statement;
}

static void insert_rows(uint64_t seed)
{
    execute("begin");
    sqlite3_stmt *customer = prepare("insert into customer values (?, 'customer ' || ?)");
    for (int i = 0; i < CUSTOMERS; i++) {
        sqlite3_bind_int(customer, 1, i);
        sqlite3_bind_int(customer, 2, i * 7);
        check(sqlite3_step(customer), "insert");
        sqlite3_reset(customer);
    }
    sqlite3_finalize(customer);
    sqlite3_stmt *order = prepare("insert into purchase values (?, ?, ?, ?)");
    for (int i = 0; i < ORDERS; i++) {
        uint64_t r = next_random(&seed);
        sqlite3_bind_int(order, 1, i);
        sqlite3_bind_int(order, 2, (int)(r >> 40) % CUSTOMERS);
        sqlite3_bind_int(order, 3, (int)(r >> 20 & 0xFFF));
        sqlite3_bind_int(order, 4, (int)(r & 31));
        check(sqlite3_step(order), "insert");
        sqlite3_reset(order);
    }
    sqlite3_finalize(order);
    execute("commit");
}

static uint64_t sum_of(const char *query)
{
    uint64_t sum = 0;
    sqlite3_stmt *statement = prepare(query);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(statement, 0);
        for (; text && *text; text++)
            sum = sum * 31 + *text;
        sum += (uint64_t)sqlite3_column_int64(statement, 1);
    }
    check(code, query);
    sqlite3_finalize(statement);
    return sum;
}

static uint64_t run_sql(uint64_t iterations)
{
    uint64_t sum = 0;
    for (uint64_t n = 0; n < iterations; n++) {
        check(sqlite3_open(":memory:", &database), "open");
        execute("create table customer (id integer primary key, name text);"
                "create table purchase (id integer primary key, customer integer, price integer, kind integer)");
        insert_rows(n + 1);
        execute("create index by_customer on purchase (customer, price)");
        sum += sum_of("select c.name, sum(p.price) from customer c join purchase p on p.customer = c.id "
                      "group by c.id order by 2 desc, 1");
        sum += sum_of("select kind, count(*) from purchase where price between 500 and 3000 group by kind");
        sum += sum_of("select c.name, max(p.price) from customer c join purchase p on p.customer = c.id "
                      "where p.kind = 5 and c.name like '%7%' group by c.name");
        execute("update purchase set price = price + 1 where kind < 8");
        execute("delete from purchase where customer % 3 = 0");
        sum += sum_of("select 'left', count(*) from purchase");
        sqlite3_close(database);
    }
    return sum;
}

static const struct workload SQL[] = {{"sql", 4, run_sql}};

int main(int argc, char **argv) { return run_workloads(SQL, 1, argc, argv); }

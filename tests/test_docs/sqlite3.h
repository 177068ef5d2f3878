/* The few names of SQLite's that the documents use, where its own header is not
 * installed. SPDX-License-Identifier: MIT */
typedef struct sqlite3 sqlite3;
enum { SQLITE_OK = 0, SQLITE_INTERRUPT = 9 };
void sqlite3_interrupt(sqlite3 *db);
int sqlite3_exec(sqlite3 *db, const char *sql,
                 int (*callback)(void *arg, int count, char **values, char **names),
                 void *arg, char **error);

/* ferry-sum: what its files share.  SPDX-License-Identifier: MIT
 *
 *     tree or list          window of batches          standard output
 *        |   fill: one job     |      ^   hash: N jobs      ^
 *        +---------------------+      +---------------------+   write: one job
 *
 * Everything that may block is done by jobs in worker threads: reading directories
 * (tree.c, walk.c, names.c) or a list of digests (list.c), reading and hashing files
 * (hash.c), writing (output.c). Between them lies the window (pipeline.c), which only
 * the loop's thread touches; one batch of it belongs to one job at a time, so nothing
 * needs a lock. What crosses is a batch of files, not a file: a crossing costs as
 * much as hashing some kilobytes. */
#ifndef FERRY_SUM_H
#define FERRY_SUM_H

#include <ferry.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#define PROGRAM "ferry-sum"

/* ---- args.c: the command line ---- */

struct options {
    const char *algorithm;
    int jobs;
    bool check, quiet, status, strict, stats;
    bool progress, progress_asked;
    char **paths;
    int count;
};

/* 0, or one more than the status to exit with: 1 after --help, 3 after a mistake. */
int options_parse(struct options *options, int argc, char **argv);

/* ---- entries: a file as the tree or the list names it ---- */

struct entry {
    const char *path;     /* its owner's; good until the next one is asked for */
    const char *expected; /* the digest in hexadecimal, when checking; else NULL */
    uint64_t size;
    int error;  /* errno, or one of the two below: there is nothing to hash */
    bool named; /* by the user: "-" is standard input, symbolic links are followed */
};

enum { ERROR_NOT_REGULAR = -1, ERROR_DIGEST = -2 };
const char *error_text(int error);

/* 1 and the next entry, 0 at the end, or a failure that ends the program. */
typedef int source_next(void *self, struct entry *entry);

struct source {
    source_next *next;
    void *self;
};

/* ---- names.c: one directory's names ---- */

struct level {
    char *text;   /* the names, one after the other */
    char **names; /* sorted by their bytes; a directory's ends in a slash */
    size_t count, next;
    size_t prefix; /* length of the directory's own path, with its slash */
};

int names_read(struct level *level, const char *path, bool follow);
void names_free(struct level *level);

/* ---- walk.c: the regular files below one path, sorted ---- */

struct root {
    char *key; /* the path as given; a directory's ends in a slash */
    bool directory;
    uint64_t size;
    int error;
};

struct walk {
    char *path;
    size_t path_size;
    struct level *levels;
    size_t depth, levels_size;
    const struct root *root;
    bool begun;
};

int walk_next(struct walk *walk, struct entry *entry);
void walk_free(struct walk *walk);

/* ---- tree.c: those of all paths given, merged ---- */

struct head {
    struct walk walk;
    struct entry entry;
};

struct tree {
    char **paths;
    size_t count;       /* of paths and roots */
    struct root *roots; /* sorted */
    size_t next;        /* the first root that has not been started */
    struct head **heads;
    size_t heads_count;
    struct head *given; /* whose entry was handed out last */
};

int tree_open(void *tree);
int tree_next(void *tree, struct entry *entry);
void tree_close(struct tree *tree);

/* ---- list.c: a list of digests to check ---- */

struct list {
    const char *name;  /* "-" is standard input */
    const char *tag;   /* how a line in BSD's format begins */
    size_t hex_length; /* of a digest */
    int fd;
    char *buffer;
    size_t used, begin, size;
    bool ended;
    int reversed; /* lines are those of BSD's `md5 -r`: -1 until one has told */
    size_t proper, improper; /* lines */
    int error;               /* of reading it, negated errno */
};

int list_open(void *list);
int list_next(void *list, struct entry *entry);
void list_close(struct list *list);

/* Splits one line, which it changes. */
bool list_split(struct list *list, char *line, struct entry *entry);

/* ---- escape.c: names in lines ---- */

bool name_needs_escape(const char *name);
size_t name_escape(char *to, const char *name); /* at most twice as long; its length */
bool name_unescape(char *name);

/* ---- batch.c: what crosses between loop and threads ---- */

enum { BATCH_FILES = 64 };

struct item {
    size_t path;     /* offset in the batch's text, which moves as it grows */
    size_t expected; /* the same, or NO_TEXT */
    int error;
    bool named;
    unsigned char digest[EVP_MAX_MD_SIZE];
};

#define NO_TEXT SIZE_MAX

struct batch {
    struct item items[BATCH_FILES];
    size_t count;
    uint64_t bytes; /* as far as was known when it was filled */
    char *text;
    size_t text_used, text_size;
    bool done;
};

void batch_clear(struct batch *batch);
void batch_free(struct batch *batch);
bool batch_full(const struct batch *batch);
int batch_add(struct batch *batch, const struct entry *entry); /* 1, or a failure */

/* ---- hash.c ---- */

/* Each number is written by the one it says and read by the loop. */
struct counts {
    atomic_ullong hashed; /* bytes so far: hash jobs */
    atomic_ullong total;  /* bytes found in the whole tree so far: the scout */
    atomic_bool total_known;
    unsigned long long files; /* hashed: write job, one at a time */
};

struct hasher {
    const EVP_MD *digest;
    EVP_MD_CTX *context;
    unsigned char *buffer;
    atomic_ullong *hashed;
    struct batch *batch; /* to hash next */
};

int hasher_open(struct hasher *hasher, const EVP_MD *digest, atomic_ullong *hashed);
void hasher_close(struct hasher *hasher);
int hash_batch(void *hasher);

/* ---- io.c: jobs, and reading and writing that a cancel interrupts ---- */

int io_open(void);
void io_close(void);
int io_job(ferry_fn *fn, void *arg);
void io_note_thread(void);
unsigned io_threads(void);
int io_wait(int fd, short events);
ssize_t io_read(int fd, void *buffer, size_t size);
int io_write(int fd, const char *data, size_t size);

/* ---- progress.c: the bar, and who else may write on the terminal ---- */

struct progress {
    struct counts *counts;
    double since; /* start of the run */
    double rate, rate_time;
    uint64_t rate_bytes;
    bool drawn;  /* is on the screen now */
    bool shown;  /* ever was, or is wanted in any case: has a last state */
    bool shares; /* standard output is a terminal too: lines must hide the bar */
    pthread_mutex_t lock; /* held by a job that writes below the bar */
};

int progress_task(void *progress);
int progress_count(void *tree); /* a job: the scout; its tree is a struct scout */
void progress_finish(struct progress *progress);
void progress_hide(struct progress *progress);    /* from a job, before it writes */
void progress_release(struct progress *progress); /* and after */

struct scout {
    struct tree tree;
    struct counts *counts;
};

struct picture {
    uint64_t done, total;
    bool total_known;
    double rate;
    int width;
};

size_t progress_format(char *line, size_t size, const struct picture *picture);
void format_bytes(char *text, size_t size, double bytes);

/* ---- meter.c: how long the loop does not turn ---- */

int meter_task(void *worst); /* a double, seconds */

/* ---- output.c: lines and messages ---- */

struct output {
    const struct options *options;
    struct counts *counts;
    struct progress *progress;
    size_t digest_length;
    char chunk[PIPE_BUF]; /* whole lines, written at once */
    size_t used;
    char *line;
    size_t line_size;
    int write_error; /* errno of standard output */
    size_t unreadable, mismatched, matched;
};

int output_batch(struct output *output, const struct batch *batch);
int output_flush(struct output *output);
int output_message(struct output *output, const char *subject, const char *text);
void output_free(struct output *output);

/* ---- signals.c ---- */

int signals_task(void *sum);

/* ---- bell.c: waiting for a condition in the loop ---- */

struct bell_wait {
    ferry_event event;
    struct bell_wait *next;
};

struct bell {
    struct bell_wait *first;
};

int bell_wait(struct bell *bell);
void bell_ring(struct bell *bell);
void bell_ring_all(struct bell *bell);

/* ---- pipeline.c ---- */

struct sum;
int pipeline_run(struct sum *sum, const struct source *source);

/* ---- run.c: the run, from the loop's side ---- */

struct sum {
    struct options options;
    EVP_MD *digest;
    struct counts counts;
    struct output output;
    struct progress progress;
    ferry_cancel_scope scope; /* around everything that a signal interrupts */
    int signal;               /* which has done so; 0: none */
    double seconds, standstill;
    bool failed; /* something could not be read, or did not match */
};

int run_task(void *sum);

/* ---- check.c ---- */

int check_lists(struct sum *sum);

#endif

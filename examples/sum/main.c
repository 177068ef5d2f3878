/* ferry-sum: digests of many files, hashed in threads.  SPDX-License-Identifier: MIT */
#include "sum.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first files opened must not become standard input, output or error, should
 * these be closed. What is put in their place refuses to be used, as a closed
 * descriptor does. */
static void open_standard(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static int choose_digest(struct sum *sum)
{
    sum->digest = EVP_MD_fetch(NULL, sum->options.algorithm, NULL);
    int length = sum->digest == NULL ? 0 : EVP_MD_get_size(sum->digest);
    if (length > 0) {
        sum->output.digest_length = (size_t)length;
        return 0;
    }
    fprintf(stderr, PROGRAM ": libcrypto has no digest called %s\n",
            sum->options.algorithm);
    return -EINVAL;
}

static void print_stats(const struct sum *sum)
{
    char rate[24];
    unsigned long long bytes = atomic_load(&sum->counts.hashed);
    format_bytes(rate, sizeof rate, sum->seconds > 0 ? (double)bytes / sum->seconds : 0);
    fprintf(stderr, PROGRAM ": %llu files, %llu bytes in %.3f s: %s/s\n",
            sum->counts.files, bytes, sum->seconds, rate);
    fprintf(stderr,
            PROGRAM ": %d jobs at a time, %u threads, loop still for %.1f ms at most\n",
            sum->options.jobs, io_threads(), 1000 * sum->standstill);
}

/* Whether a write's SIGPIPE would have ended us; then a reader that leaves is no
 * error. */
static bool pipe_was_default;

static void ignore_sigpipe(void)
{
    struct sigaction before;
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &before);
    pipe_was_default = before.sa_handler == SIG_DFL;
}

static int exit_status(const struct sum *sum, int rc)
{
    int error = sum->output.write_error;
    if (sum->signal != 0) return 128 + sum->signal;
    if (error == EPIPE && pipe_was_default) return 128 + SIGPIPE;
    if (error != 0)
        fprintf(stderr, PROGRAM ": write error: %s\n", ferry_strerror(-error));
    else if (rc < 0) fprintf(stderr, PROGRAM ": %s\n", ferry_strerror(rc));
    return error != 0 || rc < 0 || sum->failed ? 1 : 0;
}

/* Some file systems tell only here that they could not keep it. */
static void close_output(struct sum *sum)
{
    if (close(STDOUT_FILENO) != 0 && sum->output.write_error == 0)
        sum->output.write_error = errno;
}

static int run(struct sum *sum)
{
    const struct options *options = &sum->options;
    ignore_sigpipe();
    sum->output.options = options;
    sum->output.counts = sum->progress.counts = &sum->counts;
    sum->output.progress = &sum->progress;
    sum->progress.shown = options->progress_asked;
    sum->progress.shares = options->progress && isatty(STDOUT_FILENO);
    pthread_mutex_init(&sum->progress.lock, NULL);
    /* So many hash, and one each reads names, writes and scouts. */
    ferry_run_options run_options = {.worker_limit = options->jobs + 3};
    int rc = io_open();
    if (rc >= 0) rc = ferry_run(run_task, sum, &run_options);
    close_output(sum);
    io_close();
    pthread_mutex_destroy(&sum->progress.lock);
    return rc;
}

int main(int argc, char **argv)
{
    static struct sum sum;
    open_standard();
    int rc = options_parse(&sum.options, argc, argv);
    if (rc != 0) return rc - 1;
    if (choose_digest(&sum) < 0) return 2;
    rc = run(&sum);
    if (sum.options.stats) print_stats(&sum);
    output_free(&sum.output);
    EVP_MD_free(sum.digest);
    return exit_status(&sum, rc);
}

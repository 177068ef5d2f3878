/* The command line.  SPDX-License-Identifier: MIT */
#include "sum.h"
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
    "usage: " PROGRAM " [OPTION]... PATH...\n"
    "       " PROGRAM " -c [OPTION]... [LIST]...\n"
    "\n"
    "Prints the digest of every regular file below the paths, as sha256sum does,\n"
    "sorted by the bytes of the whole path. Symbolic links are followed if they are\n"
    "given, not below; a file below two of the paths is hashed twice. - is standard\n"
    "input.\n"
    "\n"
    "  -a, --algorithm=DIGEST  a digest of libcrypto's: sha256 (the default), md5...\n"
    "  -c, --check             read digests from the lists and check them\n"
    "      --quiet             with -c: do not print OK for each file\n"
    "      --status            with -c: print nothing, the exit status tells\n"
    "      --strict            with -c: a line that is no digest is a failure\n"
    "  -j, --jobs=N            hash so many files at once (default: processors)\n"
    "      --progress          draw a progress bar on standard error in any case\n"
    "      --no-progress       draw none even if it is a terminal\n"
    "      --stats             say at the end what was done and how fast\n"
    "  -h, --help\n"
    "\n"
    "Exit status: 0; 1 if a file could not be read or did not match, or the output\n"
    "not be written; 2 after a mistake on the command line; 128 and the signal's\n"
    "number if one ended it.\n";

enum { QUIET = 256, STATUS, STRICT, STATS, PROGRESS, NO_PROGRESS };

static const struct option long_options[] = {
    {"algorithm", required_argument, NULL, 'a'},
    {"check", no_argument, NULL, 'c'},
    {"quiet", no_argument, NULL, QUIET},
    {"status", no_argument, NULL, STATUS},
    {"strict", no_argument, NULL, STRICT},
    {"jobs", required_argument, NULL, 'j'},
    {"progress", no_argument, NULL, PROGRESS},
    {"no-progress", no_argument, NULL, NO_PROGRESS},
    {"stats", no_argument, NULL, STATS},
    {"help", no_argument, NULL, 'h'},
    {0},
};

enum { PRINTED_HELP = 1, MISTAKE = 3, MAX_JOBS = 1024 };

static int processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > MAX_JOBS ? MAX_JOBS : (int)count;
}

static int parse_jobs(int *jobs, const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || number < 1 || number > MAX_JOBS) {
        fprintf(stderr, PROGRAM ": not a number of jobs, 1 to %d: %s\n", MAX_JOBS, text);
        return MISTAKE;
    }
    *jobs = (int)number;
    return 0;
}

static int print_help(void)
{
    fputs(help, stdout);
    return PRINTED_HELP;
}

static int mistake(void)
{
    fputs("Try '" PROGRAM " --help'.\n", stderr);
    return MISTAKE;
}

static bool *flag_of(struct options *options, int option)
{
    switch (option) {
    case 'c':
        return &options->check;
    case QUIET:
        return &options->quiet;
    case STATUS:
        return &options->status;
    case STRICT:
        return &options->strict;
    case STATS:
        return &options->stats;
    case PROGRESS:
        options->progress = true;
        return &options->progress_asked;
    default:
        return NULL;
    }
}

static int parse_option(struct options *options, int option)
{
    bool *flag = flag_of(options, option);
    if (flag != NULL) *flag = true;
    else if (option == NO_PROGRESS) options->progress = options->progress_asked = false;
    else if (option == 'a') options->algorithm = optarg;
    else if (option == 'j') return parse_jobs(&options->jobs, optarg);
    else if (option == 'h') return print_help();
    else return mistake();
    return 0;
}

static int parse_paths(struct options *options, int argc, char **argv)
{
    static char dash[] = "-";
    static char *standard_input[] = {dash, NULL};
    options->paths = argv + optind;
    options->count = argc - optind;
    if (options->count == 0 && options->check) {
        options->paths = standard_input;
        options->count = 1;
    }
    if (options->count > 0) return 0;
    fputs(PROGRAM ": no path given\n", stderr);
    return mistake();
}

int options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){
        .algorithm = "sha256", .jobs = processors(), .progress = isatty(STDERR_FILENO)};
    int option;
    while ((option = getopt_long(argc, argv, "a:cj:h", long_options, NULL)) != -1) {
        int rc = parse_option(options, option);
        if (rc != 0) return rc;
    }
    return parse_paths(options, argc, argv);
}

/* The command line.  SPDX-License-Identifier: MIT */
#include "notes.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: " PROGRAM " [OPTION]... DATABASE\n"
    "\n"
    "Keeps notes in a SQLite database and serves them on 127.0.0.1 over HTTP:\n"
    "\n"
    "  POST /notes           {\"text\": \"...\"}: adds one; the answer shows it\n"
    "  GET /notes/ID         one of them\n"
    "  GET /notes?since=ID   those after it; &containing=TEXT: of these, some\n"
    "  GET /stats            how it is doing\n"
    "\n"
    "  -p, --port=N          0 (the default): a free one; it is printed\n"
    "  -d, --deadline=S      seconds for a request (default: 2)\n"
    "  -r, --readers=N       connections for reading (default: 4)\n"
    "  -t, --threads=N       threads for HTTP (default: 2)\n"
    "  -h, --help\n"
    "\n"
    "Ctrl-C ends it when what was asked is answered; a second one at once.\n";

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},
    {"deadline", required_argument, NULL, 'd'},
    {"readers", required_argument, NULL, 'r'},
    {"threads", required_argument, NULL, 't'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

enum { PRINTED_HELP = 1, MISTAKE = 3 };

static bool parse(double *number, double least, double most)
{
    char *end;
    *number = strtod(optarg, &end);
    if (end != optarg && *end == '\0' && *number >= least && *number <= most)
        return true;
    fprintf(stderr, PROGRAM ": not a number from %g to %g: %s\n", least, most, optarg);
    return false;
}

static int parse_option(struct options *options, int option)
{
    double number;
    bool right = true;
    if (option == 'p' && (right = parse(&number, 0, 65535)))
        options->port = (uint16_t)number;
    else if (option == 'r' && (right = parse(&number, 1, 64)))
        options->readers = (int)number;
    else if (option == 't' && (right = parse(&number, 2, 64)))
        options->threads = (unsigned)number;
    else if (option == 'd' && (right = parse(&number, 0.001, 3600)))
        options->deadline = number;
    else if (option == 'h') {
        fputs(help, stdout);
        return PRINTED_HELP;
    }
    return right && option != '?' ? 0 : MISTAKE;
}

static int parse_path(struct options *options, int argc, char **argv)
{
    if (argc - optind == 1) {
        options->path = argv[optind];
        return 0;
    }
    fputs(PROGRAM ": it takes one database\nTry '" PROGRAM " --help'.\n", stderr);
    return MISTAKE;
}

int options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.deadline = 2, .readers = 4, .threads = 2};
    int option;
    while ((option = getopt_long(argc, argv, "p:d:r:t:h", long_options, NULL)) != -1) {
        int rc = parse_option(options, option);
        if (rc != 0) return rc;
    }
    return parse_path(options, argc, argv);
}

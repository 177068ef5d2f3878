/* The command line.  SPDX-License-Identifier: MIT */
#include "server.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: " PROGRAM " [OPTION]...\n"
    "\n"
    "Does what blocks for whoever connects to 127.0.0.1, a line for each request:\n"
    "\n"
    "  lookup HOST   its addresses\n"
    "  sum PATH      the SHA-256 of a file\n"
    "  sleep MS      nothing, for so many milliseconds\n"
    "  quit          ends the connection when all is answered\n"
    "\n"
    "Each answer is a line: the number of the line that it answers, counted from 1, "
    "then\n"
    "\"ok\" or \"error\", then what there is to say. Answers come as they are ready. "
    "Whoever\n"
    "hangs up without \"quit\" waits for none, and what was under way is cancelled.\n"
    "\n"
    "  -p, --port=N       0 (the default): a free one; it is printed\n"
    "  -d, --deadline=S   seconds for a request (default: 5)\n"
    "  -g, --grace=S      seconds for what is under way at the end (default: 3)\n"
    "  -n, --at-once=N    requests that a connection may have under way (default: 8)\n"
    "  -h, --help\n"
    "\n"
    "Ctrl-C ends it when what is under way is answered; a second one at once.\n";

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},  {"deadline", required_argument, NULL, 'd'},
    {"grace", required_argument, NULL, 'g'}, {"at-once", required_argument, NULL, 'n'},
    {"help", no_argument, NULL, 'h'},        {0},
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
    else if (option == 'd' && (right = parse(&number, 0.001, 3600)))
        options->deadline = number;
    else if (option == 'g' && (right = parse(&number, 0, 3600))) options->grace = number;
    else if (option == 'n' && (right = parse(&number, 1, 1000)))
        options->at_once = (unsigned)number;
    else if (option == 'h') {
        fputs(help, stdout);
        return PRINTED_HELP;
    }
    return right && option != '?' ? 0 : MISTAKE;
}

int options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.deadline = 5, .grace = 3, .at_once = 8};
    int option;
    while ((option = getopt_long(argc, argv, "p:d:g:n:h", long_options, NULL)) != -1) {
        int rc = parse_option(options, option);
        if (rc != 0) return rc;
    }
    if (optind == argc) return 0;
    fputs(PROGRAM ": it takes no arguments\nTry '" PROGRAM " --help'.\n", stderr);
    return MISTAKE;
}

/* What this machine is, as far as it matters here.  SPDX-License-Identifier: MIT */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

enum { MACHINE_FACTS = 12 };

struct fact {
    const char *key;
    char value[160]; /* empty: not known */
};

struct machine {
    int count;
    struct fact facts[MACHINE_FACTS];
};

void machine_look(struct machine *machine);

/* What has changed by the end. */
void machine_look_again(struct machine *machine);

/* The first line of a file; empty if there is none. */
void first_line(const char *path, char *line, int size);

#endif

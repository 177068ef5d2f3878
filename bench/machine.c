/* Facts about the machine.  SPDX-License-Identifier: MIT */
#include "machine.h"

#include "cpus.h"
#include "peers.h"

#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <uv.h>

void first_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "r");
    line[0] = '\0';
    if (file) {
        if (fgets(line, size, file)) {
            line[strcspn(line, "\n")] = '\0';
        }
        fclose(file);
    }
}

static char *add(struct machine *machine, const char *key)
{
    struct fact *fact = &machine->facts[machine->count++];
    fact->key = key;
    fact->value[0] = '\0';
    return fact->value;
}

enum { SIZE = sizeof((struct fact *)0)->value };

static void add_text(struct machine *machine, const char *key, const char *text)
{
    snprintf(add(machine, key), SIZE, "%s", text ? text : "not built");
}

static void add_file(struct machine *machine, const char *key, const char *path)
{
    first_line(path, add(machine, key), SIZE);
}

static void add_model(struct machine *machine)
{
    char line[256];
    char *value = add(machine, "processor");
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && value[0] == '\0' && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            colon[strcspn(colon, "\n")] = '\0';
            snprintf(value, SIZE, "%.100s", colon + 2);
        }
    }
    if (file) {
        fclose(file);
    }
}

static void add_cpus(struct machine *machine)
{
    int count = cpus_find();
    char *value = add(machine, "cpus");
    if (count > 1) {
        snprintf(value, SIZE, "%d allowed; used: %d and %d", count, cpus_number(0),
                 cpus_number(1));
    } else {
        snprintf(value, SIZE, "one allowed: %d", cpus_number(0));
    }
}

void machine_look(struct machine *machine)
{
    struct utsname name;
    machine->count = 0;
    uname(&name);
    snprintf(add(machine, "kernel"), SIZE, "%s %s", name.release, name.machine);
    add_model(machine);
    add_cpus(machine);
    add_file(machine, "cgroup cpu.max", "/sys/fs/cgroup/cpu.max");
    add_file(machine, "clock source",
             "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    add_text(machine, "libuv", uv_version_string());
    snprintf(add(machine, "GLib"), SIZE, "%u.%u.%u", glib_major_version,
             glib_minor_version, glib_micro_version);
    add_text(machine, "asio", asio_version());
    add_text(machine, "Boost", boost_version());
    add_file(machine, "load average before", "/proc/loadavg");
}

void machine_look_again(struct machine *machine)
{
    add_file(machine, "load average after", "/proc/loadavg");
}

/* JSON, as much of it as is needed.  SPDX-License-Identifier: MIT
 *
 * {"machine": {...}, "run": {...}, "scale": F_same over that of the quoted figures,
 *  "floors": [{"floor", "wall"}], "results": [...], "skipped": [...], "goals": [...]}
 *
 * Times are nanoseconds for each operation. What is not known is null. */
#include "json.h"

#include "goals.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- values; a comma goes before all but the first of an object or array ---- */

static FILE *out;
static bool first;

static void comma(void)
{
    if (!first) {
        fputs(", ", out);
    }
    first = false;
}

static void put_string(const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c < ' ' || c > '~') {
            fprintf(out, "\\u%04x", c);
        } else {
            fputc(c, out);
        }
    }
    fputc('"', out);
}

static void put_key(const char *key)
{
    comma();
    if (key) {
        put_string(key);
        fputs(": ", out);
    }
}

static void put_number(const char *key, double value)
{
    put_key(key);
    if (isfinite(value)) {
        fprintf(out, "%.10g", value);
    } else {
        fputs("null", out);
    }
}

static void put_text(const char *key, const char *text)
{
    put_key(key);
    if (text) {
        put_string(text);
    } else {
        fputs("null", out);
    }
}

static void put_bool(const char *key, bool value)
{
    put_key(key);
    fputs(value ? "true" : "false", out);
}

/* Opens with '{' or '[', and closes with what belongs to it. */
static void open_with(const char *key, char bracket)
{
    put_key(key);
    fputc(bracket, out);
    first = true;
}

static void close_with(char bracket)
{
    fputc(bracket, out);
    first = false;
}

/* An element on a line of its own. */
static void open_line(void)
{
    comma();
    fputs("\n  {", out);
    first = true;
}

/* ---- the parts ---- */

static void put_machine(const struct machine *machine)
{
    open_with("machine", '{');
    for (int i = 0; i < machine->count; i++) {
        put_text(machine->facts[i].key, machine->facts[i].value);
    }
    close_with('}');
}

static void put_run(const struct plan *plan)
{
    open_with("run", '{');
    put_text("plan", plan->name);
    put_number("rounds", plan->rounds);
    put_number("sample_seconds", plan->span);
    put_number("warm_seconds", plan->warm);
    close_with('}');
}

static void put_floors(const struct results *results)
{
    open_with("floors", '[');
    for (enum contest_id id = 0; id < FLOORS; id++) {
        open_line();
        put_text("floor", contests[id].peers->name);
        put_text("contest", contests[id].key);
        put_text("title", contests[id].title);
        put_number("wall", floor_of(results, id));
        close_with('}');
    }
    close_with(']');
}

static void put_spread(const char *key, const struct result *result, enum metric metric)
{
    struct spread spread = spread_of(result, metric);
    open_with(key, '{');
    put_number("median", spread.median);
    put_number("min", spread.min);
    put_number("max", spread.max);
    close_with('}');
}

static void put_result(const struct result *result)
{
    const struct contest *contest = &contests[result->contest];
    open_line();
    put_text("contest", contest->key);
    put_text("title", contest->title);
    put_text("cpus", cpus_key(result->cpus));
    put_text("peer", result->peer->name);
    put_bool("ferry", result->peer->ferry);
    put_bool("compared", !result->peer->aside);
    put_bool("built", result->peer->run != NULL);
    put_bool("failed", result->failed);
    put_number("samples", result->count);
    put_spread("wall", result, WALL);
    put_spread("cpu", result, PROCESSOR);
    put_spread("switches", result, SWITCHES);
    if (spread_of(result, RESIDENT).median > 0) {
        put_number("tasks", contest->setup.tasks);
        put_spread("resident", result, RESIDENT);
        put_spread("page_tables", result, TABLES);
    }
    close_with('}');
}

static void put_skipped(void)
{
    open_with("skipped", '[');
    for (int i = 0; i < CONTESTS; i++) {
        if (contests[i].skipped) {
            open_line();
            put_text("contest", contests[i].key);
            put_text("why", contests[i].skipped);
            close_with('}');
        }
    }
    close_with(']');
}

/* ---- goals ---- */

static void put_bounds(const struct goal *goal, const struct judgement *judgement)
{
    char text[48];
    open_with("bounds", '[');
    for (int i = 0; i < MAX_TERMS && goal->terms[i].base != NO_BASE; i++) {
        open_with(NULL, '{');
        put_text("is", term_text(goal, &goal->terms[i], text, sizeof text));
        put_number("value", judgement->bounds[i]);
        close_with('}');
    }
    close_with(']');
}

static void put_quotes(const struct goal *goal)
{
    open_with("quoted", '[');
    for (int i = 0; i < MAX_QUOTES && goal->quotes[i].name; i++) {
        open_with(NULL, '{');
        put_text("peer", goal->quotes[i].name);
        put_number("unscaled", goal->quotes[i].figure);
        close_with('}');
    }
    close_with(']');
}

static void put_best(const struct best *best)
{
    open_with("best_peer", '{');
    put_text("peer", best->name);
    put_number("figure", best->figure);
    put_bool("quoted", best->quoted);
    close_with('}');
}

static void put_goal(const struct results *results, const struct goal *goal)
{
    static const char *const metrics[METRICS] = {"wall", "cpu", "switches", "resident",
                                                 "page_tables"};
    static const char *const verdicts[] = {"not measured", "met", "missed"};
    struct judgement judgement = judge(results, goal);
    open_line();
    put_text("row", goal->row);
    put_text("what", goal->what);
    put_text("contest", contests[goal->contest].key);
    put_text("cpus", cpus_key(goal->cpus));
    put_text("metric", metrics[goal->metric]);
    put_text("peer", goal->ferry ? goal->ferry : "ferry");
    put_number("ferry", judgement.figure);
    put_number("at_most", judgement.bound);
    put_bounds(goal, &judgement);
    put_number("reach", judgement.reach);
    put_best(&judgement.best);
    put_quotes(goal);
    put_text("verdict", verdicts[judgement.verdict]);
    put_bool("behind", judgement.behind);
    close_with('}');
}

static void put_all(const struct plan *plan, const struct machine *machine,
                    const struct results *results)
{
    first = true;
    open_with(NULL, '{');
    put_machine(machine);
    put_run(plan);
    put_number("scale", scale_of(results));
    put_floors(results);
    open_with("results", '[');
    for (int i = 0; i < results->count; i++) {
        put_result(&results->all[i]);
    }
    close_with(']');
    put_skipped();
    open_with("goals", '[');
    for (int i = 0; i < goal_count; i++) {
        put_goal(results, &goals[i]);
    }
    close_with(']');
    close_with('}');
    fputc('\n', out);
}

bool json_write(const struct plan *plan, const struct machine *machine,
                const struct results *results)
{
    out = fopen(plan->json, "w");
    if (out == NULL) {
        perror(plan->json);
        return false;
    }
    put_all(plan, machine, results);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        perror(plan->json);
        return false;
    }
    return true;
}

/* Cancelling a task by its future.  SPDX-License-Identifier: MIT
 *
 * The future is finished as cancelled at once. The task learns of it at its next
 * checkpoint, and may put things in order first: whoever wants what it leaves behind, or
 * owns what it uses, joins it. */
#include <errno.h>
#include <ferry.h>
#include <math.h>
#include <stdio.h>

struct game {
    int score;
    bool saved;
};

static int save(struct game *game) /* takes a while, cancelled or not */
{
    ferry_cancel_scope scope = {.shield = true};
    int rc = ferry_cancel_scope_enter(&scope);
    if (rc < 0) return rc;
    rc = ferry_sleep(0.02);
    game->saved = rc == 0;
    return ferry_cancel_scope_exit(&scope, rc);
}

static int play(void *arg) /* in the loop, as a task */
{
    struct game *game = arg;
    game->score = 7;
    ferry_task_started(NULL);
    int rc = ferry_sleep(INFINITY);
    if (rc == -ECANCELED) save(game);
    return rc;
}

static int use(ferry_portal *portal)
{
    struct game game = {0};
    ferry_future *future;
    int rc = ferry_portal_start_task(portal, play, &game, NULL, &future, NULL);
    if (rc < 0) return rc;
    rc = ferry_future_wait(future, 0.01);
    printf("after a while: %s\n", ferry_error_name(rc));
    printf("cancelled: %s\n", ferry_future_cancel(future) ? "yes" : "too late");
    printf("its result: %s\n", ferry_error_name(ferry_future_result(future)));
    rc = ferry_future_join(future, INFINITY); /* from here on game is ours again */
    printf("score %d, saved: %s\n", game.score, game.saved ? "yes" : "no");
    printf("cancelled again: %s\n", ferry_future_cancel(future) ? "yes" : "too late");
    ferry_future_unref(future);
    return rc;
}

int main(void)
{
    ferry_portal *portal;
    int rc = ferry_start_blocking_portal(&portal, NULL);
    if (rc < 0) return ferry_exit_status(rc);
    rc = use(portal);
    return ferry_exit_status(ferry_stop_blocking_portal(portal, rc));
}

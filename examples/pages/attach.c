/* ferry in a libuv loop that the program runs itself.  SPDX-License-Identifier: MIT
 *
 * The program has a timer, and calls uv_run. In a callback of the timer it starts a task;
 * that has a thread read from a pipe, which blocks until the timer has fired three times:
 * so the timer goes on meanwhile. When the portal has been closed, nothing of ferry's is
 * left in the loop, and uv_run returns by itself. */
#include <errno.h>
#include <ferry.h>
#include <ferry/uv.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

enum { READ_END, WRITE_END };

struct program {
    ferry_portal *portal;
    uv_timer_t timer;
    int ticks;
    int ends[2];
};

static int read_number(void *arg) /* in a worker thread */
{
    const struct program *program = arg;
    int number;
    ssize_t size = read(program->ends[READ_END], &number, sizeof number);
    return size == (ssize_t)sizeof number ? number : -EIO;
}

static void detached(void *arg) /* in the loop: ferry has left it */
{
    const struct program *program = arg;
    printf("detached after %d ticks\n", program->ticks);
}

static int ask(void *arg) /* a task, between the callbacks: may suspend */
{
    struct program *program = arg;
    int number = ferry_to_thread_run_sync(read_number, program, NULL);
    printf("task: the thread has read %d\n", number);
    return ferry_portal_close(program->portal, false, detached, program);
}

static void tick(uv_timer_t *timer) /* a callback of the program's own */
{
    struct program *program = timer->data;
    int number = 42;
    printf("timer: tick %d\n", ++program->ticks);
    if (program->ticks == 1) {
        ferry_portal_start_task_soon(program->portal, ask, program, NULL, NULL);
        int rc = ferry_portal_call(program->portal, ask, program);
        printf("timer: waiting for it is %s\n", ferry_error_name(rc));
    } else if (program->ticks == 3) {
        if (write(program->ends[WRITE_END], &number, sizeof number) < 0) perror("write");
        uv_close((uv_handle_t *)timer, NULL);
    }
}

int main(void)
{
    struct program program = {.ticks = 0};
    uv_loop_t *loop = uv_default_loop();
    if (pipe(program.ends) != 0) return ferry_exit_status(-errno);
    int rc = ferry_uv_attach(loop, NULL, &program.portal);
    if (rc < 0) return ferry_exit_status(rc);
    uv_timer_init(loop, &program.timer);
    program.timer.data = &program;
    uv_timer_start(&program.timer, tick, 20, 20);
    uv_run(loop, UV_RUN_DEFAULT);
    return ferry_exit_status(uv_loop_close(loop)); /* 0: there is nothing left in it */
}

/* What the fragments of code in the documents mention. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <ferry.h>
#include <stdio.h>
#include <stdlib.h>

ferry_fn job, takes_a_minute;
extern ferry_to_thread_options options;

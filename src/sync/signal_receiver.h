/* What a fork leaves behind of signal receivers.  SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_SYNC_SIGNAL_RECEIVER_H
#define FERRY_SRC_SYNC_SIGNAL_RECEIVER_H

/* In a forked child: the parent's receivers are not open here, and what was done with
 * their signals before is done again. Calls nothing that a signal handler may not. */
void ferry__signals_forget(void);

#endif

/* Asking for threads in a way that can be refused. */
#include "internal.h"

#ifdef _WIN32

int mimir_threads_possible(int n) {
    (void)n;
    return 1;
}

#else

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#define MOST 1024

static void *wait_for(void *mutex) {
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

int mimir_threads_possible(int n) {
    pthread_t threads[MOST];
    pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
    sigset_t all, mask;
    int made = 0;
    if (n > MOST) return 0;
    /* They take no signal of the host's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    pthread_mutex_lock(&held);
    while (made < n && pthread_create(&threads[made], NULL, wait_for, &held) == 0) made++;
    pthread_mutex_unlock(&held);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    for (int i = 0; i < made; i++) pthread_join(threads[i], NULL);
    return made == n;
}

#endif

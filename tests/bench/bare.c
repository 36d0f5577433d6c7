/* The bare loop that everything is compared with: the least a supervisor can do and still restart what dies.
 * One epoll over pidfds; on an end: reap, close, spawn again in a session of its own. No state, log, limit or order.
 *
 *   bare COUNT SERVICE STAMPS       runs COUNT times: SERVICE STAMPS INDEX */
#define _GNU_SOURCE
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int epoll, *pidfds;
static char *service, *stamps;
static posix_spawnattr_t attributes;

static void start(unsigned i) {
    char index[12];
    snprintf(index, sizeof index, "%u", i);
    char *arguments[] = {service, stamps, index, NULL};
    pid_t pid;
    if (posix_spawn(&pid, service, NULL, &attributes, arguments, environ)) exit(71);
    pidfds[i] = (int)syscall(SYS_pidfd_open, pid, 0);
    struct epoll_event watch = {.events = EPOLLIN, .data.u32 = i};
    if (pidfds[i] < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, pidfds[i], &watch)) exit(71);
}

int main(int argc, char **argv) {
    if (argc != 4) return 64;
    unsigned count = (unsigned)atoi(argv[1]);
    service = argv[2];
    stamps = argv[3];
    epoll = epoll_create1(EPOLL_CLOEXEC);
    pidfds = calloc(count, sizeof *pidfds);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    for (unsigned i = 0; i < count; i++) start(i);
    for (;;) {
        struct epoll_event ended[64];
        int n = epoll_wait(epoll, ended, 64, -1);
        for (int e = 0; e < n; e++) {
            unsigned i = ended[e].data.u32;
            siginfo_t how;
            waitid(P_PIDFD, (id_t)pidfds[i], &how, WEXITED);
            close(pidfds[i]); /* which also takes it out of the epoll */
            start(i);
        }
    }
}

/* The service of the benchmark: the same program under every supervisor.
 *
 * First thing in main it reads CLOCK_MONOTONIC, then leaves {time, pid, index} in its slot of the stamps file, sends
 * the same bytes as one datagram (the harness sleeps until it comes, so it does not poll beside the measurement), and
 * waits for a signal. All that follows the clock is outside the measured time.
 *
 *   service STAMPS INDEX            a supervisor that runs a command line
 *   service [NAME]                  a supervisor that runs ./run in the service's folder: services/INDEX below STAMPS,
 *                                   so `run` is a link to this program and no shell is in between
 *                                   (with s6's file notification-fd beside it: it tells that it is ready, on fd 3)
 *   service STAMPS INDEX PIDFILE    a supervisor that wants a daemon (monit): detaches, leaves its pid in PIDFILE
 *   service STAMPS INDEX -l SOCKET  for a round of probes: answers there as an SMTP server does that is asked for no more
 *                                   than its greeting
 *
 * The stamps file: 128 bytes, the datagram socket's abstract name ended by a NUL; then 16 bytes a service. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 128 };

struct stamp {
    uint64_t at; /* CLOCK_MONOTONIC, nanoseconds */
    uint32_t pid;
    uint32_t index;
};

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* As mail daemons do it: the parent leaves only when the pid file is there. Returns in the child. */
static void detach(const char *pidfile) {
    pid_t child = fork();
    if (child < 0) _exit(71);
    if (child == 0) {
        setsid();
        return;
    }
    char text[16];
    int length = snprintf(text, sizeof text, "%d\n", (int)child);
    int file = open(pidfile, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || write(file, text, (size_t)length) != length) _exit(73);
    _exit(0);
}

/* One client after the other. The socket listens before the clock's stamp is left, so who is up answers. */
static int listens(const char *path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof at.sun_path) _exit(64);
    strcpy(at.sun_path, path);
    if (bind(server, (struct sockaddr *)&at, sizeof at) != 0 || listen(server, 16) != 0) _exit(71);
    return server;
}

static void say(int client, const char *words) {
    (void)!send(client, words, strlen(words), MSG_NOSIGNAL);
}

static void serve(int server) {
    for (;;) {
        char line[512];
        int client = accept4(server, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) continue;
        say(client, "220 bench\r\n");
        /* A prober sends each of its lines as one packet. */
        while (recv(client, line, sizeof line, 0) > 0) {
            int quits = line[0] == 'Q';
            say(client, quits ? "221 bench\r\n" : "250 bench\r\n");
            if (quits) break;
        }
        close(client);
    }
}

int main(int argc, char **argv) {
    struct stamp stamp = {.at = now()};
    char folder[4096];
    const char *stamps = "../../stamps", *index;
    if (argc >= 3) {
        stamps = argv[1];
        index = argv[2];
    } else {
        if (!getcwd(folder, sizeof folder)) return 72;
        index = strrchr(folder, '/') + 1;
    }
    if (argc == 4) {
        detach(argv[3]);
        stamp.at = now();
    }
    int server = argc == 5 ? listens(argv[4]) : -1;
    stamp.pid = (uint32_t)getpid();
    stamp.index = (uint32_t)atoi(index);

    int file = open(stamps, O_RDWR | O_CLOEXEC);
    char name[HEADER] = {0};
    if (file < 0 || pread(file, name, sizeof name - 1, 0) <= 0) return 66;
    if (pwrite(file, &stamp, sizeof stamp, HEADER + (off_t)sizeof stamp * stamp.index) != (ssize_t)sizeof stamp) return 74;
    close(file);

    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(to.sun_path + 1, name, length < sizeof to.sun_path - 1 ? length : sizeof to.sun_path - 1);
    int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    /* Refused when nobody drains it, as while 1,000 start: the slot says it all then. */
    sendto(out, &stamp, sizeof stamp, MSG_DONTWAIT, (struct sockaddr *)&to,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length));
    close(out);
    if (argc < 3 && access("notification-fd", F_OK) == 0 && write(3, "\n", 1) == 1) close(3);
    if (server >= 0) serve(server);
    for (;;) pause();
}

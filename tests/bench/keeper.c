/* Runs one supervisor and answers for everything that descends from it, so that the harness leaves nothing behind.
 *
 *   keeper SECONDS COMMAND...
 *
 * It is the subreaper of its tree: what a supervisor detaches or leaves behind stays its descendant (and is reaped at
 * once: a monit daemon's death must not hide behind a zombie). It ends when told to (TERM, INT, HUP), when the harness
 * dies however it dies (the kernel then sends TERM), or when the supervisor ends by itself. The end: with SECONDS > 0
 * the supervisor gets TERM and that long to leave in order; then KILL for all descendants, parents first, until none is left.
 * It sleeps in sigtimedwait otherwise and takes no part in what is measured. */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct process {
    pid_t pid, parent;
};

static pid_t supervisor;
static int outcome = 0;

/* Takes in every dead child; false when there is none left at all. */
static int reap(void) {
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0) return 0;
        if (pid == 0) return 1;
        if (pid == supervisor) {
            supervisor = 0;
            outcome = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
    }
}

static size_t everyone(struct process **list) {
    size_t count = 0, room = 1024;
    struct process *all = malloc(room * sizeof *all);
    DIR *folder = opendir("/proc");
    if (!all || !folder) exit(71);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[64], line[512], *past;
        pid_t pid = (pid_t)atoi(entry->d_name);
        if (pid <= 0) continue;
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *file = fopen(path, "re");
        if (!file) continue;
        int parent;
        if (fgets(line, sizeof line, file) && (past = strrchr(line, ')')) && sscanf(past + 1, " %*c %d", &parent) == 1) {
            if (count == room && !(all = realloc(all, (room *= 2) * sizeof *all))) exit(71);
            all[count++] = (struct process){pid, parent};
        }
        fclose(file);
    }
    closedir(folder);
    *list = all;
    return count;
}

/* Generation by generation from this process down, so that who would start something again is gone before what it would start. */
static void kill_descendants(void) {
    struct process *all;
    size_t count = everyone(&all), next = 0, end = 0;
    pid_t *found = malloc((count + 1) * sizeof *found);
    if (!found) exit(71);
    found[end++] = getpid();
    for (; next < end; next++)
        for (size_t i = 0; i < count; i++)
            if (all[i].parent == found[next] && end <= count) {
                kill(all[i].pid, SIGKILL);
                found[end++] = all[i].pid;
            }
    free(found);
    free(all);
}

int main(int argc, char **argv) {
    if (argc < 3) return 64;
    pid_t harness = getppid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &before);
    if (getppid() != harness) return 0;

    supervisor = fork();
    if (supervisor == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        setsid();
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    int told = 0;
    while (supervisor > 0 && !told) {
        int got = sigwaitinfo(&set, NULL); /* negative: interrupted, as by a debugger */
        told = got > 0 && got != SIGCHLD;
        reap();
    }
    time_t limit = time(NULL) + atoi(argv[1]);
    if (supervisor > 0 && atoi(argv[1]) > 0) {
        kill(supervisor, SIGTERM);
        while (supervisor > 0 && time(NULL) < limit) {
            sigtimedwait(&set, NULL, &(struct timespec){.tv_nsec = 100000000});
            reap();
        }
    }
    while (reap()) {
        kill_descendants();
        sigtimedwait(&set, NULL, &(struct timespec){.tv_nsec = 20000000});
    }
    return told ? 0 : outcome;
}

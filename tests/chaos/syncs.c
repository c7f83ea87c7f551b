/* Keeps a copy of every database as a power cut would leave it: as it was when it was last synced.
 *
 * SQLite syncs by fsync and fdatasync of the C library, beyond the reach of Python. chaos_syncs names the folder of the
 * copies; a file's name there is its path with '@' for '/'. Nothing is copied before it is called. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (1 << 16)

static char folder[PATH_MAX];
static pthread_mutex_t copying = PTHREAD_MUTEX_INITIALIZER;

void chaos_syncs(const char *copies) {
    snprintf(folder, sizeof folder, "%s", copies);
}

static int is_database(const char *path) {
    static const char *const endings[] = {".db", ".db-wal", ".db-journal"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t all = strlen(path), end = strlen(endings[i]);
        if (all > end && strcmp(path + all - end, endings[i]) == 0)
            return 1;
    }
    return 0;
}

/* 0, or -1 where it could not be: then the sync is said to have failed, so that nobody relies on it. */
static int copied(const char *path) {
    char target[2 * PATH_MAX], fresh[2 * PATH_MAX + 8];
    int length = snprintf(target, sizeof target, "%s/", folder);
    snprintf(target + length, sizeof target - length, "%s", path);
    for (char *at = target + length; *at; at++)
        if (*at == '/')
            *at = '@';
    snprintf(fresh, sizeof fresh, "%s.new", target);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0 && errno == ENOENT)
        return 0;
    int into = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    static char chunk[CHUNK];
    ssize_t got = -1;
    if (from >= 0 && into >= 0)
        while ((got = read(from, chunk, sizeof chunk)) > 0)
            if (write(into, chunk, got) != got) {
                got = -1;
                break;
            }
    if (from >= 0)
        close(from);
    if (into >= 0)
        close(into);
    return got == 0 ? rename(fresh, target) : -1;
}

static int synced(const char *name, int file) {
    int done = ((int (*)(int))dlsym(RTLD_NEXT, name))(file);
    if (done != 0 || !*folder)
        return done;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return done;
    path[length] = 0;
    if (!is_database(path))
        return done;
    pthread_mutex_lock(&copying);
    done = copied(path);
    pthread_mutex_unlock(&copying);
    return done;
}

int fsync(int file) {
    return synced("fsync", file);
}

int fdatasync(int file) {
    return synced("fdatasync", file);
}

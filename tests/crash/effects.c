/* Counts what a process does to files below one folder, and makes the n-th time go wrong.
 *
 * Loaded before the C library (LD_PRELOAD). `effects_arm` begins to count: with KILL the process dies right before its
 * n-th effect, with BREAK_SYNC its n-th fsync or fdatasync answers EIO and syncs nothing. With a record open, each
 * effect is written down with its data, so that the files can be made again as they were at any moment.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, KILL, BREAK_SYNC };
enum { WRITE = 'w', SYNC = 's', RENAME = 'r', REMOVE = 'u', CUT = 't', CREATE = 'c', NOTE = 'n' };

static char folder[4096];
static int mode, record = -1;
static long countdown, counted;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })

static int is_ours(const char *path) {
    size_t length = strlen(path);
    return folder[0] && !strncmp(path, folder, strlen(folder))
        && !(length > 4 && !strcmp(path + length - 4, "-shm"))
        && !(length > 5 && (!strcmp(path + length - 5, ".lock") || !strcmp(path + length - 5, ".turn")));
}

static int path_of(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, 4095);
    path[length > 0 ? length : 0] = 0;
    return length > 0 && is_ours(path);
}

static void write_down(char kind, const char *path, const char *more, int64_t offset, const void *data, int64_t size) {
    if (record < 0) return;
    int64_t head[4] = {(int64_t)strlen(path), (int64_t)strlen(more), offset, data ? size : 0};
    __typeof__(&write) out = REAL(write);
    if (out(record, &kind, 1) < 0 || out(record, head, sizeof head) < 0 || out(record, path, head[0]) < 0
        || (head[1] && out(record, more, head[1]) < 0) || (head[3] && out(record, data, head[3]) < 0))
        _exit(99);
}

/* Whether this effect is to fail; the lock is held until it is done, so that the record has the order of the effects. */
static int begins(int is_sync) {
    pthread_mutex_lock(&turn);
    if (mode == KILL) {
        counted++;
        if (countdown && counted == countdown) kill(getpid(), SIGKILL);
    } else if (mode == BREAK_SYNC && is_sync) {
        counted++;
        return countdown && counted == countdown;
    }
    return 0;
}

static void done(void) { pthread_mutex_unlock(&turn); }

void effects_arm(const char *below, int what, long number) {
    snprintf(folder, sizeof folder, "%s", below);
    mode = what, countdown = number, counted = 0;
}

void effects_record(const char *path) { record = REAL(open)(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); }

void effects_note(const char *text) {
    pthread_mutex_lock(&turn);
    write_down(NOTE, text, "", 0, 0, 0);
    pthread_mutex_unlock(&turn);
}

long effects_counted(void) { return counted; }

static ssize_t written(int descriptor, const void *data, size_t size, int64_t offset) {
    char path[4096];
    if (!path_of(descriptor, path)) return offset < 0 ? REAL(write)(descriptor, data, size)
                                                      : REAL(pwrite64)(descriptor, data, size, offset);
    begins(0);
    int64_t place = offset;
    if (offset < 0) {
        struct stat about;
        place = fcntl(descriptor, F_GETFL) & O_APPEND ? (fstat(descriptor, &about), about.st_size)
                                                      : lseek(descriptor, 0, SEEK_CUR);
    }
    ssize_t result = offset < 0 ? REAL(write)(descriptor, data, size) : REAL(pwrite64)(descriptor, data, size, offset);
    if (result > 0) write_down(WRITE, path, "", place, data, result);
    done();
    return result;
}

ssize_t write(int descriptor, const void *data, size_t size) { return written(descriptor, data, size, -1); }
ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    return written(descriptor, data, size, offset);
}
ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
    return written(descriptor, data, size, offset);
}

static int synced(int descriptor, int (*sync)(int)) {
    char path[4096];
    if (!path_of(descriptor, path)) return sync(descriptor);
    int is_broken = begins(1);
    int result = is_broken ? -1 : sync(descriptor);
    if (!result) write_down(SYNC, path, "", 0, 0, 0);
    done();
    if (is_broken) errno = EIO;
    return result;
}

int fsync(int descriptor) { return synced(descriptor, REAL(fsync)); }
int fdatasync(int descriptor) { return synced(descriptor, REAL(fdatasync)); }

int rename(const char *from, const char *to) {
    if (!is_ours(to)) return REAL(rename)(from, to);
    begins(0);
    int result = REAL(rename)(from, to);
    if (!result) write_down(RENAME, from, to, 0, 0, 0);
    done();
    return result;
}

int unlink(const char *path) {
    if (!is_ours(path)) return REAL(unlink)(path);
    begins(0);
    int result = REAL(unlink)(path);
    if (!result) write_down(REMOVE, path, "", 0, 0, 0);
    done();
    return result;
}

static int cut(int descriptor, off64_t size, int (*truncate)(int, off64_t)) {
    char path[4096];
    if (!path_of(descriptor, path)) return truncate(descriptor, size);
    begins(0);
    int result = truncate(descriptor, size);
    if (!result) write_down(CUT, path, "", size, 0, 0);
    done();
    return result;
}

int ftruncate64(int descriptor, off64_t size) { return cut(descriptor, size, REAL(ftruncate64)); }
int ftruncate(int descriptor, off_t size) { return cut(descriptor, size, REAL(ftruncate64)); }

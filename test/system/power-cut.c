/*
 * Preloaded into a node by power-cut.ts: an undo journal of everything the process changes in its data folder
 * (POWER_CUT_DATA). SIGKILL loses nothing of it, because a written page lives on in the page cache; a power cut is made
 * afterwards by undoing what no later sync covered. The journal and hard links to removed files lie in
 * POWER_CUT_JOURNAL, outside of that folder, on the same file system; without it nothing is kept. It also makes operations
 * fail on demand (power-cut-faults.h).
 *
 * Invariant: a record of old bytes stands in the journal before they are overwritten, and one lock holds over record and
 * change. A sync covers what the journal held when it began, so a change that runs beside it stays unsynced.
 * Ways to change a file that are not watched here (shared mappings, sendfile, raw system calls) end the process.
 */
#define _GNU_SOURCE
#include "power-cut-faults.h"
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* Every sync takes this long: whoever answers before its sync has ended is likely to be caught at it. */
#define SYNC_MICROSECONDS 40000

static uint64_t total(const struct iovec *parts, int count) {
  uint64_t bytes = 0;
  for (int i = 0; i < count; i++) bytes += parts[i].iov_len;
  return bytes;
}

static uint64_t place(int fd, const struct stat *st) {
  int appends = fcntl(fd, F_GETFL) & O_APPEND;
  return appends ? (uint64_t)st->st_size : (uint64_t)lseek(fd, 0, SEEK_CUR);
}

static ssize_t really_put(int fd, const struct iovec *parts, int count, off_t at) {
  if (at < 0) return REAL(ssize_t, writev, int, const struct iovec *, int)(fd, parts, count);
  return REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t)(fd, parts, count, at);
}

/* Writes after the old bytes of a watched file were kept. at -1: where the file stands. */
static ssize_t put(int fd, const struct iovec *parts, int count, off_t at) {
  struct stat st;
  char path[PATH_MAX];
  if (!watched_at(fd, &st, path)) return really_put(fd, parts, count, at);
  if (fails(WRITING, path)) return -1;
  struct iovec half = {parts[0].iov_base, (parts[0].iov_len + 1) / 2};
  if (fault_of(WRITING, path) == SHORT) {
    /* Whoever tries the rest at once, as libuv does, learns why. */
    static __thread int tried;
    tried = !tried;
    if (!tried) {
      errno = ENOSPC;
      return -1;
    }
    parts = &half;
    count = 1;
  }
  pthread_mutex_lock(&lock);
  fstat(fd, &st);
  keep(fd, at < 0 ? place(fd, &st) : (uint64_t)at, total(parts, count));
  ssize_t result = really_put(fd, parts, count, at);
  pthread_mutex_unlock(&lock);
  return result;
}

ssize_t write(int fd, const void *from, size_t bytes) {
  struct stat st;
  if (!watched(fd, &st)) return REAL(ssize_t, write, int, const void *, size_t)(fd, from, bytes);
  return put(fd, &(struct iovec){(void *)from, bytes}, 1, -1);
}

ssize_t writev(int fd, const struct iovec *parts, int count) { return put(fd, parts, count, -1); }

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t at) {
  return put(fd, &(struct iovec){(void *)from, bytes}, 1, at);
}
ssize_t pwrite64(int fd, const void *from, size_t bytes, off64_t at) { return pwrite(fd, from, bytes, at); }

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return put(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return pwritev(fd, parts, count, at); }

/* What is beyond the new end is lost; without such bytes only the size is. */
int ftruncate(int fd, off_t size) {
  struct stat st;
  char path[PATH_MAX];
  int inside = watched_at(fd, &st, path);
  if (inside && fails(CHANGING, path)) return -1;
  if (inside) pthread_mutex_lock(&lock);
  if (inside) keep(fd, size, INT64_MAX / 2);
  int result = REAL(int, ftruncate, int, off_t)(fd, size);
  if (inside) pthread_mutex_unlock(&lock);
  return result;
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

/* LevelDB writes through stdio, whose own write() cannot be replaced: nothing is left in a stream's buffer. */
static size_t stream_write(const char *from, size_t size, size_t count, FILE *stream) {
  for (size_t left = size * count; left > 0;) {
    ssize_t written = write(fileno(stream), from, left);
    if (written < 0) return 0;
    from += written;
    left -= written;
  }
  return count;
}

size_t fwrite(const void *from, size_t size, size_t count, FILE *stream) {
  struct stat st;
  if (watched(fileno(stream), &st)) return stream_write(from, size, count, stream);
  return REAL(size_t, fwrite, const void *, size_t, size_t, FILE *)(from, size, count, stream);
}

#undef fwrite_unlocked
size_t fwrite_unlocked(const void *from, size_t size, size_t count, FILE *stream) {
  struct stat st;
  if (watched(fileno(stream), &st)) return stream_write(from, size, count, stream);
  return REAL(size_t, fwrite_unlocked, const void *, size_t, size_t, FILE *)(from, size, count, stream);
}

#define SYNCED(fd, change)                    \
  do {                                        \
    struct stat st;                           \
    char path[PATH_MAX];                      \
    if (!watched_at(fd, &st, path)) return change; \
    if (fails(SYNCING, path)) return -1;      \
    uint64_t begun = position();              \
    if (journaling()) usleep(SYNC_MICROSECONDS); \
    int result = change;                      \
    if (result == 0) note_sync(&st, begun);   \
    return result;                            \
  } while (0)

int fsync(int fd) { SYNCED(fd, (REAL(int, fsync, int)(fd))); }
int fdatasync(int fd) { SYNCED(fd, (REAL(int, fdatasync, int)(fd))); }

static int open_watched(const char *path, int flags, mode_t mode) {
  struct stat st;
  if (fails(CHANGING, path)) return -1;
  pthread_mutex_lock(&lock);
  int existed = stat(path, &st) == 0;
  int fd = REAL(int, open, const char *, int, ...)(path, flags & ~O_TRUNC, mode);
  if (fd >= 0 && !existed && fstat(fd, &st) == 0) {
    append((struct record){.kind = CREATE, .inode = st.st_ino, .payload = strlen(path) + 1}, path);
  }
  pthread_mutex_unlock(&lock);
  if (fd >= 0 && existed && (flags & O_TRUNC) && ftruncate(fd, 0) != 0) die("truncate");
  return fd;
}

int open(const char *path, int flags, ...) {
  char full[PATH_MAX];
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  int inside = watched_path(path, full);
  if (inside && fails(OPENING, full)) return -1;
  if (inside && (flags & (O_CREAT | O_TRUNC))) return open_watched(full, flags, mode);
  return REAL(int, open, const char *, int, ...)(path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

FILE *fopen(const char *path, const char *mode) {
  char full[PATH_MAX];
  int inside = watched_path(path, full);
  if (inside && fails(OPENING, full)) return NULL;
  if (!inside || (mode[0] != 'w' && mode[0] != 'a')) {
    return REAL(FILE *, fopen, const char *, const char *)(path, mode);
  }
  int access = strchr(mode, '+') == NULL ? O_WRONLY : O_RDWR;
  int fd = open_watched(full, access | O_CREAT | O_CLOEXEC | (mode[0] == 'w' ? O_TRUNC : O_APPEND), 0666);
  return fd < 0 ? NULL : fdopen(fd, mode);
}
FILE *fopen64(const char *path, const char *mode) __attribute__((alias("fopen")));

int unlink(const char *path) {
  char full[PATH_MAX];
  struct stat st;
  if (!watched_path(path, full)) return REAL(int, unlink, const char *)(path);
  if (fails(CHANGING, full)) return -1;
  pthread_mutex_lock(&lock);
  int exists = lstat(full, &st) == 0 && !S_ISDIR(st.st_mode);
  if (exists) keep_file(full);
  int result = REAL(int, unlink, const char *)(full);
  if (result == 0) {
    append((struct record){.kind = UNLINK, .inode = st.st_ino, .payload = strlen(full) + 1}, full);
  }
  pthread_mutex_unlock(&lock);
  return result;
}

int rename(const char *from, const char *to) {
  char paths[2 * PATH_MAX], target[PATH_MAX];
  struct stat st;
  if (!watched_path(from, paths) || !watched_path(to, target)) {
    return REAL(int, rename, const char *, const char *)(from, to);
  }
  if (fails(CHANGING, paths)) return -1;
  uint64_t first = strlen(paths) + 1;
  memcpy(paths + first, target, strlen(target) + 1);
  pthread_mutex_lock(&lock);
  int replaces = lstat(target, &st) == 0;
  if (replaces) keep_file(target);
  int result = REAL(int, rename, const char *, const char *)(paths, target);
  if (result == 0) {
    if (lstat(target, &st) != 0) die("stat");
    uint64_t payload = first + strlen(target) + 1;
    append((struct record){.kind = RENAME, .inode = st.st_ino, .offset = replaces, .payload = payload}, paths);
  }
  pthread_mutex_unlock(&lock);
  return result;
}

static void refuse(int fd, const char *what) {
  struct stat st;
  if (watched(fd, &st) && S_ISREG(st.st_mode)) die(what);
}

void *mmap(void *where, size_t bytes, int access, int flags, int fd, off_t at) {
  if ((access & PROT_WRITE) && (flags & MAP_SHARED)) refuse(fd, "writes through a shared mapping are not watched");
  return REAL(void *, mmap, void *, size_t, int, int, int, off_t)(where, bytes, access, flags, fd, at);
}
void *mmap64(void *where, size_t bytes, int access, int flags, int fd, off64_t at) {
  return mmap(where, bytes, access, flags, fd, at);
}

ssize_t sendfile64(int out, int in, off64_t *at, size_t bytes) {
  refuse(out, "sendfile is not watched");
  return REAL(ssize_t, sendfile64, int, int, off64_t *, size_t)(out, in, at, bytes);
}

long syscall(long number, ...) {
  long a[6];
  va_list rest;
  va_start(rest, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_write || number == SYS_pwrite64 || number == SYS_pwritev || number == SYS_pwritev2 ||
      number == SYS_fsync || number == SYS_fdatasync || number == SYS_ftruncate) {
    refuse(a[0], "raw system calls are not watched");
  }
  if (number == SYS_copy_file_range) refuse(a[2], "copy_file_range is not watched");
  if (number == SYS_io_uring_setup && getenv(DATA_ENV) != NULL) {
    errno = ENOSYS;
    return -1;
  }
  return REAL(long, syscall, long, ...)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/*
 * Preloaded into a node by power-cut.ts: an undo journal of everything the process changes in its data folder
 * (POWER_CUT_DATA). SIGKILL loses nothing of it, because a written page lives on in the page cache; a power cut is
 * made afterwards by undoing what no later sync covered. The journal and hard links to removed files lie in
 * POWER_CUT_JOURNAL, outside of that folder, on the same file system.
 *
 * Invariant: a record of old bytes stands in the journal before they are overwritten, and one lock holds over record and
 * change. A sync covers what the journal held when it began, so a change that runs beside it stays unsynced.
 * Ways to change a file that are not watched here (shared mappings, sendfile, raw system calls) end the process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The function that this library stands before. */
#define REAL(type, name, ...)                            \
  ({                                                     \
    static void *found;                                  \
    if (found == NULL) found = dlsym(RTLD_NEXT, #name);  \
    (type (*)(__VA_ARGS__)) found;                       \
  })
#define DATA_ENV "POWER_CUT_DATA"
#define JOURNAL_ENV "POWER_CUT_JOURNAL"

enum { WRITE = 1, SYNC = 2, CREATE = 3, RENAME = 4, UNLINK = 5 };
enum { MAGIC = 0x50434a31 };

/* Read by power-cut.ts. `payload`: the old bytes of a WRITE, the absolute paths (each ended by 0) of a changed name. */
struct record {
  uint32_t magic;
  uint32_t kind;
  uint64_t inode;
  uint64_t offset; /* WRITE: of the old bytes. SYNC: length of the journal it covers. RENAME: 1 if it replaced a file. */
  uint64_t size;   /* WRITE: of the file before it. SYNC: 1 if of a folder. */
  uint64_t payload;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static uint64_t tail;

static void die(const char *what) {
  dprintf(STDERR_FILENO, "power-cut: %s: %s\n", what, strerror(errno));
  abort();
}

static int inside(const char *path) {
  const char *data = getenv(DATA_ENV);
  size_t length = data == NULL ? 0 : strlen(data);
  return length > 0 && strncmp(path, data, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* Whether the open file is one of the data folder's files or folders. */
static int watched(int fd, struct stat *st) {
  char link[64], path[PATH_MAX];
  int saved = errno;
  int answer = 0;
  if (fd >= 0 && fstat(fd, st) == 0 && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    answer = inside(path);
  }
  errno = saved;
  return answer;
}

/* The path with its folder resolved, or 0 if that is not in the data folder. */
static int watched_path(const char *path, char out[PATH_MAX]) {
  char copy[PATH_MAX], folder[PATH_MAX];
  int saved = errno;
  snprintf(copy, sizeof copy, "%s", path);
  int answer = realpath(dirname(copy), folder) != NULL && inside(folder);
  if (answer) {
    snprintf(copy, sizeof copy, "%s", path);
    if (snprintf(out, PATH_MAX, "%s/%s", folder, basename(copy)) >= PATH_MAX) die("path too long");
  }
  errno = saved;
  return answer;
}

static void in_journal_folder(char out[PATH_MAX], const char *name) {
  const char *folder = getenv(JOURNAL_ENV);
  if (folder == NULL) die(JOURNAL_ENV " is not set");
  snprintf(out, PATH_MAX, "%s/%s", folder, name);
}

static void append(struct record record, const void *payload) {
  if (journal < 0) {
    char path[PATH_MAX];
    in_journal_folder(path, "journal");
    journal = REAL(int, open, const char *, int, ...)(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0) die("journal");
  }
  record.magic = MAGIC;
  struct iovec parts[2] = {{&record, sizeof record}, {(void *)payload, record.payload}};
  ssize_t bytes = sizeof record + record.payload;
  if (REAL(ssize_t, writev, int, const struct iovec *, int)(journal, parts, 2) != bytes) die("journal");
  tail += bytes;
}

/* Keeps what [offset, offset + bytes) of the file holds now, and its size. Called under the lock. */
static void keep(int fd, uint64_t offset, uint64_t bytes) {
  struct stat st;
  int saved = errno;
  if (fstat(fd, &st) != 0) die("fstat");
  uint64_t size = st.st_size;
  uint64_t old = offset >= size ? 0 : offset + bytes > size ? size - offset : bytes;
  char *buffer = malloc(old + 1);
  if (old > 0) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int reader = REAL(int, open, const char *, int, ...)(link, O_RDONLY | O_CLOEXEC);
    if (reader < 0 || pread(reader, buffer, old, offset) != (ssize_t)old) die("old bytes");
    REAL(int, close, int)(reader);
  }
  append((struct record){.kind = WRITE, .inode = st.st_ino, .offset = offset, .size = size, .payload = old}, buffer);
  free(buffer);
  errno = saved;
}

static uint64_t total(const struct iovec *parts, int count) {
  uint64_t bytes = 0;
  for (int i = 0; i < count; i++) bytes += parts[i].iov_len;
  return bytes;
}

static uint64_t place(int fd, const struct stat *st) {
  int appends = fcntl(fd, F_GETFL) & O_APPEND;
  return appends ? (uint64_t)st->st_size : (uint64_t)lseek(fd, 0, SEEK_CUR);
}

/* Runs `change` after the old bytes of a watched file were kept. */
#define KEPT(type, fd, at, bytes, change)              \
  do {                                                 \
    struct stat st;                                    \
    if (!watched(fd, &st)) return change;              \
    pthread_mutex_lock(&lock);                         \
    fstat(fd, &st);                                    \
    keep(fd, at, bytes);                               \
    type result = change;                              \
    pthread_mutex_unlock(&lock);                       \
    return result;                                     \
  } while (0)

ssize_t write(int fd, const void *from, size_t bytes) {
  KEPT(ssize_t, fd, place(fd, &st), bytes, (REAL(ssize_t, write, int, const void *, size_t)(fd, from, bytes)));
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  KEPT(ssize_t, fd, place(fd, &st), total(parts, count),
       (REAL(ssize_t, writev, int, const struct iovec *, int)(fd, parts, count)));
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t at) {
  KEPT(ssize_t, fd, at, bytes, (REAL(ssize_t, pwrite, int, const void *, size_t, off_t)(fd, from, bytes, at)));
}
ssize_t pwrite64(int fd, const void *from, size_t bytes, off64_t at) { return pwrite(fd, from, bytes, at); }

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
  KEPT(ssize_t, fd, at, total(parts, count),
       (REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t)(fd, parts, count, at)));
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return pwritev(fd, parts, count, at); }

/* What is beyond the new end is lost; without such bytes only the size is. */
int ftruncate(int fd, off_t size) { KEPT(int, fd, size, INT64_MAX / 2, (REAL(int, ftruncate, int, off_t)(fd, size))); }
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

static void note_sync(const struct stat *st, uint64_t begun) {
  pthread_mutex_lock(&lock);
  append((struct record){.kind = SYNC, .inode = st->st_ino, .offset = begun, .size = S_ISDIR(st->st_mode)}, NULL);
  pthread_mutex_unlock(&lock);
}

static uint64_t position(void) {
  pthread_mutex_lock(&lock);
  uint64_t now = tail;
  pthread_mutex_unlock(&lock);
  return now;
}

#define SYNCED(fd, change)                    \
  do {                                        \
    struct stat st;                           \
    if (!watched(fd, &st)) return change;     \
    uint64_t begun = position();              \
    int result = change;                      \
    if (result == 0) note_sync(&st, begun);   \
    return result;                            \
  } while (0)

int fsync(int fd) { SYNCED(fd, (REAL(int, fsync, int)(fd))); }
int fdatasync(int fd) { SYNCED(fd, (REAL(int, fdatasync, int)(fd))); }

static int open_watched(const char *path, int flags, mode_t mode) {
  struct stat st;
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
  if ((flags & (O_CREAT | O_TRUNC)) && watched_path(path, full)) return open_watched(full, flags, mode);
  return REAL(int, open, const char *, int, ...)(path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

FILE *fopen(const char *path, const char *mode) {
  char full[PATH_MAX];
  if ((mode[0] != 'w' && mode[0] != 'a') || !watched_path(path, full)) {
    return REAL(FILE *, fopen, const char *, const char *)(path, mode);
  }
  int access = strchr(mode, '+') == NULL ? O_WRONLY : O_RDWR;
  int fd = open_watched(full, access | O_CREAT | O_CLOEXEC | (mode[0] == 'w' ? O_TRUNC : O_APPEND), 0666);
  return fd < 0 ? NULL : fdopen(fd, mode);
}
FILE *fopen64(const char *path, const char *mode) __attribute__((alias("fopen")));

/* A second name keeps a file that loses its last one; called under the lock, before the record with this position. */
static void keep_file(const char *path) {
  char name[32], kept[PATH_MAX];
  snprintf(name, sizeof name, "%llu", (unsigned long long)tail);
  in_journal_folder(kept, name);
  if (link(path, kept) != 0) die("link");
}

int unlink(const char *path) {
  char full[PATH_MAX];
  struct stat st;
  if (!watched_path(path, full)) return REAL(int, unlink, const char *)(path);
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

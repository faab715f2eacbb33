/*
 * The journal of power-cut.c: which files it watches, and its records, which power-cut.ts reads.
 * Invariant: whoever appends holds `lock`; `tail` is the length of the journal.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Whether the open file is one of the data folder's files or folders; its path. */
static int watched_at(int fd, struct stat *st, char path[PATH_MAX]) {
  char link[64];
  int saved = errno;
  int answer = 0;
  if (fd >= 0 && fstat(fd, st) == 0 && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    answer = inside(path);
  }
  errno = saved;
  return answer;
}

static int watched(int fd, struct stat *st) {
  char path[PATH_MAX];
  return watched_at(fd, st, path);
}

/* Without a folder for the journal only faults are made. */
static int journaling(void) { return getenv(JOURNAL_ENV) != NULL; }

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
  snprintf(out, PATH_MAX, "%s/%s", getenv(JOURNAL_ENV), name);
}

static void append(struct record record, const void *payload) {
  if (!journaling()) return;
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
  if (!journaling()) return;
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

/* A second name keeps a file that loses its last one; called under the lock, before the record with this position. */
static void keep_file(const char *path) {
  char name[32], kept[PATH_MAX];
  if (!journaling()) return;
  snprintf(name, sizeof name, "%llu", (unsigned long long)tail);
  in_journal_folder(kept, name);
  if (link(path, kept) != 0) die("link");
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

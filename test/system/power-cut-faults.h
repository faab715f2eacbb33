/*
 * Faults of power-cut.c, switched while the process runs. The file named by POWER_CUT_FAULTS holds one line, `FAULT PART`
 * (disk-faults.ts writes it): operations on watched paths that contain PART fail so until the line is another. The first
 * ones: enospc, eio-write, short (half of a write is taken, then there is no room); eio-sync, stuck-sync (a sync waits until the fault is
 * over); erofs (nothing may be changed); emfile (nothing may be opened).
 */
#include "power-cut-journal.h"

#define FAULTS_ENV "POWER_CUT_FAULTS"

enum operation { WRITING, SYNCING, OPENING, CHANGING };
enum { SHORT = -1, STUCK = -2 };

struct fault {
  const char *name;
  enum operation operation;
  int error;
};

static const struct fault FAULTS[] = {
    {"enospc", WRITING, ENOSPC}, {"eio-write", WRITING, EIO}, {"short", WRITING, SHORT},
    {"eio-sync", SYNCING, EIO},  {"stuck-sync", SYNCING, STUCK}, {"emfile", OPENING, EMFILE},
    {"erofs", WRITING, EROFS},   {"erofs", CHANGING, EROFS},
};

/* What the operation on `path` fails with: 0, an errno, SHORT or STUCK. */
static int fault_of(enum operation operation, const char *path) {
  static int control = -2;
  char line[256], name[32], part[192];
  if (control == -2) {
    const char *from = getenv(FAULTS_ENV);
    control = from == NULL ? -1 : REAL(int, open, const char *, int, ...)(from, O_RDONLY | O_CLOEXEC);
  }
  if (control < 0) return 0;
  ssize_t length = pread(control, line, sizeof line - 1, 0);
  line[length < 0 ? 0 : length] = 0;
  if (sscanf(line, "%31s %191s", name, part) != 2 || strstr(path, part) == NULL) return 0;
  for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++) {
    if (FAULTS[i].operation == operation && strcmp(FAULTS[i].name, name) == 0) return FAULTS[i].error;
  }
  return 0;
}

/* Sets errno and answers 1 if the operation is to fail; waits while it is stuck. */
static int fails(enum operation operation, const char *path) {
  int error = fault_of(operation, path);
  while (error == STUCK) {
    usleep(10000);
    error = fault_of(operation, path);
  }
  if (error <= 0) return 0;
  errno = error;
  return 1;
}

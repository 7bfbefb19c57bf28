/* Makes system calls fail: preloaded into a listener, told by a file what to refuse.

   FAULT_ROOT names the folder whose files are affected, FAULT_FILE the file that holds
   "CALL ERRNO" while a fault is on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int fault(const char *call, const char *path) {
  const char *file = getenv("FAULT_FILE"), *root = getenv("FAULT_ROOT");
  char text[64], name[32];
  int number;
  if (!file || !root || !path || strncmp(path, root, strlen(root))) return 0;
  int handle = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY);
  if (handle < 0) return 0;
  ssize_t length = syscall(SYS_read, handle, text, sizeof text - 1);
  syscall(SYS_close, handle);
  text[length > 0 ? length : 0] = 0;
  if (sscanf(text, "%31s %d", name, &number) != 2 || strcmp(name, call)) return 0;
  errno = number;
  return 1;
}

static int fault_of(const char *call, int handle) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return fault(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int handle, const void *bytes, size_t count) {
  return fault_of("write", handle) ? -1 : REAL(write)(handle, bytes, count);
}
ssize_t pwrite64(int handle, const void *bytes, size_t count, off64_t at) {
  return fault_of("pwrite64", handle) ? -1 : REAL(pwrite64)(handle, bytes, count, at);
}
int fsync(int handle) { return fault_of("fsync", handle) ? -1 : REAL(fsync)(handle); }
int fdatasync(int handle) { return fault_of("fdatasync", handle) ? -1 : REAL(fdatasync)(handle); }
int rename(const char *from, const char *to) {
  return fault("rename", from) ? -1 : REAL(rename)(from, to);
}
int open64(const char *path, int flags, ...) {
  va_list given;
  va_start(given, flags);
  mode_t mode = va_arg(given, mode_t);
  va_end(given);
  return fault("open", path) ? -1 : REAL(open64)(path, flags, mode);
}

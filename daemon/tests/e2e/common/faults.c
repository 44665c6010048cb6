/* Stands between the daemon and the C library (LD_PRELOAD) and lets calls of recv and send fail, for the
   connections of the ports that a test has written into a table. Everything else goes through. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RECV = 1, SEND = 2 };

struct rule {
    volatile unsigned char call;  /* RECV, SEND, or 0: none */
    volatile unsigned char error; /* what errno becomes */
    volatile unsigned char after; /* calls that are let through first */
    volatile unsigned char count; /* how often it was done; stays at 255 */
};

static struct rule *rules; /* by the peer's port */

__attribute__((constructor)) static void open_table(void) {
    int fd = open(getenv("FAULTS"), O_RDWR | O_CLOEXEC);
    void *at = mmap(NULL, 65536 * sizeof(struct rule), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || at == MAP_FAILED)
        abort();
    close(fd);
    rules = at;
}

static int fails(int fd, unsigned char call) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 || peer.sin_family != AF_INET)
        return 0;
    struct rule *rule = &rules[ntohs(peer.sin_port)];
    if (rule->call != call)
        return 0;
    if (rule->after > 0) {
        rule->after--;
        return 0;
    }
    /* What is lost stays lost; an interrupted call works when it is made again. */
    if (rule->error == EINTR)
        rule->after = 1;
    if (rule->count < 255)
        rule->count++;
    errno = rule->error;
    return 1;
}

ssize_t recv(int fd, void *bytes, size_t size, int flags) {
    return fails(fd, RECV) ? -1 : syscall(SYS_recvfrom, fd, bytes, size, flags, NULL, NULL);
}

ssize_t send(int fd, const void *bytes, size_t size, int flags) {
    return fails(fd, SEND) ? -1 : syscall(SYS_sendto, fd, bytes, size, flags, NULL, 0);
}

/* Loaded before the C library (LD_PRELOAD): whoever asks for the addresses to listen on gets loopback
 * alone. gnutls-serv has no option for it, and no test server may be reached from elsewhere. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
  lookup *original = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
  return original(node ? node : "127.0.0.1", service, hints, found);
}
